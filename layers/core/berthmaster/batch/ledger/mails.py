"""What people have had a mail about lately, so that ten thousand files that fail alike are one mail.

pk mail   sk <subject>   by: which file had it   until: when the next one may be sent
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from berthmaster.errors import code_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PARTITION = "mail"
KEPT_FOR = timedelta(days=7)


class Mails:
    """Decides which notices are mailed."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def is_due(self, subject: str, *, by: str, now: datetime, every: timedelta) -> bool:
        """Whether `by` is the one whose event is mailed; True again if it is asked again, since a run may have died."""
        until = now + every
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item={
                    "pk": {"S": PARTITION},
                    "sk": {"S": subject},
                    "by": {"S": by},
                    "until": {"N": f"{until.timestamp():.3f}"},
                    "expires": {"N": str(int((until + KEPT_FOR).timestamp()))},
                },
                ConditionExpression="attribute_not_exists(pk) OR #until < :now OR #by = :by",
                ExpressionAttributeNames={"#until": "until", "#by": "by"},
                ExpressionAttributeValues={":now": {"N": f"{now.timestamp():.3f}"}, ":by": {"S": by}},
            )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True
