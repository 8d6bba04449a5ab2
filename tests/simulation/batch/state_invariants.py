"""What must be true at every moment of a busy day, and at its end. Each violation is a sentence with its evidence."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from berthmaster.batch.model.files import File, State
from tests.simulation.batch.call_invariants import OWN, CallInvariants
from tests.simulation.batch.day import FOREIGN, INBOX, Day, Source, Upload
from tests.support.batch.scene import INCOMING, RESULTS

ATTEMPTS = 3
"""Of every pipeline."""
ENDS = {"nothing": State.SKIPPED} | dict.fromkeys(("rejected", "poison", "endless"), State.DEAD)
"""How a file ends if nothing interferes, by its kind; all others have a result."""
AGAIN = {State.DEAD: (State.WAITING,), State.CANCELLED: (State.WAITING,)}
"""Ends that a request to replay a file can undo."""
WAY = (State.LAUNCHING, State.STARTING, State.RUNNING, State.COMMITTING)
"""Of a launch; it is gone in one direction."""
SAID = {State.COMMITTED: "File Completed", State.DEAD: "File Failed"}
FAILURES, SPOT_LOSSES = 10, 20
"""What AWS does to a file before it is given up."""
MAILS = 40
KNOWN_WITHIN = 300.0
"""Seconds within which an object is in the ledger if its event is delivered."""

type Identity = tuple[str, str, str, str]


@dataclass
class StateInvariants:
    """Watches a day step by step.

    delivered: events are delivered, so that an object is in the ledger soon.
    """

    day: Day
    calls: CallInvariants
    delivered: bool
    broken: list[str] = field(default_factory=list)
    known: Counter[Identity] = field(default_factory=Counter)
    unknown: dict[Identity, float] = field(default_factory=dict)
    seen: int = 0

    def __post_init__(self) -> None:
        self.day.ledger.watchers.append(self._became)

    def watch(self) -> None:
        """Conservation, counted from outside. It must be cheap, since it is done after every step."""
        for upload in self.day.uploads[self.seen :]:
            self.unknown.setdefault(upload.identity, upload.at)
        self.seen = len(self.day.uploads)
        if not self.delivered:
            return
        for identity, at in list(self.unknown.items()):
            if identity in self.known:
                del self.unknown[identity]
            elif self.day.now - at > KNOWN_WITHIN:
                self._blame(f"{identity} was put at {at:.0f} and is not in the ledger")
                del self.unknown[identity]

    def _blame(self, sentence: str) -> None:
        self.broken.append(f"{sentence} at {self.day.now:.0f}")

    def _became(self, before: File | None, file: File) -> None:
        """A write of the ledger."""
        if before is None:
            identity = identity_of(file)
            self.known[identity] += 1
            if identity not in {one.identity for one in self.day.uploads}:
                self._blame(f"{_named(file)} came into the ledger, and nobody has put it")
            elif self.known[identity] > 1:
                self._blame(f"{_named(file)} came into the ledger again")
        elif not before.is_live and file.state not in (before.state, *AGAIN.get(before.state, ())):
            self._blame(f"{_named(file)} was {before.state} and became {file.state}")
        elif _goes_back(before, file):
            self._blame(f"{_named(file)} went back from {before} to {file}")
        if file.attempts > ATTEMPTS:
            self._blame(f"{_named(file)} was charged {file.attempts} attempts")

    # At the end

    def at_rest(self) -> Iterator[str]:
        """What is not as it should be after all faults have ended and everything has come to its end."""
        files = {identity_of(file): file for file in self.day.ledger.files.values()}
        objects = self.day.scene.objects()
        yield from self._wrong_ends(files)
        for identity, file in files.items():
            if file.state is State.COMMITTED:
                yield from self._wrong_result(file, self._upload(identity), objects)
        yield from self._wrong_names(files, objects)
        yield from self._unsaid(files.values())
        for bucket in (INCOMING, INBOX, RESULTS):
            if self.day.scene.objects(FOREIGN, bucket=bucket) != {FOREIGN: b"not yours"}:
                yield f"{FOREIGN} in {bucket} is not as it was"
        yield from (f"task {task.arn} of {task.started_by} is left" for task in self.day.own_tasks())
        if letters := self.day.scene.dead_letters():
            yield f"{len(letters)} messages are in dead-letter queues: {letters}"
        if len(mails := self.day.scene.mails()) > MAILS:
            yield f"people got {len(mails)} mails"

    def _wrong_ends(self, files: Mapping[Identity, File]) -> Iterator[str]:
        """Each upload is a file that has come to one of its possible ends."""
        for upload in self.day.uploads:
            file = files.get(upload.identity)
            if file is None:
                if self.delivered or self._is_newest(upload):
                    yield f"{upload} was lost"
            elif file.state not in self._possible_ends(upload, file):
                yield f"{_named(file)} of {upload} is {file.state} ({file.reason}): {file}"

    def _unsaid(self, files: Iterable[File]) -> Iterator[str]:
        """The bus has heard what became of each file that has a result or was given up."""
        for state, detail_type in SAID.items():
            said = {detail["file"] for detail in self.day.scene.events(detail_type)}
            yield from (
                f"nobody has heard that {_named(file)} is {state}"
                for file in files
                if file.state is state and file.id not in said
            )

    def _upload(self, identity: Identity) -> Upload:
        return next(one for one in self.day.uploads if one.identity == identity)

    def _is_newest(self, upload: Upload) -> bool:
        """Whether an upload is the object of its key as it is."""
        place = (upload.source.bucket, upload.key)
        is_deleted = self.day.deleted.get(place, 0) >= upload.number
        return not is_deleted and not self._newer(upload)

    def _newer(self, upload: Upload) -> list[Upload]:
        return [one for one in self.day.uploads if one.key == upload.key and one.number > upload.number]

    def _possible_ends(self, upload: Upload, file: File) -> set[State]:
        ends = {ENDS.get(upload.body.kind, State.COMMITTED)}
        kills = self.calls.kills[file.id]
        if file.failures >= FAILURES or file.spot_losses >= SPOT_LOSSES or kills > 1:
            ends.add(State.DEAD)
        if {upload.key, upload.source.name} & self.day.cancelled:
            ends.add(State.CANCELLED)
        if newer := self._newer(upload):
            ends.add(State.SUPERSEDED)
        is_deleted = self.day.deleted.get((upload.source.bucket, upload.key), 0) >= upload.number
        if is_deleted or (newer and not upload.version_id):
            # Its task finds no input, if it is not known before.
            ends |= {State.VANISHED, State.SKIPPED}
        return ends

    def _wrong_result(self, file: File, upload: Upload, objects: Mapping[str, bytes]) -> Iterator[str]:
        """The manifest of a committed file names all objects of one task, which are there, byte for byte."""
        key = f"{file.pipeline}/{OWN}manifests/{file.id}.json"
        if key not in objects:
            yield f"{_named(file)} is committed and has no manifest"
            return
        manifest = json.loads(objects[key])
        source = manifest["input"]
        if (source["bucket"], source["key"], source["version_id"], source["etag"]) != upload.identity:
            yield f"the manifest of {_named(file)} is about {source}"
        found = {one["path"]: objects.get(one["key"]) for one in manifest["objects"]}
        if found != result(upload, str(manifest["attempt"]), manifest["task"]):
            yield f"the result of {_named(file)} is {found}, by the manifest {manifest}"
        for one in manifest["objects"]:
            if not one["key"].startswith(f"{file.pipeline}/{OWN}attempts/{file.id}/{manifest['attempt']}/"):
                yield f"the manifest of {_named(file)} names {one['key']}"

    def _wrong_names(self, files: Mapping[Identity, File], objects: Mapping[str, bytes]) -> Iterator[str]:
        """Under its stable names each key has the result of its newest version that has one, and of nothing else."""
        expected: dict[str, bytes | None] = {}
        for upload in self.day.uploads:
            file = files.get(upload.identity)
            if file is not None and file.state is State.COMMITTED:
                manifest = json.loads(objects.get(f"{file.pipeline}/{OWN}manifests/{file.id}.json", b"{}"))
                prefix = stable_prefix(self.day.source(file.pipeline), upload.key)
                expected |= {f"{prefix}{one['path']}": objects.get(one["key"]) for one in manifest.get("objects", [])}
        found = {key: body for key, body in objects.items() if OWN not in key and key != FOREIGN}
        for key in sorted(expected.keys() | found.keys()):
            if expected.get(key) != found.get(key):
                yield f"{key} is {found.get(key)!r} instead of {expected.get(key)!r}"


def _goes_back(before: File, file: File) -> bool:
    """Whether the ledger believes what was true of a launch before what it knew of it."""
    if before.launch is None:
        return False
    if file.launch is None or file.launch.number != before.launch.number:
        return file.launch is None or file.launch.number < before.launch.number
    is_known = file.launch.task_version >= before.launch.task_version
    if file.state not in WAY:
        return not is_known
    return not is_known or before.state not in WAY or WAY.index(file.state) < WAY.index(before.state)


def identity_of(file: File) -> Identity:
    """Which upload a file is of."""
    return file.bucket, file.key, file.version_id, file.etag


def stable_prefix(source: Source, key: str) -> str:
    """What the stable names of a key's result begin with."""
    return f"{source.name}/{key.removeprefix(source.prefix)}/"


def result(upload: Upload, attempt: str, task: str) -> dict[str, bytes]:
    """What a task makes of an upload, by path."""
    body = upload.body
    return {f"part-{one}.txt": body.result(one, attempt, task.rpartition("/")[2]) for one in range(body.objects)}


def _named(file: File) -> str:
    return f"{file.id} ({file.bucket}/{file.key} {file.version_id or file.etag})"
