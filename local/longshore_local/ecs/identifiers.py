"""ARNs and identifiers as ECS forms them."""

import string

from moto.moto_api._internal import mock_random
from moto.utilities.utils import get_partition

_ALPHANUMERIC = string.ascii_letters + string.digits


def arn(region: str, account: str, resource: str) -> str:
    """The ARN of an ECS resource, `resource` being what follows the account."""
    return f"arn:{get_partition(region)}:ecs:{region}:{account}:{resource}"


def number() -> str:
    """Nineteen digits: deployment and service revision ids."""
    return str(mock_random.randint(10**18, 10**19 - 1))


def hexadecimal(length: int = 32) -> str:
    """Task ids and runtime ids."""
    return f"{mock_random.getrandbits(4 * length):0{length}x}"


def token() -> str:
    """Twenty-one letters and digits: service deployment ids."""
    return "".join(mock_random.choice(_ALPHANUMERIC) for _ in range(21))


def uuid() -> str:
    """A random UUID in its usual form."""
    return str(mock_random.uuid4())
