"""Who may not do what, by a switch: as a bucket's policy refuses, or the policy of the key that encrypts its objects.

Texts: "Troubleshoot access denied (403 Forbidden) errors" of the S3 User Guide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.calls import caller
from simulator.errors import AwsError

if TYPE_CHECKING:
    from simulator.account import Account

ANYBODY = ""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A caller (a function's logical id; anybody if empty) may not do an action on keys of a prefix in a bucket.

    An action is IAM's, as in `s3:PutObject` or `s3:ListBucket`, whose prefix is that of the listing. `kms:Decrypt` and
    `kms:GenerateDataKey` refuse what reads and writes the bucket's objects.
    """

    bucket: str
    action: str
    prefix: str = ""
    caller: str = ANYBODY


class Refusals:
    """What is refused now; `listed` may be changed at any time."""

    def __init__(self, account: Account) -> None:
        self.listed: list[Refusal] = []
        self._account = account

    def check(self, action: str, bucket: str, key: str) -> None:
        """Raise AccessDenied if an action of the current caller is refused."""
        if not self.refuses(action, bucket, key):
            return
        account = self._account
        if action.startswith("kms:"):
            resource = f"arn:aws:kms:{account.region}:{account.account_id}:key/{bucket}"
            why = f"because no resource-based policy allows the {action} action"
        else:
            resource = f'"arn:aws:s3:::{bucket}{"" if action.startswith("s3:List") else f"/{key}"}"'
            why = "with an explicit deny in a resource-based policy"
        user = f"arn:aws:sts::{account.account_id}:assumed-role/{caller()}/{caller()}"
        message = f"User: {user} is not authorized to perform: {action} on resource: {resource} {why}"
        raise AwsError("AccessDenied", message, 403)

    def refuses(self, action: str, bucket: str, key: str) -> bool:
        """Whether an action of the current caller is refused."""
        return any(
            (one.bucket, one.action) == (bucket, action)
            and one.caller in (ANYBODY, caller())
            and key.startswith(one.prefix)
            for one in self.listed
        )
