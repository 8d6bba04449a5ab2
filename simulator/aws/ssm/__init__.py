"""Systems Manager: what moto does not do as AWS does."""
