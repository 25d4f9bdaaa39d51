"""ECS errors with the codes and texts that AWS answers."""

from collections.abc import Sequence
from typing import Any

from moto.ecs.exceptions import ECSException


def invalid_parameter(message: str) -> ECSException:
    """InvalidParameterException."""
    return ECSException("InvalidParameterException", message)


def client(message: str) -> ECSException:
    """ClientException."""
    return ECSException("ClientException", message)


def conflict(message: str, resource_ids: Sequence[str] = ()) -> ECSException:
    """ConflictException; for a client token it names what the earlier request made."""
    error: Any = ECSException("ConflictException", message)
    error.resource_ids = list(resource_ids) or None
    conflicting: ECSException = error
    return conflicting


def platform_unknown() -> ECSException:
    """PlatformUnknownException."""
    return ECSException("PlatformUnknownException", "The specified platform version doesn't exist.")


def cluster_not_found() -> ECSException:
    """ClusterNotFoundException."""
    return ECSException("ClusterNotFoundException", "Cluster not found.")


def service_not_found() -> ECSException:
    """ServiceNotFoundException."""
    return ECSException("ServiceNotFoundException", "Service not found.")


def service_not_active() -> ECSException:
    """ServiceNotActiveException."""
    return ECSException("ServiceNotActiveException", "Service was not ACTIVE.")


def service_deployment_not_found() -> ECSException:
    """ServiceDeploymentNotFoundException."""
    return ECSException("ServiceDeploymentNotFoundException", "Service deployment not found.")


def daemon_not_found() -> ECSException:
    """DaemonNotFoundException."""
    return ECSException("DaemonNotFoundException", "The specified daemon wasn't found.")


def daemon_not_active() -> ECSException:
    """DaemonNotActiveException."""
    return ECSException("DaemonNotActiveException", "The specified daemon isn't active.")


def resource_not_found(arn: str) -> ECSException:
    """ResourceNotFoundException."""
    return ECSException("ResourceNotFoundException", f"The specified resource could not be found: {arn}")
