"""A Lambda function that calls RunTask for each event of S3."""
