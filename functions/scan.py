"""Reports the findings that matter, with what runs them, and judges the gates of deployments."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from longshore import wiring

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes a batch of its queue; answers the messages that must be tried again."""
    return wiring.scanning(logger, metrics).take(event, context)
