"""What template.yaml declares, read without deploying it: its resources, and what each IAM role allows.

The template's tests and `make docs` use it.
"""
