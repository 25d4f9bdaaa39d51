"""Places: an account and a Region. The stack's own is the hub, and spokes are further ones that it takes care of."""

from __future__ import annotations

import re
from typing import NamedTuple

_PLACE = re.compile(r"(?P<account>\d{12})/(?P<region>[a-z]{2,}(?:-[a-z]+)+-\d{1,2})", re.ASCII)
_ARN = re.compile(r"arn:[^:]*:[^:]*:(?P<region>[^:]*):(?P<account>[^:]*):")


class Place(NamedTuple):
    """An account and a Region, written ``123456789012/eu-west-1``."""

    account: str
    region: str

    def __str__(self) -> str:
        return f"{self.account}/{self.region}"

    @classmethod
    def parse(cls, text: str) -> Place:
        """Raises ValueError, which says what is expected."""
        match = _PLACE.fullmatch(text)
        if match is None:
            raise ValueError(f"{text[:64]!r} is not an account and a Region, as 123456789012/eu-west-1")
        return cls(match["account"], match["region"])

    @classmethod
    def of_arn(cls, arn: str) -> Place:
        """Where a resource is, by its ARN. Raises ValueError."""
        match = _ARN.match(arn)
        return cls.parse(f"{match['account']}/{match['region']}" if match else arn)


class Places(NamedTuple):
    """Where a stack deploys to: its own account and Region, and its spokes."""

    home: Place
    spokes: tuple[Place, ...] = ()

    @property
    def all(self) -> tuple[Place, ...]:
        """The hub first."""
        return (self.home, *self.spokes)
