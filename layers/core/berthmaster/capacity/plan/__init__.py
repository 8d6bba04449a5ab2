"""Snapshot → plan: pure functions of values."""
