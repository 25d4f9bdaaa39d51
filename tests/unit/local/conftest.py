"""Stand-in registries."""

from collections.abc import Iterator

import pytest

from longshore_local.registry import Registry
from tests.registries_world import Asking
from tests.served_registry import Serve, registry_with_blob, serving


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Makes registries that end with the test."""
    with serving() as make:
        yield make


@pytest.fixture
def registry() -> Iterator[Registry]:
    """One with a blob."""
    with registry_with_blob() as registry:
        yield registry


@pytest.fixture
def client(registry: Registry) -> Iterator[Asking]:
    """A client of `registry`."""
    with Asking(registry) as client:
        yield client
