"""STS of the bundle: a role of a spoke that no stack has made cannot be assumed, though moto would let anybody."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto.core.exceptions import AccessDeniedError
from moto.iam.models import iam_backends
from moto.sts.models import AssumedRole, STSBackend

from longshore_local.overriding import override


@contextmanager
def existing_roles() -> Iterator[None]:
    """While open, AssumeRole asks IAM for the roles of spokes."""
    assume = STSBackend.assume_role

    def assume_existing(backend: STSBackend, **request: Any) -> AssumedRole:
        arn = str(request["role_arn"])
        account, name = arn.split(":")[4], arn.rpartition("/")[2]
        roles = {role.name for role in iam_backends[account]["aws"].roles.values()}
        if "-spoke-" in name and name not in roles:
            raise AccessDeniedError(f"arn:aws:iam::{backend.account_id}:user/local", f"sts:AssumeRole on {arn}")
        return assume(backend, **request)

    with override(STSBackend, "assume_role", assume_existing):
        yield
