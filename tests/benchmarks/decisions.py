"""How fast the pure decision is: told, not asserted."""

from __future__ import annotations

import time

from longshore.redeploy.decide import decide
from longshore.redeploy.policy import parse_policy
from longshore.redeploy.state import Candidate, Current

_DIGESTS = tuple(f"sha256:{number:064x}" for number in range(50))


def per_second(seconds: float = 0.5) -> dict[str, float]:
    """Decisions a second, by policy, on fifty tags."""
    cases = {
        "semver:minor": [f"1.{number}.0" for number in range(50)],
        "newest:main-": [f"main-{number:07x}" for number in range(50)],
        "digest": ["prod"] * 50,
    }
    return {text: _rate(text, tags, seconds) for text, tags in cases.items()}


def _rate(text: str, tags: list[str], seconds: float) -> float:
    policy = parse_policy(text, {})
    current = Current(tags[0], _DIGESTS[0])
    candidates = [Candidate(tag, digest) for tag, digest in zip(tags, _DIGESTS, strict=True)]
    begun, done = time.perf_counter(), 0
    while (spent := time.perf_counter() - begun) < seconds:
        for candidate in candidates:
            decide(policy, current, candidate)
        done += len(candidates)
    return done / spent
