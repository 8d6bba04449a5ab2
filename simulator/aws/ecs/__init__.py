"""ECS: services, task definitions, and the life of tasks."""
