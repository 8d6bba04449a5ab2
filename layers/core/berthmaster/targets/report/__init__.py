"""What targets says: notifications, events, metrics."""
