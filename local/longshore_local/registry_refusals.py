"""Refusals in all their forms: 429s, broken token servers, redirects to where nobody should go."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

from longshore_local.loopback import Reply
from longshore_local.registry_hostile import Instead

# What a guard against forged addresses has to refuse, in every spelling.
PRIVATE_URLS = (
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.170.2/v2/credentials/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://100.64.0.1/",
    "http://0.0.0.0/",
    "http://[::]/",
    "http://[fe80::1]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://0x7f000001/",
    "http://2130706433/",
    "http://127.1/",
    "http://224.0.0.1/",
    "file:///etc/passwd",
    "ftp://example.com/",
    "//169.254.169.254/",
)


def redirect(to: str, status: int = 307) -> Instead:
    """Sends the client elsewhere; to the path that it asked for, it is a loop."""
    return Instead(Reply(status, headers={"Location": to}))


def challenge(realm: str, scope: str = "repository:team/web:pull") -> Instead:
    """Asks for a token from `realm`, which may be anybody's."""
    header = f'Bearer realm="{realm}",service="registry",scope="{scope}"'
    return Instead(Reply(401, _errors("UNAUTHORIZED", "authentication required"), {"WWW-Authenticate": header}))


def rate_limits(now: datetime, seconds: int = 30) -> Mapping[str, Instead]:
    """The forms in which registries say "later", by name; those that name a time mean `seconds` from `now`."""
    date = format_datetime(now + timedelta(seconds=seconds), usegmt=True)
    rate, hub = "Rate exceeded", "You have reached your unauthenticated pull rate limit."
    spent = {
        "ratelimit-limit": "100;w=21600",
        "ratelimit-remaining": "0;w=21600",
        "docker-ratelimit-source": "192.0.2.1",
    }
    return {
        "seconds": _later(rate, {"Retry-After": str(seconds)}),
        "date": _later(rate, {"Retry-After": date}),
        "past-date": _later(rate, {"Retry-After": format_datetime(now - timedelta(hours=1), usegmt=True)}),
        "absent": _later(rate, {}),
        "zero": _later(rate, {"Retry-After": "0"}),
        "negative": _later(rate, {"Retry-After": "-5"}),
        "fraction": _later(rate, {"Retry-After": f"{seconds}.5"}),
        "garbage": _later(rate, {"Retry-After": "soon"}),
        "huge": _later(rate, {"Retry-After": "999999999999"}),
        "ghcr": _later(f"retry-after: {seconds * 1_000}ms, allowed: 44000/minute", {}),
        "docker-hub": _later(hub, spent),
        "docker-hub-overall": Instead(Reply(429, b"Too Many Requests\n", {"Content-Type": "text/plain"})),
        "unavailable": Instead(Reply(503, _errors("UNAVAILABLE", rate), {"Retry-After": str(seconds)})),
        "unavailable-html": Instead(Reply(503, b"<html>Service Unavailable</html>", {"Content-Type": "text/html"})),
        "empty": Instead(Reply(429)),
    }


def token_failures() -> Mapping[str, Instead]:
    """What a token server answers instead of a token, by name."""
    json_type = {"Content-Type": "application/json"}

    def told(document: Any) -> Instead:
        return Instead(Reply(200, json.dumps(document).encode(), json_type))

    return {
        "server-error": Instead(Reply(500, b"oops", {"Content-Type": "text/plain"})),
        "unauthorized": Instead(
            Reply(401, json.dumps({"details": "incorrect username or password"}).encode(), json_type)
        ),
        "forbidden": Instead(Reply(403)),
        "html": Instead(Reply(200, b"<html>Sign in</html>", {"Content-Type": "text/html"})),
        "cut-json": Instead(Reply(200, b'{"token": "abc', json_type)),
        "no-token": told({"expires_in": 300}),
        "empty-token": told({"token": "", "access_token": ""}),
        "number": told({"token": 7}),
        "list": told(["token"]),
        "line-break": told({"token": "abc\r\nX-Injected: yes"}),
        "empty": Instead(Reply(204)),
        "reset": Instead(Reply(fate="reset")),
    }


def _later(text: str, headers: Mapping[str, str]) -> Instead:
    return Instead(Reply(429, _errors("TOOMANYREQUESTS", text), {"Content-Type": "application/json", **headers}))


def _errors(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()
