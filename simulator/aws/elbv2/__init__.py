"""Elastic Load Balancing: target groups and their targets."""
