"""What capacity reports: notifications, events, metrics."""
