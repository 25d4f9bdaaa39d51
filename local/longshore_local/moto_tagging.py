"""GetResources on a snapshot: moto's pages walk live dictionaries, and break when a resource is made between two."""

import itertools
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from moto.core.resource_tagging import TaggedResource
from moto.resourcegroupstaggingapi.exceptions import ResourceGroupsTaggingAPIError
from moto.resourcegroupstaggingapi.models import ResourceGroupsTaggingAPIBackend

from longshore_local.ecs.patches import Patches

_REMEMBERED = 64
"""How many unfinished listings are kept; a token of an older one has expired."""


class Listings:
    """Unfinished GetResources listings, each as it was when it began."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, list[TaggedResource]] = OrderedDict()
        self._numbers = itertools.count(1)

    def page(self, resources: list[TaggedResource], start: int, size: int, listing: str) -> tuple[str, list[Any]]:
        """One page, and the token of the next, empty at the end."""
        end = start + size
        if end >= len(resources):
            return "", resources[start:]
        self._held[listing] = resources
        while len(self._held) > _REMEMBERED:
            self._held.popitem(last=False)
        return f"{listing}:{end}", resources[start:end]

    def begin(self, found: Iterator[TaggedResource], size: int) -> tuple[str, list[Any]]:
        """The first page of what is found now."""
        return self.page(list(found), 0, size, str(next(self._numbers)))

    def go_on(self, token: str, size: int) -> tuple[str, list[Any]]:
        """The page that `token` stands for; raises PaginationTokenExpiredException."""
        listing, _, start = token.partition(":")
        if listing not in self._held or not start.isdigit():
            raise ResourceGroupsTaggingAPIError("PaginationTokenExpiredException", "The pagination token has expired.")
        return self.page(self._held[listing], int(start), size, listing)


def mend(patches: Patches) -> None:
    """Puts the paging in place of moto's."""
    listings = Listings()

    def get_resources(
        backend: ResourceGroupsTaggingAPIBackend,
        pagination_token: str | None = None,
        resources_per_page: int = 50,
        tags_per_page: int = 100,
        **filters: Any,
    ) -> tuple[str, list[Any]]:
        if pagination_token:
            return listings.go_on(pagination_token, resources_per_page)
        return listings.begin(backend._get_resources_generator(**filters), resources_per_page)

    patches.put(ResourceGroupsTaggingAPIBackend, "get_resources", get_resources)
