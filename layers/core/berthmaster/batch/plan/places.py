"""Where things stand in an output bucket.

<output prefix>.berthmaster/attempts/<file>/<launch>/   what one launch writes: the only place where its task may write
<output prefix>.berthmaster/manifests/<file>.json       which launch's objects are the result of a file
<output prefix><input key>/                             copies of those objects, under stable names
"""

from berthmaster.batch.model.files import File
from berthmaster.batch.model.pipelines import OWN_FOLDER, Pipeline


def attempts_root(pipeline: Pipeline) -> str:
    """What the keys begin with that any launch of any file writes."""
    return f"{pipeline.output.prefix}{OWN_FOLDER}attempts/"


def output_prefix(pipeline: Pipeline, file: File, launch: int) -> str:
    """What the keys begin with that a launch of a file writes."""
    return f"{attempts_root(pipeline)}{file.id}/{launch}/"


def manifest_key(pipeline: Pipeline, file: str) -> str:
    """The key of a file's manifest."""
    return f"{pipeline.output.prefix}{OWN_FOLDER}manifests/{file}.json"


def published_prefix(pipeline: Pipeline, key: str) -> str:
    """What the stable names of an object's result begin with: its key, without the prefix of the input."""
    return f"{pipeline.output.prefix}{key.removeprefix(pipeline.input.prefix)}/"
