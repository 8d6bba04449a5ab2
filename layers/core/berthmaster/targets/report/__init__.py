"""Notices and metrics of targets."""
