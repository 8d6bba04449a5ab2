"""Configuration of the batch functions; see `berthmaster.settings`."""

from datetime import timedelta
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from berthmaster.arn import Arn
from berthmaster.batch.model.pipeline_facts import Allowed
from berthmaster.batch.model.prices import Prices
from berthmaster.batch.plan.prices import prices_of, replaced
from berthmaster.errors import InvalidSetting
from berthmaster.modes import Mode
from berthmaster.settings import Text

Days = Annotated[int, Meta(ge=1, le=3650)]
Dollars = Annotated[float, Meta(gt=0, le=100)]
"""An hour, of something."""
Share = Annotated[float, Meta(gt=0, le=1)]
Date = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]


class BatchSettings(Struct, frozen=True, kw_only=True):
    """What all functions of batch read of their environment.

    stack: the name of the stack, by which its tasks are known. batch_kept_days: how long files that have come to their
    end are remembered.
    """

    batch_table: Text
    batch_mode: Mode
    batch_kept_days: Days
    stack: Text
    event_bus: Text
    topic_arn: Text

    @property
    def kept_for(self) -> timedelta:
        """How long files that have come to their end are remembered."""
        return timedelta(days=self.batch_kept_days)


class PricedSettings(BatchSettings, frozen=True, kw_only=True):
    """What functions read that reckon in dollars. batch_prices: JSON of prices that replace those of the table."""

    batch_prices: str = ""

    def prices(self, region: str) -> Prices:
        """What Fargate costs in a Region; InvalidSetting names the price that is wrong."""
        known = prices_of(region)
        if not self.batch_prices:
            return known
        try:
            given = msgspec.json.decode(self.batch_prices, type=_Given)
        except msgspec.DecodeError as error:
            raise InvalidSetting("BATCH_PRICES", str(error)) from None
        return replaced(known, {name: value for name, value in msgspec.structs.asdict(given).items() if value})


class IntakeSettings(BatchSettings, frozen=True, kw_only=True):
    """Environment of batch_intake."""

    batch_dispatch_queue_url: Text


class DispatchSettings(PricedSettings, frozen=True, kw_only=True):
    """Environment of batch_dispatch. batch_result_queue_url: where workers report to."""

    batch_dispatch_queue_url: Text
    batch_result_queue_url: Text


class FollowSettings(PricedSettings, frozen=True, kw_only=True):
    """Environment of batch_follow."""

    batch_task_queue_url: Text
    batch_dispatch_queue_url: Text
    batch_result_queue_arn: Text


class ReconcileSettings(BatchSettings, frozen=True, kw_only=True):
    """Environment of batch_reconcile."""

    batch_control_queue_url: Text
    batch_task_queue_url: Text
    batch_dispatch_queue_url: Text


class PipelineSettings(PricedSettings, frozen=True, kw_only=True):
    """What functions read that put pipelines in force: the ARNs of what pipelines may use."""

    batch_input_buckets: tuple[Text, ...] = ()
    batch_output_buckets: tuple[Text, ...] = ()
    batch_task_definitions: tuple[Text, ...] = ()
    batch_pass_roles: tuple[Text, ...] = ()

    def allowed(self, region: str) -> Allowed:
        """What pipelines may use in a Region, by name; InvalidSetting for what is no ARN."""
        return Allowed(
            region=region,
            input_buckets=_names("BATCH_INPUT_BUCKETS", self.batch_input_buckets),
            output_buckets=_names("BATCH_OUTPUT_BUCKETS", self.batch_output_buckets),
            families=_names("BATCH_TASK_DEFINITIONS", self.batch_task_definitions),
            roles=frozenset(self.batch_pass_roles),
        )


class ControlSettings(PipelineSettings, frozen=True, kw_only=True):
    """Environment of batch_control."""

    batch_control_queue_url: Text


class _Given(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The value of BATCH_PRICES; what is None is taken from the table."""

    vcpu: Dollars | None = None
    gib: Dollars | None = None
    arm_vcpu: Dollars | None = None
    arm_gib: Dollars | None = None
    spot_share: Share | None = None
    storage: Dollars | None = None
    as_of: Date | None = None


def _names(variable: str, arns: tuple[str, ...]) -> frozenset[str]:
    try:
        return frozenset(Arn.parse(one).name for one in arns)
    except ValueError as error:
        raise InvalidSetting(variable, str(error)) from None
