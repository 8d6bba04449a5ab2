"""How a read can fail that concerns one destination or owner, and no other."""

from botocore.exceptions import BotoCoreError, ClientError

AWS_FAILED = (BotoCoreError, ClientError, TimeoutError)
"""TimeoutError: there was no time left for it in this invocation."""
