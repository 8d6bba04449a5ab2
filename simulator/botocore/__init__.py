"""Between botocore and moto: each call is recorded here, hit by a fault, or handled."""
