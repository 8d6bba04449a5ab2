"""What flow records say about rules; pure."""
