"""Which pipeline an object belongs to, by its bucket and key.

Keys are compared as they are, code point by code point: S3 knows no other equality, and neither decodes nor normalizes.
"""

from collections.abc import Iterable

from berthmaster.batch.model.pipelines import OWN_FOLDER, Input, Pipeline


def pipeline_of(bucket: str, key: str, pipelines: Iterable[Pipeline]) -> Pipeline | None:
    """The pipeline whose input an object is; None if it is none's. No two of those in force match one object."""
    return next((one for one in pipelines if one.input.bucket == bucket and matches(one.input, key)), None)


def matches(source: Input, key: str) -> bool:
    """Whether a key of the input's bucket is an input."""
    return key.startswith(source.prefix) and key.endswith(source.suffix) and not is_own(key)


def is_own(key: str) -> bool:
    """Whether a key is that of an attempt's file or of a manifest of any pipeline: it is in a folder for those."""
    return f"/{OWN_FOLDER}" in f"/{key}"


def overlap(one: Input, other: Input) -> bool:
    """Whether some key matches both.

    Two prefixes of one key are a prefix of each other, and so are suffixes; and if they are, the longer prefix and the
    longer suffix make a key.
    """
    return (
        one.bucket == other.bucket
        and related_prefixes(one.prefix, other.prefix)
        and related_suffixes(one.suffix, other.suffix)
    )


def related_prefixes(one: str, other: str) -> bool:
    """Whether some key begins with both."""
    return one.startswith(other) or other.startswith(one)


def related_suffixes(one: str, other: str) -> bool:
    """Whether some key ends with both."""
    return one.endswith(other) or other.endswith(one)
