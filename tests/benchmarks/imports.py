"""What a cold start costs: a function's module and composition, against boto3 and the clients that it uses."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3

from build_layer import find_runtime
from tests.template.iam import function_roles, roles
from tests.template.rendered import Rendered

ROOT = Path(__file__).parents[2]
ROUNDS = 15
BUDGET = 1.25

COMPOSED = {
    "redeploy": "wiring.intake(wiring.redeployer().handle, function.logger, function.metrics)",
    "watch": "wiring.intake(wiring.watcher().handle, function.logger, function.metrics)",
    "recover": "wiring.recoveries(function.logger, function.metrics)",
    "notify": "wiring.notices(function.logger, function.metrics)",
    "mirror": "wiring.mirroring(function.logger, function.metrics, Context()); wiring.mirrorer()",
    "scan": "wiring.scanning(function.logger, function.metrics)",
}
"""What a function builds before it takes its first message."""

BANNED = (
    "pydantic",
    "aws_xray_sdk",
    "requests",
    "httpx",
    "kubernetes",
    "kr8s",
    "lightkube",
    "slack_sdk",
    "jsonschema",
    "fastjsonschema",
    "cryptography",
    "yaml",
    "click",
    "rich",
    "asyncio",
)
"""Never loaded before the first message, whatever its dependencies would like (local 3.6)."""

_NOT_CALLED = {"iam", "kms", "logs", "xray"}
"""Services that roles name without a client of ours, as for their own logs; recover's of logs does not count either.
tests/functional/test_iam_proof.py proves the others.
"""

_ENVIRONMENT = {
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_LAMBDA_FUNCTION_NAME": "longshore",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "POWERTOOLS_SERVICE_NAME": "longshore",
    "POWERTOOLS_METRICS_NAMESPACE": "Longshore",
    "LONGSHORE_MODE": "auto",
    "LONGSHORE_TABLE": "ledger",
    "LONGSHORE_BUS": "longshore",
    "LONGSHORE_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/queue",
    "LONGSHORE_QUEUE_ARN": "arn:aws:sqs:eu-west-1:123456789012:queue",
    "LONGSHORE_DEAD_LETTERS_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/dead-letters",
    "LONGSHORE_FALLBACK_TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:notices",
    "LONGSHORE_SCHEDULE_GROUP": "longshore",
    "LONGSHORE_SCHEDULER_ROLE_ARN": "arn:aws:iam::123456789012:role/scheduler",
}

_FUNCTION = """
import importlib, json, sys, time
begun = time.process_time()
function = importlib.import_module("functions.{function}")
from longshore import wiring
class Context:
    def get_remaining_time_in_millis(self):
        return 900000
{composed}
seconds = time.process_time() - begun
modules = sorted(sys.modules)
print(json.dumps([seconds, modules]))
"""

_BASE = """
import json, sys, time
begun = time.process_time()
import boto3
session = boto3.session.Session()
for service in {clients!r}:
    session.client(service)
print(json.dumps([time.process_time() - begun, sorted(sys.modules)]))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that runs children with what the layer ships, and bytecode where it is theirs."""

    python: str
    environment: dict[str, str]

    @property
    def version(self) -> str:
        """As in 3.13.0."""
        answer = subprocess.run([self.python, "-V"], capture_output=True, text=True, check=True)
        return answer.stdout.split()[-1]

    def run(self, script: str) -> tuple[float, list[str]]:
        """Runs a script in a fresh process; answers what it prints last."""
        command = [self.python, "-s", "-c", script]
        answer = subprocess.run(command, env=self.environment, cwd=ROOT, capture_output=True, text=True, check=False)
        if answer.returncode:
            raise RuntimeError(f"{self.python} failed:\n{answer.stderr}")
        seconds, names = json.loads(answer.stdout.splitlines()[-1])
        return float(seconds), list(names)


@contextmanager
def interpreter() -> Iterator[Interpreter]:
    """Python 3.13 where one runs, else this one; the pure Python of this environment serves both."""
    python = find_runtime(os.environ) or sys.executable
    packages = Path(boto3.__file__).parents[1]
    with tempfile.TemporaryDirectory(prefix="longshore-") as scratch:
        config = Path(scratch, "config.json")
        config.write_text("{}", encoding="utf-8")
        path = os.pathsep.join(map(str, (ROOT, ROOT / "layers/longshore", packages)))
        more = {"PYTHONPATH": path, "PYTHONPYCACHEPREFIX": scratch, "LONGSHORE_CONFIG": str(config)}
        yield Interpreter(python, {"PATH": os.environ.get("PATH", ""), **_ENVIRONMENT, **more})


def modules(python: Interpreter, function: str) -> list[str]:
    """Every module that a function has loaded before its first message."""
    return python.run(_FUNCTION.format(function=function, composed=COMPOSED[function]))[1]


def banned(loaded: list[str]) -> list[str]:
    """Which of the banned packages are among loaded modules."""
    return sorted({name.partition(".")[0] for name in loaded} & set(BANNED))


def uses(function: str) -> list[str]:
    """The clients that a function uses: those of the services that its role lets it call."""
    stack = Rendered()
    role = roles(stack)[function_roles(stack)[f"{function.capitalize()}Function"]]
    called = {action.partition(":")[0] for _, action in role.grants()} - _NOT_CALLED
    return sorted("resourcegroupstaggingapi" if service == "tag" else service for service in called)


@dataclass(frozen=True, slots=True)
class Cost:
    """A cold start against the clients alone: the median of the ratios of many turns, and median seconds."""

    function: str
    ratio: float
    base: float
    modules: int


def cost(python: Interpreter, function: str, rounds: int = ROUNDS) -> Cost:
    """Measures in turns, so that whatever else the machine does slows both alike; the first turn only warms up."""
    ours = _FUNCTION.format(function=function, composed=COMPOSED[function])
    base = _BASE.format(clients=uses(function))
    loaded = python.run(ours)[1]
    python.run(base)
    turns = [(python.run(ours)[0], python.run(base)[0]) for _ in range(rounds)]
    ratio = statistics.median(our / its for our, its in turns)
    return Cost(function, ratio, statistics.median(its for _, its in turns), len(loaded))
