"""CloudFormation: the status of stacks."""
