"""AWS → snapshot: reads only."""
