"""The import rules of the house that import-linter cannot see: new modules are covered, and who builds clients."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "layers/longshore/longshore"
# May use AWS libraries or HTTP; everything else is a noun or a capability, and pure.
ADAPTERS = {"wiring", "intake", "aws", "registries", "channels"}
FORBIDDEN_WORDS = {"utils", "util", "helpers", "helper", "common", "manager", "processor", "target", "payload", "misc"}


def contracts() -> dict[str, dict[str, Any]]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return {contract["id"]: contract for contract in tomllib.load(file)["tool"]["importlinter"]["contracts"]}


def top_level() -> set[str]:
    modules = {path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__"}
    return modules | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def sources() -> list[Path]:
    return sorted([*PACKAGE.rglob("*.py"), *(ROOT / "functions").glob("*.py")])


def imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def within(path: Path, *modules: str) -> bool:
    return any(part in modules for part in path.relative_to(ROOT).with_suffix("").parts)


def test_every_module_of_the_package_is_covered_by_the_arrows() -> None:
    layered = " ".join(contracts()["arrows"]["layers"])
    assert {name for name in top_level() if f"longshore.{name}" not in layered} == set()


@pytest.mark.parametrize(("contract", "exempt"), [("pure", ADAPTERS), ("environment", ADAPTERS | {"settings"})])
def test_every_noun_and_capability_is_kept_pure(contract: str, exempt: set[str]) -> None:
    covered = {module.removeprefix("longshore.") for module in contracts()[contract]["source_modules"]}
    assert {name for name in top_level() - exempt if name not in covered} == set()


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_aws_libraries_are_imported_by_adapters_and_wiring_only(path: Path) -> None:
    libraries = {name.partition(".")[0] for name in imported(ast.parse(path.read_text()))} & {"boto3", "botocore"}
    assert not libraries or within(path, "aws", "wiring")


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_settings_reads_the_environment(path: Path) -> None:
    environment = {"os.environ", "os.getenv", "os.environb"}
    tree = ast.parse(path.read_text())
    read = {
        f"os.{node.attr}" for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is_name(node.value, "os")
    }
    assert not (read | imported(tree)) & environment or within(path, "settings")


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_wiring_builds_clients(path: Path) -> None:
    built = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and _builds_client(node.func)
    ]
    assert not built or within(path, "wiring") or path == PACKAGE / "aws/session.py"


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_names_are_the_terms_of_the_field(path: Path) -> None:
    classes = {node.name.lower() for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)}
    assert path.stem not in FORBIDDEN_WORDS
    assert {name for name in classes if name.endswith(tuple(FORBIDDEN_WORDS))} == set()


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _builds_client(function: ast.expr) -> bool:
    match function:
        case ast.Attribute(value=ast.Name(id="boto3"), attr=("client" | "resource" | "Session")):
            return True
        case ast.Attribute(attr=("client" | "resource"), value=ast.Name(id=("session" | "boto3_session"))):
            return True
    return False
