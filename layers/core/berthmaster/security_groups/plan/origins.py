"""Who makes the rules of a group: what infrastructure as code has made is for it to remove."""

from collections.abc import Iterable, Mapping

from berthmaster.security_groups.model.origins import RecordedOrigin
from berthmaster.security_groups.model.removals import Origin
from berthmaster.security_groups.model.rules import Group, Rule

CLOUDFORMATION_TAG = "aws:cloudformation:"
_CLOUDFORMATION = ("cloudformation.amazonaws.com",)
# What these send as user agent, or add to that of their SDK; in small letters.
_IAC = (
    *(
        "terraform",
        "hashicorp",
        "opentofu",
        "terragrunt",
        "pulumi",
        "crossplane",
        "upjet",
        "ansible",
        "cloudcontrolapi",
    ),
    *("aws-controllers-k8s", "servicecatalog", "saltstack", "kops"),
)
_PEOPLE = ("console.", "signin.", "mozilla/", "aws-cli/", "cloudshell", "awspowershell", "aws-toolkit")
MADE_BY_CODE = {Origin.CLOUDFORMATION: "CloudFormation makes it", Origin.IAC: "infrastructure as code makes it"}
"""Why rules of these origins are left as they are."""


def origin_of(
    rule: Rule,
    group: Group | None,
    recorded: Mapping[str, RecordedOrigin],
    iac_tags: Iterable[tuple[str, str]] = (),
) -> Origin:
    """Who makes a rule: by tags of its group or its own, else who made it, else who made its group.

    recorded: by the id of a rule or a group. iac_tags: keys with values; an empty value stands for any.
    """
    tags = {*rule.tags, *(group.tags if group else ())}
    if any(key.startswith(CLOUDFORMATION_TAG) for key, _ in tags):
        return Origin.CLOUDFORMATION
    if any(key == wanted and value in ("", has) for wanted, value in iac_tags for key, has in tags):
        return Origin.IAC
    known = recorded.get(rule.id) or recorded.get(rule.group)
    return known.origin if known else Origin.UNKNOWN


def origin_of_caller(agent: str, *, is_console: bool = False) -> Origin:
    """Who made a call, by its user agent. is_console: whether the credentials are those of a session in the console.

    Scripts with an SDK may be anything.
    """
    text = agent.lower()
    if any(one in text for one in _CLOUDFORMATION):
        return Origin.CLOUDFORMATION
    if any(one in text for one in _IAC):
        return Origin.IAC
    return Origin.PEOPLE if is_console or any(one in text for one in _PEOPLE) else Origin.UNKNOWN
