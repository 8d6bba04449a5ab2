"""Notices and metrics of batch."""
