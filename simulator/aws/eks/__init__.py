"""EKS: clusters whose API servers answer over the simulated network."""
