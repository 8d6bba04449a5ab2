"""S3: what moto does not do as S3 does."""
