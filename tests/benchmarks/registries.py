"""What the mirror's benchmark runs between and against: pairs of docker-registries, tools, one measured run."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import urllib3

from longshore_local.certificates import Certificate, make_certificate
from longshore_local.loopback_proxy import LoopbackProxy
from longshore_local.manifests import MEDIA_TYPES
from tests.registries_world import SKOPEO, DistributionServer

if TYPE_CHECKING:
    from resource import struct_rusage


_AT_MOST = 600.0


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of a command: seconds of wall and processor, the largest resident set in bytes, how it ended."""

    wall: float
    cpu: float
    rss: int
    status: int
    output: str


def measure(command: Sequence[str], directory: Path, environment: Mapping[str, str] | None = None) -> Measured:
    """Runs a command to its end; its children that it waited for are in the numbers. Ten minutes at most."""
    given = {
        "HOME": str(directory),
        "PATH": os.environ["PATH"],
        "XDG_RUNTIME_DIR": str(directory),
        **(environment or {}),
    }
    log = directory / "output"
    with log.open("wb") as out:
        begun = time.perf_counter()
        process = subprocess.Popen(list(command), stdout=out, stderr=subprocess.STDOUT, env=given)
        status, used, largest = _wait(process, begun + _AT_MOST)
    wall = time.perf_counter() - begun
    cpu = used.ru_utime + used.ru_stime
    return Measured(wall, cpu, largest, status, log.read_text(errors="replace"))


def _wait(process: subprocess.Popen[bytes], deadline: float) -> tuple[int, struct_rusage, int]:
    """How it ended, what it used, and its largest resident set: ru_maxrss would count ours, from before the exec."""
    largest, status_file = 0, Path(f"/proc/{process.pid}/status")
    while True:
        largest = max(largest, _high_water(status_file))
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, used, largest or used.ru_maxrss * 1024
        if time.perf_counter() > deadline:
            process.kill()
        time.sleep(0.002)


def _high_water(status_file: Path) -> int:
    """VmHWM in bytes; 0 where /proc does not tell, or no more."""
    with contextlib.suppress(OSError, ValueError):
        for line in status_file.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


@dataclass(frozen=True, slots=True)
class Address:
    """A registry as a tool is told of it, perhaps with a longer way to it."""

    host: str
    ca_file: str | None

    @property
    def url(self) -> str:
        """With the scheme."""
        return f"{'https' if self.ca_file else 'http'}://{self.host}"


class Pair:
    """A source and a destination, both docker-registries, with the ways to them."""

    def __init__(
        self, servers: tuple[DistributionServer, DistributionServer], proxies: tuple[LoopbackProxy | None, ...]
    ) -> None:
        self._servers = servers
        self._marks = [0, 0]
        hosts = [proxy.host if proxy else server.host for server, proxy in zip(servers, proxies, strict=True)]
        self.near = servers[0]
        self.source, self.destination = (Address(h, s.ca_file) for h, s in zip(hosts, servers, strict=True))

    def mark(self) -> None:
        """Requests are counted from here."""
        self._marks = [len(server.requests()) for server in self._servers]

    def requests(self) -> tuple[Counter[str], Counter[str]]:
        """Since the mark, at source and destination, by kind (`GET manifest`)."""
        source, destination = (
            Counter(request.kind for request in server.requests(mark))
            for server, mark in zip(self._servers, self._marks, strict=True)
        )
        return source, destination

    def wipe_destination(self) -> None:
        """Forgets what was copied."""
        self._servers[1].wipe()


@contextmanager
def pair(directory: Path, *, tls: bool = False, source_rtt: float = 0, destination_rtt: float = 0) -> Iterator[Pair]:
    """Two docker-registries, with HTTPS and longer ways if asked for; /dev/shm is a good directory."""
    with ExitStack() as stack:
        certificate: Certificate | None = make_certificate(directory / "certificate") if tls else None
        servers, proxies = [], []
        for name, rtt in (("source", source_rtt), ("destination", destination_rtt)):
            server = stack.enter_context(DistributionServer(directory / name, certificate=certificate))
            servers.append(server)
            proxies.append(stack.enter_context(LoopbackProxy(server.port, rtt=rtt)) if rtt else None)
        yield Pair((servers[0], servers[1]), tuple(proxies))


def skopeo(between: Pair, repository: str, tag: str | None) -> list[str]:
    """skopeo's way of copying a tag, or with None the whole repository."""
    source, destination = f"{between.source.host}/{repository}", f"{between.destination.host}/{repository}"
    trust = _skopeo_trust("src", between.source) + _skopeo_trust("dest", between.destination)
    if tag is None:
        above = destination.rpartition("/")[0]
        return [
            str(SKOPEO),
            "--insecure-policy",
            "sync",
            "--all",
            *trust,
            "--src=docker",
            "--dest=docker",
            source,
            above,
        ]
    return [
        *(str(SKOPEO), "--insecure-policy", "copy", "--all", "--quiet", *trust),
        *(f"docker://{source}:{tag}", f"docker://{destination}:{tag}"),
    ]


def crane(between: Pair, repository: str, tag: str | None) -> list[str]:
    """crane's way, where it is on the PATH."""
    source, destination = f"{between.source.host}/{repository}", f"{between.destination.host}/{repository}"
    if tag is None:
        return ["crane", "cp", "--all-tags", source, destination]
    return ["crane", "cp", f"{source}:{tag}", f"{destination}:{tag}"]


def rivals() -> dict[str, tuple[Callable[[Pair, str, str | None], list[str]], str]]:
    """The tools that are here, by name, with what each says of its version."""
    commands: dict[str, Callable[[Pair, str, str | None], list[str]]] = {"skopeo": skopeo, "crane": crane}
    found = {}
    for name, command in commands.items():
        if path := shutil.which(name):
            question = [path, "--version"] if name == "skopeo" else [path, "version"]
            answer = subprocess.run(question, capture_output=True, text=True, timeout=30, check=False)
            found[name] = (command, answer.stdout.strip().rpartition(" ")[2])
    return found


def trust_environment(between: Pair) -> dict[str, str]:
    """By which tools written in Go trust the pair's certificate."""
    return {"SSL_CERT_FILE": between.source.ca_file} if between.source.ca_file else {}


def same_trees(between: Pair, repository: str, references: Sequence[str]) -> bool:
    """Whether both have the same bytes under these tags, children included."""
    with urllib3.PoolManager(retries=False, ca_certs=between.source.ca_file) as http:
        return all(_same_tree(http, between, repository, reference) for reference in references)


def _same_tree(http: urllib3.PoolManager, between: Pair, repository: str, reference: str) -> bool:
    accept = {"Accept": ", ".join(sorted(MEDIA_TYPES))}
    path = f"/v2/{repository}/manifests/{reference}"
    sides = [http.request("GET", f"{side.url}{path}", headers=accept) for side in (between.source, between.destination)]
    if [side.status for side in sides] != [200, 200] or sides[0].data != sides[1].data:
        return False
    children = json.loads(sides[0].data).get("manifests", [])
    return all(_same_tree(http, between, repository, child["digest"]) for child in children)


def _skopeo_trust(side: str, address: Address) -> list[str]:
    if address.ca_file is None:
        return [f"--{side}-tls-verify=false"]
    return [f"--{side}-cert-dir={Path(address.ca_file).parent}"]
