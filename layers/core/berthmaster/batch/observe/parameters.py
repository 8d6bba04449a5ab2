"""The parameters of pipelines, read by Powertools.

Its provider returns values only. What is read here has a version and a time too, so that an old answer is known as one:
Parameter Store is not said to answer consistently.
"""

from collections.abc import Mapping
from datetime import UTC
from typing import Any, cast

from aws_lambda_powertools.utilities.parameters import GetParameterError, SSMProvider
from botocore.exceptions import ClientError

from berthmaster.batch.model.pipelines import PARAMETERS, Parameter
from berthmaster.clients import Clients
from berthmaster.errors import code_of


class _WithVersions(SSMProvider):
    """Keeps of each parameter all that AWS says."""

    def _get(self, name: str, decrypt: bool = False, **_: Any) -> Any:  # noqa: FBT001, FBT002 - the parent's signature
        return self.client.get_parameter(Name=name, WithDecryption=decrypt)["Parameter"]

    def _get_multiple(self, path: str, *_: Any, **__: Any) -> Any:
        pages = self.client.get_paginator("get_parameters_by_path").paginate(Path=path, Recursive=True)
        return {one["Name"]: one for page in pages for one in page["Parameters"]}


class Parameters:
    """The parameters of one account and Region. Nothing is cached: the registry is, by those who use it."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._provider: _WithVersions | None = None

    def get(self, pipeline: str) -> Parameter | None:
        """The newest version; None if there is none."""
        try:
            found = self._reader.get(f"{PARAMETERS}{pipeline}", max_age=0, force_fetch=True)
        except GetParameterError as error:
            cause = error.__context__
            if isinstance(cause, ClientError) and code_of(cause) == "ParameterNotFound":
                return None
            raise cause or error from None
        return _parameter(cast("Any", found))

    def all(self) -> list[Parameter]:
        """The newest version of each, by name."""
        try:
            found = self._reader.get_multiple(PARAMETERS.rstrip("/"), max_age=0, force_fetch=True)
        except GetParameterError as error:
            raise error.__context__ or error from None
        return [_parameter(cast("Any", one)) for _, one in sorted(found.items())]

    @property
    def _reader(self) -> _WithVersions:
        if self._provider is None:
            self._provider = _WithVersions(boto3_client=self._clients.ssm)
        return self._provider


def _parameter(found: Mapping[str, Any]) -> Parameter:
    return Parameter(
        pipeline=found["Name"].removeprefix(PARAMETERS),
        text=found["Value"],
        version=found["Version"],
        modified=found["LastModifiedDate"].astimezone(UTC),
        is_secret=found["Type"] == "SecureString",
    )
