"""Plan → AWS: writes, each safe to repeat."""
