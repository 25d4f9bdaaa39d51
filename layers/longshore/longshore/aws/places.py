"""The registries that mirrors name: how each is reached, logged in to, listed, created in and deleted from."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from longshore.aws import ecr_public
from longshore.aws.ecr_downstream import EcrHoldings, EcrRepositories, Token
from longshore.aws.ecr_public import PublicRepositories
from longshore.errors import ConfigurationError, UnsupportedError
from longshore.images import Endpoint, ImageReference, Repository
from longshore.mirror.rules import ECR_PUBLIC

if TYPE_CHECKING:
    from longshore.images import Digest
    from longshore.mirror.ports import Holdings, Registry, Side
    from longshore.mirror.rules import Downstream, Mirror


class Credential(NamedTuple):
    """A login, or ECR's authorization token (then `token` alone), and when it ends."""

    username: str = ""
    password: str = ""
    token: str = ""
    expires: datetime | None = None


Connect = Callable[[str, "Side", "Callable[[], Credential] | None"], "Registry"]
"""Makes the registry at a host, for one side of a copy, with what asks for its login."""


class AwsPlaces:
    """See `mirror.stores.Places`."""

    def __init__(
        self,
        client: Callable[[str, str], Any],
        secret: Callable[[str], str],
        connect: Connect,
        forget: Callable[[str], None] = lambda arn: None,
    ) -> None:
        """`client` answers a boto3 client of a service in a Region, `secret` a secret's value by its ARN.

        `forget` has the next value of a secret read anew.
        """
        self._forget = forget
        self._client = client
        self._secret = secret
        self._connect = connect
        self._registries: dict[tuple[str, Side, str], Registry] = {}
        self._public: PublicRepositories | None = None

    def source(self, mirror: Mirror) -> Registry:
        """See the port."""
        return self._registry(mirror.upstream, "source", mirror.secret)

    def destination(self, mirror: Mirror, downstream: Downstream) -> Registry:
        """See the port."""
        return self._registry(downstream.endpoint, "destination", downstream.secret)

    def _registry(self, endpoint: Endpoint, side: Side, secret: str) -> Registry:
        key = (endpoint.host, side, secret)
        if key not in self._registries:
            self._registries[key] = self._connect(endpoint.host, side, self._login(endpoint, side, secret))
        return self._registries[key]

    def _login(self, endpoint: Endpoint, side: Side, secret: str) -> Callable[[], Credential] | None:
        repository = _private(endpoint)
        if repository is not None:
            ecr = self._repositories(repository)
            return lambda: _of(ecr.token())
        if endpoint.host == ECR_PUBLIC and side == "destination":
            return lambda: _of(self._public_repositories().token())
        return self._of_secret(secret) if secret else None

    def _of_secret(self, arn: str) -> Callable[[], Credential]:
        asked = False

        def login() -> Credential:
            nonlocal asked
            if asked:
                self._forget(arn)  # it does not expire: it was refused, and may have been changed since
            asked = True
            return _credential(arn, self._secret(arn))

        return login

    def holdings(self, downstream: Downstream) -> Holdings | None:
        """See the port."""
        repository = _private(downstream.endpoint)
        if repository is not None:
            return EcrHoldings(self._client("ecr", repository.region), repository.account)
        if downstream.is_public:
            self._public_repositories().own(_alias(downstream))
            return _Unaliased(EcrHoldings(self._client("ecr-public", ecr_public.REGION), None))
        return None

    def create(self, mirror: Mirror, downstream: Downstream) -> bool:
        """See the port."""
        repository = _private(downstream.endpoint)
        if repository is not None:
            return self._repositories(repository).create(repository.name, mirror.template)
        if downstream.is_public:
            self._public_repositories().own(_alias(downstream))
            return self._public_repositories().create(_name(downstream), mirror.template, mirror.catalog)
        raise UnsupportedError(f"{downstream.endpoint}: Longshore creates repositories in ECR only")

    def describe(self, mirror: Mirror, downstream: Downstream) -> bool:
        """See the port."""
        if mirror.catalog is None or not downstream.is_public:
            return False
        return self._public_repositories().describe(_name(downstream), mirror.catalog)

    def delete(self, downstream: Downstream, tags: Mapping[str, Digest]) -> Sequence[str]:
        """See the port."""
        repository = _private(downstream.endpoint)
        if repository is not None:
            return self._repositories(repository).delete(repository.name, tags)
        if downstream.is_public:
            return self._public_repositories().delete(_name(downstream), tags)
        raise UnsupportedError(f"{downstream.endpoint}: Longshore deletes in ECR only")

    def _repositories(self, repository: Repository) -> EcrRepositories:
        return EcrRepositories(self._client("ecr", repository.region), repository.account)

    def _public_repositories(self) -> PublicRepositories:
        if self._public is None:
            self._public = PublicRepositories(self._client("ecr-public", ecr_public.REGION))
        return self._public


class _Unaliased:
    """Holdings that are asked for by a name with the registry's alias before it."""

    def __init__(self, holdings: EcrHoldings) -> None:
        self._holdings = holdings

    def tagged(self, repository: str) -> Mapping[str, Digest] | None:
        return self._holdings.tagged(repository.partition("/")[2])

    def blobs(self, repository: str, digests: Collection[Digest]) -> Collection[Digest] | None:
        return self._holdings.blobs(repository.partition("/")[2], digests)


def _private(endpoint: Endpoint) -> Repository | None:
    return ImageReference(endpoint.host, endpoint.name).repository


def _alias(downstream: Downstream) -> str:
    return downstream.endpoint.name.partition("/")[0]


def _name(downstream: Downstream) -> str:
    return downstream.endpoint.name.partition("/")[2]


def _of(token: Token) -> Credential:
    return Credential(token=token.value, expires=token.expires)


def _credential(arn: str, text: str) -> Credential:
    """A secret's ``{"username": ..., "password": ...}``, as ECR's pull-through rules have it, or accessToken."""
    fix = 'a secret such as {"username": "...", "password": "..."}'
    try:
        members = json.loads(text)
        username, password = members["username"], members.get("password") or members["accessToken"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigurationError(arn, "has no username and password", fix) from None
    if not isinstance(username, str) or not isinstance(password, str):
        raise ConfigurationError(arn, "has no username and password", fix)
    return Credential(username, password)
