"""What registry tests stand on: a plain client, Debian's docker-registry and skopeo where they are installed."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import urllib3

from longshore_local.registry_routes import kind_of

if TYPE_CHECKING:
    from types import TracebackType

    from longshore_local.certificates import Certificate
    from longshore_local.images import HttpRegistry

DOCKER_REGISTRY = shutil.which("docker-registry") or shutil.which("registry")
SKOPEO = shutil.which("skopeo")
NO_DOCKER_REGISTRY = "neither docker-registry nor registry is on the PATH"
NO_SKOPEO = "skopeo is not on the PATH"

_PATIENCE = 15.0
_LOGGED = re.compile(r'"(?P<method>[A-Z]+) (?P<path>\S+) HTTP/[\d.]+" (?P<status>\d+) (?P<size>\d+)')


class Asking:
    """Requests to one registry as they are written: no redirects, no retries, no credentials of its own."""

    def __init__(self, registry: HttpRegistry) -> None:
        self.registry = registry
        self._http = urllib3.PoolManager(retries=False, ca_certs=registry.ca_file)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> urllib3.BaseHTTPResponse:
        """One request; `path` may be a whole URL, underscores in header names become hyphens."""
        url = path if "://" in path else self.registry.url + path
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._http.request(method, url, body=body, headers=named, redirect=False, decode_content=False)

    def code(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        """Status and error code of a refusal."""
        answer = self.ask(method, path, body, **headers)
        return answer.status, answer.json()["errors"][0]["code"]

    def close(self) -> None:
        """Ends its connections."""
        self._http.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A request in docker-registry's access log; `size` is the answer's body."""

    method: str
    path: str
    status: int
    size: int

    @property
    def kind(self) -> str:
        """As the stand-in counts them, `PUT manifest`."""
        return kind_of(self.method, self.path)


class DistributionServer:
    """Debian's docker-registry on a free loopback port, with its blobs in a directory; a context manager."""

    def __init__(self, directory: Path, *, certificate: Certificate | None = None) -> None:
        self._directory = directory
        self._certificate = certificate
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """With the scheme that it speaks."""
        return f"{'https' if self._certificate else 'http'}://{self.host}"

    @property
    def ca_file(self) -> str | None:
        """The authority to trust."""
        return str(self._certificate.ca) if self._certificate else None

    @property
    def storage(self) -> Path:
        """Where it keeps repositories and blobs."""
        return self._directory / "storage"

    def start(self) -> Self:
        """Starts it and waits until it listens; RuntimeError with its last words when it does not."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for _ in range(3):  # another process may take the port in between
            self.port = _free_port()
            if self._launch():
                return self
        raise RuntimeError(f"docker-registry did not start: {(self._directory / 'stderr').read_text()[-500:]}")

    def close(self) -> None:
        """Ends it; harmless when it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def wipe(self) -> None:
        """Forgets every repository and blob, while it runs."""
        shutil.rmtree(self.storage / "docker", ignore_errors=True)

    def requests(self, skip: int = 0) -> list[LoggedRequest]:
        """The requests that it has answered, without the first `skip`."""
        lines = (self._directory / "stdout").read_text().splitlines()
        found = [_LOGGED.search(line) for line in lines]
        return [LoggedRequest(m["method"], m["path"], int(m["status"]), int(m["size"])) for m in found if m][skip:]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _launch(self) -> bool:
        configuration = self._directory / "config.yml"
        configuration.write_text(json.dumps(self._configuration()))  # JSON is YAML
        command = [str(DOCKER_REGISTRY), "serve", str(configuration)]
        with (self._directory / "stdout").open("wb") as out, (self._directory / "stderr").open("wb") as err:
            self._process = subprocess.Popen(command, stdout=out, stderr=err, env={"HOME": str(self._directory)})
        deadline = time.monotonic() + _PATIENCE
        while self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return True
            time.sleep(0.02)
        self.close()
        return False

    def _configuration(self) -> dict[str, Any]:
        http: dict[str, Any] = {"addr": self.host, "secret": "loopback", "net": "tcp"}
        if self._certificate is not None:
            http["tls"] = {"certificate": str(self._certificate.certificate), "key": str(self._certificate.key)}
        storage = {"filesystem": {"rootdirectory": str(self.storage)}, "delete": {"enabled": True}}
        urls = {"manifests": {"urls": {"allow": ["^https?://"]}}}  # else it wants foreign layers as well
        about = {"version": 0.1, "log": {"level": "error"}, "storage": storage}
        return {**about, "http": http, "validation": urls}


class Skopeo:
    """skopeo with a home of its own and no policy to ask."""

    def __init__(self, home: Path) -> None:
        self._environment = {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin", "XDG_RUNTIME_DIR": str(home)}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Runs it to the end, whatever that is."""
        command = [str(SKOPEO), "--insecure-policy", *arguments]
        return subprocess.run(command, env=self._environment, capture_output=True, timeout=120, check=False)

    def ok(self, *arguments: str) -> bytes:
        """What it prints; AssertionError with its complaint when it fails."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def raw(self, registry: HttpRegistry, repository: str, reference: str) -> bytes:
        """The manifest of a tag or digest, byte for byte."""
        host = registry.url.partition("://")[2]
        separator = "@" if ":" in reference else ":"
        trust = "--tls-verify=false"
        if registry.ca_file is not None:
            trust = f"--cert-dir={Path(registry.ca_file).parent}"
        return self.ok("inspect", "--raw", trust, f"docker://{host}/{repository}{separator}{reference}")

    def tree(self, registry: HttpRegistry, repository: str, reference: str) -> dict[str, bytes]:
        """The manifest of `reference` and, by digest, all that it lists, however deep."""
        manifest = self.raw(registry, repository, reference)
        found = {reference: manifest}
        for child in json.loads(manifest).get("manifests", []):
            found |= self.tree(registry, repository, child["digest"])
        return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
