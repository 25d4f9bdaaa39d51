"""Who the command is to a registry: Docker's own configuration and helpers, and ECR's tokens by the boto3 chain."""

from __future__ import annotations

import binascii
import json
import os
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from longshore.errors import AccessDeniedError, ConfigurationError
from longshore.images import DOCKER_HUB_API, ImageReference
from longshore.registries.auth import Login

if TYPE_CHECKING:
    from longshore.registries.auth import Logins

ECR_PUBLIC: Final = "public.ecr.aws"
_ECR_PUBLIC_REGION: Final = "us-east-1"  # whose API serves all of ECR Public (mirror 3)
_HELPER_SECONDS: Final = 30
_HUB_KEYS: Final = ("https://index.docker.io/v1/", "index.docker.io", "docker.io", DOCKER_HUB_API)
_TOKEN_USER: Final = "<token>"


def boto3_client(service: str, region: str) -> Any:
    """Of the ordinary chain; boto3 is loaded for those alone who need it."""
    import boto3

    return boto3.session.Session().client(service, region_name=region)


def logins_for(host: str, client: Callable[[str, str], Any] = boto3_client) -> Logins | None:
    """How to log in to a registry; None to ask without a name.

    What `docker login` or a helper keeps goes before ECR's own way. Raises ConfigurationError for a configuration that
    cannot be read.
    """
    config = _docker_config()
    found = _from_docker(config, host)
    if found is not None:
        return found
    repository = ImageReference(host, "any").repository
    if repository is not None:
        return lambda: _private_ecr(client("ecr", repository.region))
    if host == ECR_PUBLIC and _has_credentials():
        return lambda: _public_ecr(client("ecr-public", _ECR_PUBLIC_REGION))
    return None


def _docker_config() -> Mapping[str, Any]:
    directory = os.environ.get("DOCKER_CONFIG") or str(Path("~/.docker").expanduser())
    file = Path(directory) / "config.json"
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}
    except (ValueError, OSError) as error:
        raise ConfigurationError(str(file), f"cannot be read: {error}", "docker login writes it anew") from None
    return document if isinstance(document, dict) else {}


def _from_docker(config: Mapping[str, Any], host: str) -> Logins | None:
    """credHelpers, then auths, then credsStore, as Docker's CLI has them."""
    names = _HUB_KEYS if host == DOCKER_HUB_API else (host, f"https://{host}", f"https://{host}/", f"http://{host}")
    helpers, auths = _section(config, "credHelpers"), _section(config, "auths")
    for name in names:
        if isinstance(helpers.get(name), str):
            return lambda helper=helpers[name], server=name: _from_helper(helper, server)  # type: ignore[misc]
    for name in names:
        login = _from_entry(auths[name]) if name in auths else None
        if login is not None:
            return lambda: login
        if name in auths and isinstance(config.get("credsStore"), str):
            return lambda helper=config["credsStore"], server=name: _from_helper(helper, server)  # type: ignore[misc]
    return None


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = config.get(name)
    return section if isinstance(section, dict) else {}


def _from_entry(entry: Any) -> Login | None:
    """An entry of `auths`: base64 of name and password, or both by name; empty where a helper keeps them."""
    if not isinstance(entry, dict):
        return None
    if isinstance(entry.get("auth"), str) and entry["auth"]:
        try:
            username, _, password = b64decode(entry["auth"], validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            raise ConfigurationError("auths", "auth is no base64 of a name and a password", "docker login") from None
        return Login(username, password.rstrip("\0"))
    if isinstance(entry.get("username"), str) and isinstance(entry.get("password"), str):
        return Login(entry["username"], entry["password"])
    return None


def _from_helper(helper: str, server: str) -> Login:
    """Asks docker-credential-HELPER. Raises AccessDeniedError when it has nothing, or an identity token only."""
    program = shutil.which(f"docker-credential-{helper}")
    if program is None:
        raise AccessDeniedError(f"docker-credential-{helper}, which Docker's configuration names, is not on the PATH")
    try:
        asked = subprocess.run(
            [program, "get"], input=server, capture_output=True, text=True, timeout=_HELPER_SECONDS, check=False
        )
        answer = json.loads(asked.stdout) if asked.returncode == 0 else {}
        username, secret = answer["Username"], answer["Secret"]
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
        raise AccessDeniedError(f"docker-credential-{helper} has no credentials for {server}") from None
    if username == _TOKEN_USER:
        raise AccessDeniedError(
            f"docker-credential-{helper} keeps an identity token for {server}; a password is needed"
        )
    return Login(str(username), str(secret))


def _private_ecr(ecr: Any) -> Login:
    """One token is for every account's registry in the Region that the caller may use."""
    (data,) = ecr.get_authorization_token()["authorizationData"][:1]
    return Login.ecr(data["authorizationToken"], data["expiresAt"])


def _public_ecr(ecr_public: Any) -> Login:
    data = ecr_public.get_authorization_token()["authorizationData"]
    return Login.ecr(data["authorizationToken"], data["expiresAt"])


def _has_credentials() -> bool:
    """ECR Public may be read by anybody; the chain is asked only where it answers."""
    import boto3

    return boto3.session.Session().get_credentials() is not None
