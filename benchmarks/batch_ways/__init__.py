"""What users pick instead of Berthmaster: each is what samples and libraries build, and no worse than that."""
