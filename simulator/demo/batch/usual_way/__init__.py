"""What Berthmaster is compared with: a Lambda function that calls RunTask for each event of S3."""
