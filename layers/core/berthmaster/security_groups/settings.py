"""Configuration of the security_groups functions; see `berthmaster.settings`."""

from datetime import timedelta
from typing import Annotated

from msgspec import Meta, Struct

from berthmaster.arn import Arn
from berthmaster.modes import Mode
from berthmaster.security_groups.model.place import Place
from berthmaster.security_groups.model.removals import RemovalPolicy
from berthmaster.security_groups.plan.freeze import FreezeWindow, NoWindow, parse_freeze
from berthmaster.settings import Text

Days = Annotated[float, Meta(gt=0, le=365)]
WaitDays = Annotated[float, Meta(ge=0, le=90)]
Count = Annotated[int, Meta(ge=1, le=10_000)]
Hours = Annotated[int, Meta(ge=1, le=2_160)]


class SecurityGroupsSettings(Struct, frozen=True, kw_only=True):
    """What all functions of security_groups read of their environment.

    evidence_bucket: where topology, flows and reports are kept. security_groups_window_days: for how long a rule must
    have been observed without use before it is called unused.
    """

    security_groups_table: Text
    security_groups_mode: Mode
    security_groups_window_days: Days
    evidence_bucket: Text
    event_bus: Text
    topic_arn: Text

    @property
    def window(self) -> timedelta:
        """How long a rule is observed."""
        return timedelta(days=self.security_groups_window_days)


class TopologySettings(Struct, frozen=True, kw_only=True):
    """What all functions read that record the topology. evidence_bucket: where."""

    security_groups_table: Text
    security_groups_mode: Mode
    evidence_bucket: Text


class TrackSettings(TopologySettings, frozen=True, kw_only=True):
    """Environment of security_groups_track. security_groups_change_role: ARN of the role that changes rules."""

    security_groups_change_role: Text


class SurveySettings(TopologySettings, frozen=True, kw_only=True):
    """Environment of security_groups_survey. flow_log_buckets: ARNs of those from which flow logs are read."""

    flow_log_buckets: tuple[Text, ...] = ()
    event_bus: Text
    topic_arn: Text


class CreditSettings(SecurityGroupsSettings, frozen=True, kw_only=True):
    """Environment of security_groups_credit."""

    security_groups_credit_queue_url: Text


class WatchSettings(Struct, frozen=True, kw_only=True):
    """Environment of security_groups_watch. evidence_bucket: where the topology is recorded."""

    security_groups_mode: Mode
    security_groups_table: Text
    evidence_bucket: Text
    topic_arn: Text
    security_groups_change_queue_url: Text


class ReportSettings(SecurityGroupsSettings, frozen=True, kw_only=True):
    """Environment of security_groups_report. flow_log_buckets: ARNs."""

    security_groups_report_queue_url: Text
    security_groups_credit_queue_url: Text
    flow_log_buckets: tuple[Text, ...] = ()


class ChangeSettings(SecurityGroupsSettings, frozen=True, kw_only=True):
    """Environment of security_groups_change; the fields of RemovalPolicy say what they mean.

    restore_alarms: names of CloudWatch alarms. restore_topic_arn: to which people and
    tools publish what does the same. restore_hours: how old a change may be that an alarm takes back.
    """

    security_groups_change_queue_url: Text
    security_groups_notice_days: WaitDays
    security_groups_quarantine_days: WaitDays
    removals_per_run: Count
    removals_per_group: Count
    removals_per_day: Count
    restores_per_group: Count
    restore_hours: Hours
    freeze: str = ""
    iac_tags: tuple[Text, ...] = ()
    owner_tags: tuple[Text, ...] = ()
    restore_alarms: tuple[Text, ...] = ()
    restore_topic_arn: str = ""

    @property
    def place(self) -> Place:
        """Where requests are sent."""
        return Place(self.event_bus, Arn.parse(self.topic_arn).region)

    @property
    def freeze_windows(self) -> tuple[FreezeWindow, ...]:
        """When nothing is changed: always, if that cannot be read. A wrong setting must not stop restores."""
        try:
            return parse_freeze(self.freeze)
        except ValueError as error:
            return (NoWindow(f"SecurityGroupsFreeze: {error}"),)

    @property
    def policy(self) -> RemovalPolicy:
        """What users allow."""
        return RemovalPolicy(
            notice=timedelta(days=self.security_groups_notice_days),
            quarantine=timedelta(days=self.security_groups_quarantine_days),
            per_run=self.removals_per_run,
            per_group=self.removals_per_group,
            per_day=self.removals_per_day,
            restores_per_group=self.restores_per_group,
            iac_tags=tuple((key, value) for key, _, value in (one.partition("=") for one in self.iac_tags)),
            owner_tags=self.owner_tags,
        )
