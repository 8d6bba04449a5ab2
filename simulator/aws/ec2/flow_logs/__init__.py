"""VPC flow logs: what interfaces see, aggregated, and delivered to S3 in files; moto's flow logs write nothing."""
