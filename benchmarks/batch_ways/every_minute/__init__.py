"""A launcher that looks at a queue once a minute, as gchq/sleeper does; its tasks take messages until none is left."""
