"""Every task and pod is registered within seconds, deregistered before it dies, and never mistaken for another."""
