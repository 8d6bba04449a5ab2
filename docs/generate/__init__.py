"""Writes the pages that are made from other files: `make docs`."""
