"""The files and workers of the ledger as they are at every moment, from the writes that DynamoDB has carried out."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from berthmaster.batch.ledger.files import file_of
from berthmaster.batch.model.files import File
from berthmaster.batch.model.workers import Worker
from berthmaster.items import decoded
from simulator.calls import OPERATOR, WORKLOAD, caller, calling_as
from simulator.cloud import Cloud
from tests.simulation.judging import Afterwards, Params, judge

FILES, WORKERS = "file ", "task workers"

type Watcher = Callable[[File | None, File], None]
"""Called with what an item was and what it has become."""


class LedgerView:
    """Follows the items of files and workers.

    files, workers: as they are now, by id. history: all that each file has been. broken: what was done to items that
    may not be.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.files: dict[str, File] = {}
        self.workers: dict[str, Worker] = {}
        self.history: dict[str, list[File]] = defaultdict(list)
        self.watchers: list[Watcher] = []
        self.broken: list[str] = []
        self._cloud = cloud
        judge(cloud, "dynamodb:PutItem", lambda params: self._put([params]))
        judge(
            cloud,
            "dynamodb:TransactWriteItems",
            lambda params: self._put([action["Put"] for action in params["TransactItems"] if "Put" in action]),
        )
        judge(cloud, "dynamodb:UpdateItem", self._update)
        judge(cloud, "dynamodb:DeleteItem", self._other)

    def live(self) -> list[File]:
        """The files about which something is still to be done."""
        return [file for file in self.files.values() if file.is_live]

    def item(self, table: str, key: Mapping[str, Any]) -> Mapping[str, Any]:
        """An item as it is, read by nobody's role; empty if there is none."""
        with calling_as(OPERATOR):
            answer = self._cloud.client("dynamodb").get_item(
                TableName=table, Key={name: key[name] for name in ("pk", "sk")}, ConsistentRead=True
            )
        return answer.get("Item", {})

    def _put(self, puts: list[Params]) -> Afterwards:
        def written() -> None:
            for put in puts:
                partition = put["Item"]["pk"]["S"]
                if partition.startswith(FILES):
                    self._became(file_of(put["Item"]))
                elif partition == WORKERS:
                    worker = decoded(put["Item"], Worker)
                    self.workers[worker.id] = worker

        return written

    def _update(self, params: Params) -> Afterwards:
        """Workers claim files, and write no more of them."""
        if caller() != WORKLOAD or not params["Key"]["pk"]["S"].startswith(FILES):
            return self._other(params)
        return lambda: self._became(file_of(self.item(params["TableName"], params["Key"])))

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
            if params["Key"]["pk"]["S"].startswith(FILES):
                self.broken.append(f"{caller()} changed {params['Key']} without writing the whole file")

        return done
