"""What an account says of itself and moto does not know: ECR's account settings, EKS's access entries."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from moto.core.responses import ActionResult
from moto.ecr.responses import ECRResponse
from moto.eks.models import eks_backends
from moto.eks.responses import EKSResponse
from moto.eks.urls import url_paths

from longshore_local.ecs.patches import Patches

_ENTRIES = "{0}/clusters/(?P<name>[^/]+)/access-entries$"
_DEFAULTS = {"BASIC_SCAN_TYPE_VERSION": "AWS_NATIVE", "REGISTRY_POLICY_SCOPE": "V2", "BLOB_MOUNTING": "DISABLED"}


class AccountSettings:
    """Made by `install`; `close` leaves moto as it was."""

    def __init__(self) -> None:
        self._patches = Patches()
        self._settings: dict[tuple[str, str, str], str] = {}
        self._entries: dict[tuple[str, str, str], dict[str, dict[str, Any]]] = {}

    def clear(self) -> None:
        """Everything is as AWS has it before anybody changes it."""
        self._settings.clear()
        self._entries.clear()

    def close(self) -> None:
        """Gives moto its own answers back."""
        self._patches.undo()
        url_paths.pop(_ENTRIES, None)

    def patch(self) -> None:
        """Puts the operations into moto."""
        operations = (
            (ECRResponse, "get_account_setting", self._setting),
            (ECRResponse, "put_account_setting", self._set),
            (EKSResponse, "list_access_entries", self._listed),
            (EKSResponse, "create_access_entry", self._created),
        )
        for owner, name, operation in operations:
            self._patches.put(owner, name, _method(operation))
        url_paths[_ENTRIES] = url_paths["{0}/clusters$"]

    def _setting(self, response: ECRResponse) -> ActionResult:
        name = str(response._get_param("name"))
        key = (response.current_account, response.region, name)
        return ActionResult({"name": name, "value": self._settings.get(key, _DEFAULTS.get(name, ""))})

    def _set(self, response: ECRResponse) -> ActionResult:
        name, value = (str(response._get_param(each)) for each in ("name", "value"))
        self._settings[response.current_account, response.region, name] = value
        return ActionResult({"name": name, "value": value})

    def _of(self, response: EKSResponse) -> dict[str, dict[str, Any]]:
        name = unquote(response.uri.split("/clusters/")[1].split("/")[0])
        eks_backends[response.current_account][response.region].describe_cluster(name)  # refuses one that is not there
        return self._entries.setdefault((response.current_account, response.region, name), {})

    def _listed(self, response: EKSResponse) -> ActionResult:
        return ActionResult({"accessEntries": sorted(self._of(response))})

    def _created(self, response: EKSResponse) -> ActionResult:
        asked = json.loads(response.body or "{}")
        entry = {"principalArn": asked["principalArn"], "kubernetesGroups": asked.get("kubernetesGroups", [])}
        self._of(response)[asked["principalArn"]] = entry
        return ActionResult({"accessEntry": entry})


def install() -> AccountSettings:
    """Puts the operations into moto of this process."""
    settings = AccountSettings()
    settings.patch()
    return settings


def _method(operation: Callable[[Any], ActionResult]) -> Callable[[Any], ActionResult]:
    """A function, which moto's class binds to its response."""

    def answer(response: Any) -> ActionResult:
        return operation(response)

    return answer
