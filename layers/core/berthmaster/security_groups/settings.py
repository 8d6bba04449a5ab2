"""Configuration of the security_groups functions; see `berthmaster.settings`."""

from datetime import timedelta
from typing import Annotated

from msgspec import Meta, Struct

from berthmaster.modes import Mode
from berthmaster.settings import Text

Days = Annotated[float, Meta(gt=0, le=365)]


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


class TrackSettings(Struct, frozen=True, kw_only=True):
    """Environment of security_groups_track. evidence_bucket: where the topology is recorded."""

    security_groups_mode: Mode
    evidence_bucket: Text


class SurveySettings(TrackSettings, frozen=True, kw_only=True):
    """Environment of security_groups_survey. flow_log_buckets: ARNs of those from which flow logs are read."""

    security_groups_table: Text
    flow_log_buckets: tuple[Text, ...] = ()
    event_bus: Text
    topic_arn: Text


class CreditSettings(SecurityGroupsSettings, frozen=True, kw_only=True):
    """Environment of security_groups_credit."""

    security_groups_credit_queue_url: Text


class ReportSettings(SecurityGroupsSettings, frozen=True, kw_only=True):
    """Environment of security_groups_report. flow_log_buckets: ARNs."""

    security_groups_report_queue_url: Text
    security_groups_credit_queue_url: Text
    flow_log_buckets: tuple[Text, ...] = ()
