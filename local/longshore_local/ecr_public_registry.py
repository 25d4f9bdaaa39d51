"""The public registry of one account: repositories with catalog data, seen by name, and by alias and name over HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from moto.ecr.exceptions import RepositoryNotFoundException
from moto.ecr.models import Repository

from longshore_local.ecr_images import EcrRegistry

if TYPE_CHECKING:
    import threading

    from longshore_local.blobs import BlobSpool

HOST = "public.ecr.aws"
REGION = "us-east-1"
_ALIAS_DIGITS = 7


def alias_of(account: str) -> str:
    """The alias that AWS would have given an account: a letter and seven hexadecimal digits."""
    return "p" + hashlib.sha256(account.encode()).hexdigest()[:_ALIAS_DIGITS]


@dataclass(slots=True)
class PublicRepositories:
    """What an account has in ECR Public: repositories by name, their catalog data and their tags."""

    account: str
    repositories: dict[str, Repository] = field(default_factory=dict)
    catalogs: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def alias(self) -> str:
        """The alias of the registry."""
        return alias_of(self.account)

    def make(self, name: str) -> Repository:
        """A new repository; what it replaces is the caller's business."""
        made = Repository(self.account, REGION, name, None, None, "", "MUTABLE")  # type: ignore[abstract]
        made.arn = f"arn:aws:ecr-public::{self.account}:repository/{name}"
        made.uri = f"{HOST}/{self.alias}/{name}"
        self.repositories[name] = made
        return made

    def remove(self, name: str) -> None:
        """Forgets a repository and all that is said of it."""
        del self.repositories[name]
        self.catalogs.pop(name, None)
        self.tags.pop(name, None)


class PublicRegistry(EcrRegistry):
    """Images of one account by the rules of ECR, in the repositories of ECR Public."""

    def __init__(
        self, held: PublicRepositories, spool: BlobSpool, now: Callable[[], datetime], lock: threading.RLock
    ) -> None:
        super().__init__(held.account, REGION, spool, now)
        self.held = held
        self.lock = lock

    def repositories(self) -> list[str]:
        return sorted(self.held.repositories)

    def repository(self, name: str) -> Repository:
        found = self.held.repositories.get(name)
        if found is None:
            raise RepositoryNotFoundException(name, self.account_id)
        return found


class Gallery(EcrRegistry):
    """Every account's images as public.ecr.aws serves them: each name has the alias of its registry before it."""

    def __init__(
        self,
        accounts: Mapping[str, PublicRepositories],
        spool: BlobSpool,
        now: Callable[[], datetime],
        lock: threading.RLock,
    ) -> None:
        super().__init__("", REGION, spool, now)
        self._accounts = accounts
        self.lock = lock

    def repositories(self) -> list[str]:
        held = list(self._accounts.values())
        return sorted(f"{each.alias}/{name}" for each in held for name in each.repositories)

    def repository(self, name: str) -> Repository:
        alias, _, bare = name.partition("/")
        for held in list(self._accounts.values()):
            if held.alias == alias and bare in held.repositories:
                return held.repositories[bare]
        raise RepositoryNotFoundException(name, alias)
