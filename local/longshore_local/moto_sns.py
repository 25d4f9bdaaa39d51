"""How many listen to a topic: moto always answers none."""

from collections.abc import Iterator
from contextlib import contextmanager

from moto.sns.models import Topic

_COUNT = "subscriptions_confimed"  # moto's own spelling
_AT_ONCE = frozenset({"sqs", "lambda", "application", "firehose", "sms"})
"""Protocols that nobody has to confirm (SNS, "Subscribe"); mail and web addresses wait for somebody who never comes."""


@contextmanager
def counted() -> Iterator[None]:
    """While open, topics count their confirmed subscriptions."""
    setattr(Topic, _COUNT, property(_confirmed, lambda _topic, _count: None))
    try:
        yield
    finally:
        delattr(Topic, _COUNT)


def _confirmed(topic: Topic) -> int:
    subscriptions = topic.sns_backend.subscriptions.values()
    return sum(each.topic is topic and each.protocol in _AT_ONCE for each in subscriptions)
