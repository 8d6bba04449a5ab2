"""The targets scene: tasks start and stop behind a load balancer, registered the usual way and by Berthmaster."""
