"""Committing: the result of the launch that has ended well becomes the file's result, once."""

from collections.abc import Callable
from datetime import timedelta

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.batch.act.manifest import (
    MOST_OBJECTS,
    TooManyObjects,
    commit_manifest,
    input_of,
    result_objects,
    standing_manifest,
)
from berthmaster.batch.act.publish import publish
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.model.files import File, State
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.model.results import Manifest
from berthmaster.batch.plan.committing import (
    MARGIN,
    Turn,
    comes_again_after,
    given_back,
    is_held,
    tried_again_after,
    turn,
)
from berthmaster.batch.plan.following import reported_later
from berthmaster.batch.plan.places import output_prefix
from berthmaster.batch.plan.publishing import copies_of, obstacle
from berthmaster.batch.plan.transitions import committed, committing, ended
from berthmaster.batch.report.notices import commit_blocked, file_completed
from berthmaster.batch.report.outcomes import EVERY_DAY, Outcomes
from berthmaster.batch.triggers import COMMIT_FILE
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import BerthmasterError, MissingEvidence, is_transient
from berthmaster.invocation import Invocation
from berthmaster.items import Conflict
from berthmaster.notices import Notices, NotPublished
from berthmaster.own_queue import OwnQueue
from berthmaster.switch import Stopped, Switch
from berthmaster.telemetry import logger

LEAST_TIME = timedelta(seconds=3)
"""For the event and the ledger, after the last copy."""
TRIES = 5
"""At a record that others write too."""
GIVEN_UP_AFTER = timedelta(days=1)
"""A result that S3 does not let be published stays unpublished."""


class Commit:
    """Commits files, one at a time.

    What makes it wait is written down with the file, which comes again by a message, as often as it has to. A file that
    is `committing` is not launched again: its result is there.
    """

    def __init__(
        self,
        clients: Clients,
        clock: Clock,
        *,
        files: Files,
        pipelines: Pipelines,
        outcomes: Outcomes,
        notices: Notices,
        switch: Switch,
        queue: OwnQueue,
    ) -> None:
        self._clients = clients
        self._clock = clock
        self._files = files
        self._pipelines = pipelines
        self._outcomes = outcomes
        self._notices = notices
        self._switch = switch
        self._queue = queue

    def commit(self, file: File, invocation: Invocation) -> bool:
        """Commit the file's current launch, whose task has ended well; returns whether the file has come to its end.

        Errors: Conflict if another invocation has written the file.
        """
        now = self._clock.now()
        if is_held(file, now):
            logger.info("another invocation commits the file", file=file.id)
            return False
        file = self._files.save(committing(file, now, until=invocation.deadline + MARGIN))
        try:
            return self._commit(file, invocation)
        except Conflict:
            raise
        except (BerthmasterError, BotoCoreError, ClientError) as error:
            self._put_off(file, error)
            return False

    def _commit(self, file: File, invocation: Invocation) -> bool:
        if file.launch is None:
            raise MissingEvidence(f"file {file.id} was never launched")
        pipeline = self._pipelines.version(file.pipeline, file.launch.pipeline_version)
        self._switch.check()
        try:
            manifest = self._manifest(file, file.launch.number, pipeline)
        except TooManyObjects:
            reason = f"its task has written more than {MOST_OBJECTS} objects, which are too many for a result"
            now = self._clock.now()
            dead = self._write(file, lambda one: reported_later(ended(one, State.DEAD, now, reason)))
            self._outcomes.report(dead, "too many objects")
            return True
        left_out = ""
        if pipeline.output.publish:
            outcome = self._publish(file, manifest, pipeline, invocation)
            if outcome is None:
                return False
            left_out = outcome
        # The manifest is the truth, and stands by now; the ledger follows.
        is_published = pipeline.output.publish and not left_out
        self._notices.publish(
            [file_completed(file, manifest, pipeline, is_published=is_published, not_published=left_out)]
        )
        now = self._clock.now()
        self._write(
            file,
            lambda one: committed(one, now, result_of=manifest.attempt, is_published=is_published, reason=left_out),
        )
        return True

    def _manifest(self, file: File, number: int, pipeline: Pipeline) -> Manifest:
        """The one that stands. If it is of another launch, that one's objects are the result."""
        s3, launch = self._clients.s3, file.launch
        standing = standing_manifest(s3, pipeline, file.id) if file.copied else None
        if standing:
            return standing
        return commit_manifest(
            s3,
            Manifest(
                file=file.id,
                pipeline=file.pipeline,
                input=input_of(file),
                output_bucket=pipeline.output.bucket,
                attempt=number,
                task=launch.task if launch else "",
                objects=result_objects(s3, pipeline.output.bucket, output_prefix(pipeline, file, number)),
                committed_at=self._clock.now(),
            ),
            pipeline,
        )

    def _publish(self, file: File, manifest: Manifest, pipeline: Pipeline, invocation: Invocation) -> str | None:
        """Publish; returns why a result stays unpublished, empty if it is published, None if it comes again."""
        copies = copies_of(manifest, pipeline)
        if left_out := obstacle(copies):
            return left_out
        versions = self._files.versions(file.pipeline, file.id)
        match turn(file, versions, self._clock.now()):
            case Turn.NEVER:
                return "a newer version of the object has its result"
            case Turn.WAIT:
                wait = "another version of the object is committed first"
                self._come_again(file, wait, comes_again_after(file, versions))
                return None
        try:
            copied = publish(
                self._clients.s3,
                pipeline.output.bucket,
                copies,
                done=file.copied,
                has_time=lambda needed: invocation.time_left(self._clock.now()) > needed + LEAST_TIME,
            )
        except ClientError as error:
            if is_transient(error) or self._clock.now() - file.since < GIVEN_UP_AFTER:
                raise
            return f"it could not be published for a day: {error}"
        if copied < len(copies):
            reason = f"{copied} of {len(copies)} objects are published"
            self._come_again(file, reason, timedelta(), copied=copied)
            return None
        return ""

    def _put_off(self, file: File, error: Exception) -> None:
        """It is tried again; people hear of what does not pass by itself, once a day."""
        now = self._clock.now()
        reason = f"it cannot be committed: {error}"
        logger.warning("commit put off", file=file.id, error=repr(error))
        if isinstance(error, Stopped):
            # batch_reconcile sends the message when there may be work again.
            self._write(file, lambda one: given_back(one, now, again_at=now, reason=reason))
            return
        self._come_again(file, reason, tried_again_after(file, now))
        passes = (
            is_transient(error) if isinstance(error, ClientError) else isinstance(error, BotoCoreError | NotPublished)
        )
        if not passes:
            self._outcomes.once(commit_blocked(file, reason), f"commit {file.pipeline}", EVERY_DAY)

    def _come_again(self, file: File, reason: str, delay: timedelta, *, copied: int = 0) -> None:
        now = self._clock.now()
        self._write(file, lambda one: given_back(one, now, again_at=now + delay, reason=reason, copied=copied))
        self._queue.send(COMMIT_FILE, {"pipeline": file.pipeline, "file": file.id}, delay)

    def _write(self, held: File, change: Callable[[File], File]) -> File:
        """Write a file that is held; what others have added to it meanwhile, without taking it, stays."""
        for tries_left in reversed(range(TRIES)):
            try:
                return self._files.save(change(held))
            except Conflict:
                found = self._files.get(held.pipeline, held.id)
                if not tries_left or found is None or found.committing_until != held.committing_until:
                    raise
                held = found
        raise AssertionError("unreachable")
