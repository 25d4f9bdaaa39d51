"""Bringing one account and Region back to what it was after the stack was made."""

from typing import TYPE_CHECKING

from moto.awslambda_simple.models import lambda_simple_backends
from moto.codedeploy.models import codedeploy_backends
from moto.dynamodb.models import dynamodb_backends
from moto.ecr.models import ecr_backends
from moto.ecs.models import ecs_backends
from moto.eks.models import eks_backends
from moto.events.models import events_backends
from moto.logs.models import logs_backends
from moto.scheduler.models import scheduler_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.servicediscovery.models import servicediscovery_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends
from moto.ssm.models import ssm_backends

if TYPE_CHECKING:
    from moto.core.base_backend import BaseBackend


class Leftovers:
    """Remembers what there is when it is made; `clear` removes everything that came later."""

    def __init__(self, account: str, region: str) -> None:
        self._sqs = sqs_backends[account][region]
        self._events = events_backends[account][region]
        self._scheduler = scheduler_backends[account][region]
        self._sns = sns_backends[account][region]
        self._tables = dynamodb_backends[account][region].tables
        self._emptied: list[BaseBackend] = [
            ecs_backends[account][region],
            eks_backends[account][region],
            codedeploy_backends[account][region],
            ecr_backends[account][region],
            ssm_backends[account][region],
            secretsmanager_backends[account][region],
            servicediscovery_backends[account][region],
        ]
        self._lambda = lambda_simple_backends[account][region]
        self._functions = set(self._function_names())
        self._log_groups = logs_backends[account][region].groups
        self._known_log_groups = set(self._log_groups)
        self._queues = set(self._sqs.queues)
        self._topics = set(self._sns.topics)
        self._known_tables = set(self._tables)
        self._rules = {name: set(bus.rules) for name, bus in self._events.event_buses.items()}
        self._schedules = {name: set(group.schedules) for name, group in self._scheduler.schedule_groups.items()}

    def clear(self) -> None:
        """Empties queues, tables, clusters, registries; removes queues, topics, functions, rules and the like since."""
        self._clear_queues()
        self._clear_tables()
        for name in self._sns.topics.keys() - self._topics:
            self._sns.delete_topic(name)
        for name in self._log_groups.keys() - self._known_log_groups:
            del self._log_groups[name]
        for name in self._function_names() - self._functions:
            self._lambda.delete_function(name, None)
        self._clear_buses()
        self._clear_schedules()
        for backend in self._emptied:
            backend.reset()

    def _function_names(self) -> set[str]:
        return {function.function_name for function in self._lambda.list_functions(None)}

    def _clear_queues(self) -> None:
        for name in self._sqs.queues.keys() - self._queues:
            del self._sqs.queues[name]
        for queue in self._sqs.queues.values():
            queue._messages = []
            queue._pending_messages = set()
            queue.deleted_messages = set()

    def _clear_tables(self) -> None:
        for name in self._tables.keys() - self._known_tables:
            del self._tables[name]
        for table in self._tables.values():
            table.items.clear()

    def _clear_buses(self) -> None:
        for name in self._events.event_buses.keys() - self._rules:
            del self._events.event_buses[name]
        for name, bus in self._events.event_buses.items():
            for rule in bus.rules.keys() - self._rules[name]:
                self._events.tagger.delete_all_tags_for_resource(bus.rules.pop(rule).arn)

    def _clear_schedules(self) -> None:
        for name in self._scheduler.schedule_groups.keys() - self._schedules:
            self._scheduler.tagger.delete_all_tags_for_resource(self._scheduler.schedule_groups.pop(name).arn)
        for name, group in self._scheduler.schedule_groups.items():
            for schedule in group.schedules.keys() - self._schedules[name]:
                del group.schedules[schedule]
