"""The files of the ledger as they are at every moment, from the writes that DynamoDB has carried out: no reads."""

from collections import defaultdict
from collections.abc import Callable

from berthmaster.batch.ledger.files import file_of
from berthmaster.batch.model.files import File
from simulator.calls import caller
from simulator.cloud import Cloud
from tests.simulation.judging import Afterwards, Params, judge

PARTITION = "file "

type Watcher = Callable[[File | None, File], None]
"""Called with what an item was and what it has become."""


class LedgerView:
    """Follows the items of files.

    files: as they are now, by id. history: all that each has been. broken: what was done to items that may not be.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.files: dict[str, File] = {}
        self.history: dict[str, list[File]] = defaultdict(list)
        self.watchers: list[Watcher] = []
        self.broken: list[str] = []
        judge(cloud, "dynamodb:PutItem", lambda params: self._put([params]))
        judge(
            cloud,
            "dynamodb:TransactWriteItems",
            lambda params: self._put([action["Put"] for action in params["TransactItems"] if "Put" in action]),
        )
        for operation in ("dynamodb:UpdateItem", "dynamodb:DeleteItem"):
            judge(cloud, operation, self._other)

    def live(self) -> list[File]:
        """The files about which something is still to be done."""
        return [file for file in self.files.values() if file.is_live]

    def _put(self, puts: list[Params]) -> Afterwards:
        def written() -> None:
            for put in puts:
                if put["Item"]["pk"]["S"].startswith(PARTITION):
                    self._became(file_of(put["Item"]))

        return written

    def _became(self, file: File) -> None:
        before = self.files.get(file.id)
        if file == before:
            return
        self.files[file.id] = file
        self.history[file.id].append(file)
        for watcher in self.watchers:
            watcher(before, file)

    def _other(self, params: Params) -> Afterwards:
        def done() -> None:
            if params["Key"]["pk"]["S"].startswith(PARTITION):
                self.broken.append(f"{caller()} changed {params['Key']} without writing the whole file")

        return done
