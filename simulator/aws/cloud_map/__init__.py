"""AWS Cloud Map: services and their instances."""
