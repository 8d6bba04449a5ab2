"""Reads AWS, and the files of flow logs."""
