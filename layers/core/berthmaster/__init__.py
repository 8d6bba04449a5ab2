"""Berthmaster keeps the container network of an AWS account in order."""

__version__ = "0.1.0"
