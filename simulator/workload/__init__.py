"""What a cluster does: networks, ECS services that grow, and tasks one by one."""
