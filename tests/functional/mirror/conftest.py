"""Registries to mirror between: Debian's docker-registry where it is installed, skopeo to look at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from longshore_local.certificates import Certificate, make_certificate
from tests.registries_world import (
    DOCKER_REGISTRY,
    NO_DOCKER_REGISTRY,
    NO_SKOPEO,
    SKOPEO,
    DistributionServer,
    Skopeo,
)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """For loopback servers, with its authority."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def docker_registry(tmp_path: Path, certificate: Certificate) -> Iterator[Callable[..., DistributionServer]]:
    """Starts docker-registries, each with a storage of its own; `tls=True` for HTTPS."""
    if DOCKER_REGISTRY is None:
        pytest.skip(NO_DOCKER_REGISTRY)
    with ExitStack() as stack:
        started: list[DistributionServer] = []

        def start(*, tls: bool = False) -> DistributionServer:
            directory = tmp_path / f"docker-registry-{len(started)}"
            server = DistributionServer(directory, certificate=certificate if tls else None)
            started.append(stack.enter_context(server))
            return server

        yield start


@pytest.fixture
def skopeo(tmp_path: Path) -> Skopeo:
    """Debian's skopeo."""
    if SKOPEO is None:
        pytest.skip(NO_SKOPEO)
    return Skopeo(tmp_path)
