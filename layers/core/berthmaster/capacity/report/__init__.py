"""What capacity says: notifications, events, metrics."""
