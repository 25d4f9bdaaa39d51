"""The recipe of the layer: dependencies, the package `longshore`, service models, bytecode; the same bytes every time.

    python3 build_layer.py ARTIFACTS_DIR      (any Python >= 3.11; sam runs it through the Makefile beside it)

Lambda unpacks the result into /opt: `python/` is on sys.path, `models/` is meant for AWS_DATA_PATH. Bytecode needs a
Python 3.13, the functions' runtime: /opt is read-only there, so without it every cold start compiles all modules again.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

HERE = Path(__file__).resolve().parent
RUNTIME = "3.13"
# The magic number of CPython 3.13's bytecode: what a candidate must answer, whatever it calls itself.
RUNTIME_MAGIC = "f30d0d0a"
KEPT_METADATA = re.compile(r"METADATA|(licenses/.+)|((LICEN[CS]E|NOTICE|COPYING|AUTHORS).*)")
# Of Powertools, functions need Logger, Metrics and the types; of slack_sdk, notify needs the client of the Web API. The
# rest is most of their wheels.
UNUSED = (
    "aws_lambda_powertools/event_handler",
    *(
        f"aws_lambda_powertools/utilities/{name}"
        for name in (
            "auth_alpha",
            "batch",
            "circuit_breaker",
            "data_classes",
            "data_masking",
            "feature_flags",
            "idempotency",
            "kafka",
            "parameters",
            "parser",
            "streaming",
            "validation",
        )
    ),
    "slack",
    "slack_sdk/aiohttp_version_checker.py",
    "slack_sdk/audit_logs",
    "slack_sdk/http_retry/async_*.py",
    "slack_sdk/http_retry/builtin_async_*.py",
    "slack_sdk/oauth",
    "slack_sdk/rtm",
    "slack_sdk/rtm_v2",
    "slack_sdk/scim",
    "slack_sdk/socket_mode",
    "slack_sdk/web/async_*.py",
    "slack_sdk/web/legacy_*.py",
    "slack_sdk/webhook/async_*.py",
)
PIP_OPTIONS = ("-qq", "--disable-pip-version-check", "--no-deps", "--require-hashes", "--only-binary=:all:")
PURE_WHEELS = ("--platform", "any", "--implementation", "py", "--abi", "none", "--python-version", RUNTIME)


class BuildError(Exception):
    """The layer cannot be built; the text says why and what to do."""


def main(arguments: list[str]) -> int:
    """Builds into the directory named by the only argument."""
    try:
        [artifacts] = arguments
        build(Path(artifacts).resolve(), os.environ)
    except ValueError:
        return _fail("usage: build_layer.py ARTIFACTS_DIR")
    except BuildError as error:
        return _fail(str(error))
    return 0


def build(artifacts: Path, environment: Mapping[str, str]) -> None:
    """Fills `artifacts` with the layer."""
    if sys.version_info < (3, 11):  # noqa: UP036  the recipe runs with whatever Python sam finds
        raise BuildError(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}: set PYTHON to a newer one")
    interpreter = find_runtime(environment)
    artifacts.mkdir(parents=True, exist_ok=True)
    python = artifacts / "python"
    with tempfile.TemporaryDirectory() as scratch:
        pip = pip_command(Path(scratch))
        install_dependencies(pip, python)
        install_models(pip, artifacts / "models", Path(scratch))
    copy_package(python)
    normalise_modes(artifacts)
    if interpreter is None:
        print(
            f"longshore layer: no Python {RUNTIME} runs here, so it ships without bytecode and functions start slower; "
        )
        print(f"longshore layer: install Python {RUNTIME}, or set PYTHON313 to one, and build again")
        return
    print(f"longshore layer: bytecode by {interpreter}")
    compile_bytecode(interpreter, artifacts)


def pip_command(scratch: Path) -> list[str]:
    """pip of this interpreter, or of an environment made for the occasion where it has none (as on Debian)."""
    own = [sys.executable, "-m", "pip"]
    if subprocess.run([*own, "--version"], capture_output=True, check=False).returncode == 0:
        return own
    environment = scratch / "environment"
    _run([sys.executable, "-m", "venv", str(environment)])
    return [str(environment / "bin" / "python"), "-m", "pip"]


def install_dependencies(pip: list[str], python: Path) -> None:
    """The pinned runtime dependencies; only wheels without native code are accepted."""
    options = [*PIP_OPTIONS, *PURE_WHEELS, "--no-compile", "--target", str(python), "--upgrade"]
    _run([*pip, "install", *options, "-r", str(HERE / "requirements.txt")])
    # Console scripts name the path of the interpreter that built them: useless in Lambda, different on every machine.
    shutil.rmtree(python / "bin", ignore_errors=True)
    remove_unused(python)
    for metadata in sorted(python.glob("*.dist-info")):
        _keep_only_licences(metadata)


def remove_unused(python: Path) -> None:
    """Removes what no function imports."""
    for pattern in UNUSED:
        for path in sorted(python.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _keep_only_licences(metadata: Path) -> None:
    """Keeps name, version and licences (scanners read them); installer's notes would differ from build to build."""
    for path in sorted(metadata.rglob("*")):
        if path.is_file() and not KEPT_METADATA.fullmatch(path.relative_to(metadata).as_posix()):
            path.unlink()


def install_models(pip: list[str], models: Path, scratch: Path) -> None:
    """The newest API version of each service in services.txt, out of the pinned botocore, without its examples."""
    wheels = scratch / "wheels"
    _run([*pip, "download", *PIP_OPTIONS, "--dest", str(wheels), "-r", str(HERE / "models.txt")])
    [wheel] = wheels.glob("botocore-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for service, operations in services().items():
            for name in _newest_version(archive.namelist(), service):
                file = models / Path(name).relative_to("botocore/data")
                if operations and not file.name.startswith(("service-", "endpoint-")):
                    continue  # paginators and waiters of operations that are not there
                file.parent.mkdir(parents=True, exist_ok=True)
                data = archive.read(name)
                narrow = operations and file.match("service-*.json.gz")
                file.write_bytes(_narrowed(service, data, operations) if narrow else data)


def _narrowed(service: str, data: bytes, operations: Sequence[str]) -> bytes:
    """A service's model with some of its operations, and the shapes that these reach."""
    model = json.loads(gzip.decompress(data))
    if unknown := sorted(set(operations) - model["operations"].keys()):
        raise BuildError(f"services.txt: {service} has no operation {unknown[0]!r}")
    model["operations"] = {name: model["operations"][name] for name in sorted(operations)}
    reached: set[str] = set()
    waiting = list(_named_shapes(model["operations"]))
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += _named_shapes(model["shapes"][name])
    model["shapes"] = {name: model["shapes"][name] for name in sorted(reached)}
    return gzip.compress(json.dumps(model, separators=(",", ":")).encode(), mtime=0)


def _named_shapes(part: object) -> Iterator[str]:
    """The shapes that a part of a model refers to."""
    if isinstance(part, dict):
        if isinstance(part.get("shape"), str):
            yield part["shape"]
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _named_shapes(each)


def _newest_version(names: Iterable[str], service: str) -> list[str]:
    files = [name for name in names if name.startswith(f"botocore/data/{service}/") and "/examples-" not in name]
    if not files:
        raise BuildError(f"services.txt: the pinned botocore has no service {service!r}")
    newest = max(Path(name).parent.name for name in files)
    return [name for name in files if Path(name).parent.name == newest]


def services() -> dict[str, list[str]]:
    """The services whose models are shipped, as services.txt lists them, with the operations kept; none: all."""
    lines = (line.partition("#")[0].partition(":") for line in (HERE / "services.txt").read_text().splitlines())
    return {name.strip(): kept.split() for name, _, kept in lines if name.strip()}


def copy_package(python: Path) -> None:
    """The product's own package, without what test runs may have left in it."""
    shutil.rmtree(python / "longshore", ignore_errors=True)
    shutil.copytree(
        HERE / "longshore", python / "longshore", ignore=shutil.ignore_patterns("__pycache__", "*.py[co]", ".*")
    )


def normalise_modes(artifacts: Path) -> None:
    """The same permissions whatever the umask of the builder: the zip carries them."""
    artifacts.chmod(0o755)
    for path in artifacts.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def compile_bytecode(interpreter: str, artifacts: Path) -> None:
    """Unchecked-hash bytecode: sam's zip dates every file 1980, and bytecode with time stamps would be stale."""
    options = ["-q", "-s", str(artifacts), "-p", "/opt", "--invalidation-mode", "unchecked-hash"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    _run([interpreter, "-m", "compileall", *options, str(artifacts / "python")], clean | {"PYTHONHASHSEED": "0"})
    normalise_modes(artifacts)


def find_runtime(environment: Mapping[str, str]) -> str | None:
    """A Python whose bytecode the Lambda runtime reads, found by running candidates; None when there is none.

    A name on the PATH proves nothing: version managers put shims there that fail when the version is not selected.
    PYTHON313 names one outright; then nothing else will do.
    """
    if named := environment.get("PYTHON313"):
        if is_runtime(named):
            return named
        raise BuildError(
            f"PYTHON313={named} is not a working Python {RUNTIME}: correct it, or unset it to search for one"
        )
    return next((candidate for candidate in candidates(environment) if is_runtime(candidate)), None)


def candidates(environment: Mapping[str, str]) -> Iterator[str]:
    """Where a Python 3.13 may be, nearest first."""
    yield sys.executable
    path = [Path(folder) for folder in environment.get("PATH", "").split(os.pathsep) if folder]
    yield from (str(folder / name) for name in (f"python{RUNTIME}", "python3", "python") for folder in path)
    home = Path(environment.get("HOME", "/nonexistent"))
    installed = f"bin/python{RUNTIME}"
    for pyenv in (_answer(["pyenv", "root"]), environment.get("PYENV_ROOT"), str(home / ".pyenv")):
        if pyenv:
            yield from _newest_first(Path(pyenv), f"versions/{RUNTIME}*/{installed}")
    if found := _answer(["uv", "python", "find", "--no-project", "--no-python-downloads", RUNTIME]):
        yield found
    yield from _newest_first(home, f".local/share/uv/python/cpython-{RUNTIME}*/{installed}")
    yield from _newest_first(home, f".asdf/installs/python/{RUNTIME}*/{installed}")
    yield from _newest_first(home, f".local/share/mise/installs/python/{RUNTIME}*/{installed}")
    yield f"/usr/local/{installed}"
    yield f"/opt/homebrew/{installed}"


def _newest_first(folder: Path, pattern: str) -> list[str]:
    return [str(path) for path in sorted(folder.glob(pattern), reverse=True)]


def is_runtime(interpreter: str) -> bool:
    """Whether it runs and writes the bytecode of the Lambda runtime."""
    return (
        _answer([interpreter, "-I", "-c", "import importlib.util as u; print(u.MAGIC_NUMBER.hex())"]) == RUNTIME_MAGIC
    )


def _answer(command: list[str]) -> str | None:
    """The first line that a command prints, or None when it does not run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError, UnicodeError):
        return None
    return done.stdout.strip().partition("\n")[0] or None


def _run(command: list[str], environment: Mapping[str, str] | None = None) -> None:
    """Runs a step; what it printed is shown only when it fails."""
    # A user's own pip settings must not turn `--target` into something else.
    variables = dict(environment or os.environ) | {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables)
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command[:4])} ... failed:\n{done.stdout}{done.stderr}".rstrip())


def _fail(text: str) -> int:
    print(f"longshore layer: {text}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
