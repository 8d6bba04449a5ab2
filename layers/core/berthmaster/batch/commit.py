"""Committing: the result of the launch that has ended well becomes the file's result, once."""

from berthmaster.batch.act.manifest import Manifests, input_of, result_objects
from berthmaster.batch.act.publish import publish
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.model.files import File
from berthmaster.batch.model.results import Manifest
from berthmaster.batch.plan.places import output_prefix
from berthmaster.batch.plan.transitions import committed, committing
from berthmaster.batch.report.notices import file_completed
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import MissingEvidence
from berthmaster.invocation import Invocation
from berthmaster.notices import Notices


class Commit:
    """Commits one file."""

    def __init__(self, clients: Clients, clock: Clock, *, files: Files, pipelines: Pipelines, notices: Notices) -> None:
        self._clients = clients
        self._clock = clock
        self._files = files
        self._pipelines = pipelines
        self._notices = notices

    def commit(self, file: File, invocation: Invocation) -> None:
        """Commit the file's current launch, whose task has ended well, and publish its result."""
        if file.launch is None:
            raise MissingEvidence(f"file {file.id} was never launched")
        launch = file.launch
        file = self._files.save(committing(file, self._clock.now(), until=invocation.deadline))
        pipeline = self._pipelines.version(file.pipeline, launch.pipeline_version)
        s3 = self._clients.s3
        objects = tuple(result_objects(s3, pipeline.output.bucket, output_prefix(pipeline, file, launch.number)))
        manifest = Manifests(s3).commit(
            Manifest(
                file=file.id,
                pipeline=file.pipeline,
                input=input_of(file),
                output_bucket=pipeline.output.bucket,
                attempt=launch.number,
                task=launch.task,
                objects=objects,
                committed_at=self._clock.now(),
            ),
            pipeline,
        )
        if pipeline.output.publish:
            publish(s3, manifest, pipeline)
        # The manifest is the truth, and stands by now; the ledger follows.
        self._notices.publish([file_completed(file, manifest, pipeline, is_published=pipeline.output.publish)])
        self._files.save(committed(file, self._clock.now(), is_published=pipeline.output.publish))
