"""The command `longshore`: what each command is called, and what an error means to the caller's shell (design 8)."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from longshore.errors import ConfigurationError, LongshoreError
from longshore.mirror.errors import AddressError
from longshore_cli.config import config
from longshore_cli.decide import decide
from longshore_cli.demo import demo
from longshore_cli.diagnose import diagnose
from longshore_cli.doctor import doctor
from longshore_cli.explain import explain
from longshore_cli.local import local
from longshore_cli.mirror import mirror
from longshore_cli.mirrors import COMMANDS as _MIRRORS
from longshore_cli.notify import notify
from longshore_cli.output import FailedError, WrongError
from longshore_cli.plan import plan
from longshore_cli.scan import scan
from longshore_cli.send import send
from longshore_cli.suppress import suppress

__all__ = ["main"]


class _Longshore(click.Group):
    """Turns expected errors into one line on standard error and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        region = os.environ.get("AWS_REGION")
        if region:  # the AWS CLI and Lambda read it, boto3 reads the other alone
            os.environ.setdefault("AWS_DEFAULT_REGION", region)
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            raise WrongError(str(error)) from error
        except AddressError as error:
            raise FailedError(_with_the_way_out(str(error))) from error
        except LongshoreError as error:
            raise FailedError(str(error)) from error
        except Exception as error:
            translated = _of_botocore(error)
            if translated is None:
                raise
            raise translated from error


def _with_the_way_out(error: str) -> str:
    from longshore_cli.registry_sides import PRIVATE, is_refused_address

    return f"{error}\n{PRIVATE}" if is_refused_address(error) else error


def _of_botocore(error: Exception) -> click.ClickException | None:
    """botocore is not imported for the sake of its errors: where they come from, it has been."""
    if "botocore" not in sys.modules:
        return None
    from botocore import exceptions

    if isinstance(error, exceptions.NoRegionError):
        return WrongError("no Region is set: export AWS_REGION, or configure one")
    if isinstance(error, exceptions.NoCredentialsError | exceptions.ProfileNotFound):
        return WrongError(f"{error}: export credentials or AWS_PROFILE")
    if isinstance(error, exceptions.BotoCoreError | exceptions.ClientError):
        return FailedError(str(error))
    return None


@click.group(cls=_Longshore, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="longshore")
def main() -> None:
    """Push an image, and everything that runs it on AWS follows.

    Exit status: 0 done or yes, 1 failed or no, 2 wrong usage or configuration.
    """


for _command in (demo, local, send, plan, explain, decide, diagnose, doctor, mirror, scan, suppress, notify, config):
    main.add_command(_command)
for _command in _MIRRORS:
    mirror.add_command(_command)
