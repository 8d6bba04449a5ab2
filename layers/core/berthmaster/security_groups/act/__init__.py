"""Writes rules of security groups."""
