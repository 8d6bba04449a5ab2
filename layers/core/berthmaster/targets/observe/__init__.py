"""AWS and Kubernetes → snapshot: reads only."""
