"""A file in S3 becomes a Fargate task and exactly one result: from zero to hundreds of tasks, and no file is lost."""
