"""The scene of batch: an afternoon of files, the usual way and with Berthmaster."""
