"""template.yaml deployed on a cloud: its resources, and its functions as Lambda runs them."""
