"""Ledger and events → what follows: pure functions of values."""
