"""Copies upstream images to ECR and ECR Public, byte for byte."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from longshore import wiring

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes a message of its queue; answers it when it must be tried again."""
    return wiring.mirroring(logger, metrics, context).take(event, context)
