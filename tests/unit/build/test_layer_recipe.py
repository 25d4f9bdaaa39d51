"""The layer's recipe on small wheels made here: what it ships, the same bytes every time, and the search for Python 3.13."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import stat
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path

import aws_lambda_powertools
import pytest
import slack_sdk
from botocore.model import ServiceModel
from botocore.session import Session

import build_layer
import measure_layer

SERVICE = "botocore/data/ecs"


def write_wheel(folder: Path, name: str, files: dict[str, bytes], tag: str = "py3-none-any") -> str:
    """A wheel of version 1.0; answers its line for a requirements file."""
    info = f"{name}-1.0.dist-info"
    contents = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
        f"{info}/licenses/LICENSE.txt": b"free\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name}={name}:run\n".encode(),
        f"{info}/RECORD": b"",
    }
    path = folder / f"{name}-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for file, content in contents.items():
            wheel.writestr(file, content)
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def write_models_wheel(folder: Path) -> str:
    files = {
        f"{SERVICE}/2014-11-13/service-2.json.gz": gzip.compress(b"{}", mtime=0),
        f"{SERVICE}/2014-11-13/examples-1.json": b"{}",
        f"{SERVICE}/2011-01-01/service-2.json": b"{}",
        "botocore/data/ec2/2016-11-15/service-2.json": b"{}",
        "botocore/data/endpoints.json": b"{}",
    }
    return write_wheel(folder, "botocore", files)


@dataclass(frozen=True)
class Recipe:
    folder: Path
    wheels: Path

    def build(self, artifacts: Path, interpreter: str = "") -> dict[str, tuple[bytes, int]]:
        """Builds and answers content and permissions of every file."""
        build_layer.build(artifacts, {"PYTHON313": interpreter} if interpreter else {})
        paths = sorted(path for path in artifacts.rglob("*") if path.is_file())
        return {
            path.relative_to(artifacts).as_posix(): (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
            for path in paths
        }


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    folder, wheels = tmp_path / "layer", tmp_path / "wheels"
    (folder / "longshore" / "__pycache__").mkdir(parents=True)
    wheels.mkdir()
    (folder / "longshore" / "__init__.py").write_text("WORDS = {'a', 'b', 'c'}\n")
    (folder / "longshore" / "py.typed").touch()
    (folder / "longshore" / "__pycache__" / "stray.cpython-311.pyc").write_bytes(b"stray")
    (folder / "requirements.txt").write_text(
        write_wheel(wheels, "pure", {"pure.py": b"def run(): return {'x', 'y'}\n"})
    )
    (folder / "models.txt").write_text(write_models_wheel(wheels))
    (folder / "services.txt").write_text("# comment\necs  # why\n")
    monkeypatch.setattr(build_layer, "HERE", folder)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    return Recipe(folder, wheels)


@pytest.fixture
def without_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_layer, "candidates", lambda _: iter(()))


@pytest.fixture(scope="session")
def runtime() -> str:
    found = build_layer.find_runtime(dict(os.environ))
    if found is None:
        pytest.skip("no Python 3.13 runs here")
    return found


@pytest.mark.usefixtures("without_runtime")
def test_the_layer_holds_package_dependencies_licences_and_newest_models(recipe: Recipe, tmp_path: Path) -> None:
    assert list(recipe.build(tmp_path / "out")) == [
        "models/ecs/2014-11-13/service-2.json.gz",
        "python/longshore/__init__.py",
        "python/longshore/py.typed",
        "python/pure-1.0.dist-info/METADATA",
        "python/pure-1.0.dist-info/licenses/LICENSE.txt",
        "python/pure.py",
    ]


@pytest.mark.usefixtures("without_runtime")
def test_without_a_runtime_there_is_no_bytecode_and_the_build_says_so(
    recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    built = recipe.build(tmp_path / "out")
    assert not any(name.endswith(".pyc") for name in built)
    assert "without bytecode" in capsys.readouterr().out


def test_bytecode_is_trusted_and_the_bytes_do_not_depend_on_place_time_or_umask(
    recipe: Recipe, tmp_path: Path, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = recipe.build(tmp_path / "first", runtime)
    os.utime(recipe.folder / "longshore" / "__init__.py", (0, 0))
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    umask = os.umask(0o077)
    try:
        second = recipe.build(tmp_path / "deep" / "er" / "second", runtime)
    finally:
        os.umask(umask)
    assert first == second
    assert "python/longshore/__pycache__/__init__.cpython-313.pyc" in first
    assert measure_layer.measure(tmp_path / "first").faults == ()


@pytest.mark.usefixtures("without_runtime")
def test_a_wheel_whose_hash_is_not_pinned_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    (recipe.folder / "requirements.txt").write_text(f"pure==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(build_layer.BuildError, match="DO NOT MATCH THE HASHES"):
        recipe.build(tmp_path / "out")


@pytest.mark.usefixtures("without_runtime")
def test_a_dependency_without_a_hash_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    (recipe.folder / "requirements.txt").write_text("pure==1.0\n")
    with pytest.raises(build_layer.BuildError, match="Hashes are required"):
        recipe.build(tmp_path / "out")


@pytest.mark.usefixtures("without_runtime")
def test_a_dependency_with_native_code_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    version = f"cp{sys.version_info.major}{sys.version_info.minor}"
    here = f"{version}-{version}-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
    line = write_wheel(recipe.wheels, "native", {"native.py": b""}, here)
    (recipe.folder / "requirements.txt").write_text(line)
    with pytest.raises(build_layer.BuildError, match="No matching distribution"):
        recipe.build(tmp_path / "out")


@pytest.mark.usefixtures("without_runtime")
def test_a_service_that_botocore_does_not_know_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    (recipe.folder / "services.txt").write_text("ecs\nesc\n")
    with pytest.raises(build_layer.BuildError, match=r"services\.txt.*'esc'"):
        recipe.build(tmp_path / "out")


def test_a_model_may_keep_a_few_operations_with_all_that_they_reach() -> None:
    kept = ["DescribeInstanceStatus", "DescribeNetworkInterfaces"]
    whole = Session().get_service_model("ec2")
    data = gzip.compress(
        json.dumps(Session().get_component("data_loader").load_service_model("ec2", "service-2")).encode()
    )
    narrow = ServiceModel(json.loads(gzip.decompress(build_layer._narrowed("ec2", data, kept))), "ec2")
    assert list(narrow.operation_names) == kept
    assert set(narrow.shape_names) < set(whole.shape_names)
    for name in narrow.shape_names:
        shape = narrow.shape_for(name)
        assert list(getattr(shape, "members", {})) == list(getattr(whole.shape_for(name), "members", {}))
    assert {"NetworkInterface", "InstanceStatus"} <= set(narrow.shape_names)
    with pytest.raises(build_layer.BuildError, match=r"services\.txt: ec2 has no operation 'Describe'"):
        build_layer._narrowed("ec2", data, ["Describe"])


def test_usage_and_errors_are_one_line_and_exit_1(
    recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build_layer.main([]) == 1
    (recipe.folder / "models.txt").unlink()
    assert build_layer.main([str(tmp_path / "out")]) == 1
    assert "models.txt" in capsys.readouterr().err


@pytest.mark.usefixtures("without_runtime")
def test_of_slack_sdk_only_what_the_web_api_needs_is_shipped(recipe: Recipe, tmp_path: Path) -> None:
    installed = Path(slack_sdk.__file__).parent
    files = {f"slack_sdk/{f.relative_to(installed).as_posix()}": f.read_bytes() for f in installed.rglob("*.py")}
    line = write_wheel(recipe.wheels, "slack_sdk", files | {"slack/__init__.py": b"", "slack/web/client.py": b""})
    (recipe.folder / "requirements.txt").write_text(line)
    built = recipe.build(tmp_path / "out")
    weight = sum(len(content) for name, (content, _) in built.items() if name.startswith("python/slack_sdk/"))
    assert weight < sum(map(len, files.values())) / 2
    assert not [name for name in built if name.startswith("python/slack/") or "async" in name or "legacy" in name]
    shipped = tmp_path / "out" / "python"
    assert imported(shipped, "slack_sdk.web.client, slack_sdk.errors", "slack_sdk") == shipped / "slack_sdk/__init__.py"


@pytest.mark.usefixtures("without_runtime")
def test_of_powertools_only_what_functions_use_is_shipped(recipe: Recipe, tmp_path: Path) -> None:
    name = "aws_lambda_powertools"
    installed = Path(aws_lambda_powertools.__file__).parent
    files = {f"{name}/{f.relative_to(installed).as_posix()}": f.read_bytes() for f in installed.rglob("*.py")}
    (recipe.folder / "requirements.txt").write_text(write_wheel(recipe.wheels, name, files))
    built = recipe.build(tmp_path / "out")
    weight = sum(len(content) for path, (content, _) in built.items() if path.startswith(f"python/{name}/"))
    assert weight < sum(map(len, files.values())) / 2
    shipped = tmp_path / "out" / "python"
    used = f"{name}.logging, {name}.metrics, {name}.utilities.typing"
    assert imported(shipped, used, name) == shipped / name / "__init__.py"


def imported(shipped: Path, modules: str, name: str) -> Path:
    """Where a package was found, once these modules of it were imported from what is shipped, before anything else."""
    others = [path for path in sys.path if path.endswith("site-packages")]
    code = f"import sys; sys.path[:0] = {[str(shipped), *others]!r}; import {modules}; print({name}.__file__)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


# -- the search for a Python 3.13 ------------------------------------------------------------------------------------


def write_script(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_shim_that_fails_is_passed_over_for_one_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim = write_script(tmp_path / "shims" / "python3.13", "echo 'not selected' >&2; exit 127")
    other = write_script(tmp_path / "other" / "python3.13", "echo cb0d0d0a")
    real = write_script(tmp_path / "bin" / "python3.13", f"echo {build_layer.RUNTIME_MAGIC}")
    monkeypatch.setattr(sys, "executable", shim)
    path = os.pathsep.join(str(Path(name).parent) for name in (shim, other, real))
    assert build_layer.find_runtime({"PATH": path, "HOME": str(tmp_path)}) == real


def test_a_version_manager_s_own_folder_is_searched(tmp_path: Path) -> None:
    installed = write_script(
        tmp_path / "versions" / "3.13.9" / "bin" / "python3.13", f"echo {build_layer.RUNTIME_MAGIC}"
    )
    assert installed in list(build_layer.candidates({"PYENV_ROOT": str(tmp_path)}))


def test_an_interpreter_that_was_named_is_used_or_the_build_fails(tmp_path: Path) -> None:
    named = write_script(tmp_path / "mine", f"echo {build_layer.RUNTIME_MAGIC}")
    assert build_layer.find_runtime({"PYTHON313": named}) == named
    with pytest.raises(build_layer.BuildError, match="PYTHON313"):
        build_layer.find_runtime({"PYTHON313": str(tmp_path / "absent")})


# -- what the functions make of it ------------------------------------------------------------------------------------


def test_models_on_the_data_path_win_over_those_of_the_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [version] = Session().get_component("data_loader").list_api_versions("ecs", "service-2")
    model = Session().get_component("data_loader").load_service_model("ecs", "service-2")
    shipped = json.loads(json.dumps(model))
    shipped["operations"]["OnlyInTheLayer"] = shipped["operations"]["ListClusters"] | {"name": "OnlyInTheLayer"}
    folder = tmp_path / "ecs" / version
    folder.mkdir(parents=True)
    (folder / "service-2.json.gz").write_bytes(gzip.compress(json.dumps(shipped).encode()))
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    assert "OnlyInTheLayer" in Session().get_service_model("ecs").operation_names


def test_every_shipped_service_is_one_of_botocore() -> None:
    assert set(build_layer.services()) <= set(Session().get_available_services())
    assert list(build_layer.services()) == sorted(set(build_layer.services()))
