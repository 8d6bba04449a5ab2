"""The nouns of batch: frozen values."""
