"""The demo's second act: tasks come and go behind a load balancer, the usual way and with Berthmaster."""
