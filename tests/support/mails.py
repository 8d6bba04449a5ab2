"""What people get by SNS: each message says where it is about, and its commands work as they are printed."""

import json
import re
import shlex
from collections.abc import Iterable, Iterator
from typing import Any

from simulator.aws.sns.topics import Notification
from simulator.cloud import Cloud

WHERE = "(account {account}, {region})"
_COMMAND = re.compile(r"\baws [a-z-]+ [a-z-]+ --.*")


def check_mails(cloud: Cloud, mails: Iterable[Notification]) -> None:
    """The first line names account and Region; the subject is one that SNS takes; each command is a valid request."""
    for mail in mails:
        first = mail.message.splitlines()[0]
        assert first.endswith(WHERE.format(account=cloud.account_id, region=cloud.region)), first
        assert mail.subject.isprintable()
        assert len(mail.subject) < 100
        for entries in requests_in(cloud, mail.message):
            assert [entry["Source"] for entry in entries] == ["berthmaster.operator"]


def requests_in(cloud: Cloud, message: str) -> Iterator[list[dict[str, Any]]]:
    """The entries that the commands in a message put, in order."""
    for line in message.splitlines():
        if found := _COMMAND.search(line):
            words = shlex.split(found[0])
            if words[1] == "ec2":  # what people may do without Berthmaster
                continue
            assert words[:4] == ["aws", "events", "put-events", "--region"], words
            assert words[4:6] == [cloud.region, "--entries"]
            (entries,) = words[6:]
            yield json.loads(entries)


def paste(cloud: Cloud, message: str, detail_type: str) -> None:
    """Run the command in a message that makes a request, with the arguments that a shell gives it."""
    (entries,) = [one for one in requests_in(cloud, message) if one[0]["DetailType"] == detail_type]
    answer = cloud.client("events").put_events(Entries=entries)
    assert answer["FailedEntryCount"] == 0, answer
