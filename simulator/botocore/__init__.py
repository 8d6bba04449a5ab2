"""Between botocore and moto: where each call is recorded, disturbed and answered."""
