"""CloudFormation resources that moto would skip in silence; importing this module teaches them to moto (local 1.3)."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from moto.awslambda.models import LayerVersion
from moto.awslambda.utils import get_backend
from moto.cloudformation import parsing
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.common_models import CloudFormationModel
from moto.events.models import EventBus, events_backends
from moto.logs.models import logs_backends
from moto.scheduler.models import scheduler_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

Properties = Mapping[str, Any]
Create = Callable[[str, Properties, str, str], tuple[str, dict[str, str]]]


class UnsupportedResourceError(NotImplementedError):
    """The local bundle cannot make something that the template declares."""


def _queue_policy(name: str, properties: Properties, account: str, region: str) -> tuple[str, dict[str, str]]:
    policy = json.dumps(properties["PolicyDocument"])
    for url in properties["Queues"]:
        sqs_backends[account][region].get_queue(url.rpartition("/")[2]).policy = policy
    return name, {}


def _topic_policy(name: str, properties: Properties, account: str, region: str) -> tuple[str, dict[str, str]]:
    policy = json.dumps(properties["PolicyDocument"])
    for arn in properties["Topics"]:
        sns_backends[account][region].set_topic_attribute(arn, "policy", policy)
    return name, {}


def _subscription(_name: str, properties: Properties, account: str, region: str) -> tuple[str, dict[str, str]]:
    backend = sns_backends[account][region]
    subscription = backend.subscribe(properties["TopicArn"], properties.get("Endpoint", ""), properties["Protocol"])
    for attribute in ("FilterPolicyScope", "FilterPolicy", "RawMessageDelivery", "RedrivePolicy"):
        if attribute in properties:
            value = properties[attribute]
            text = value if isinstance(value, str) else json.dumps(value)
            backend.set_subscription_attributes(subscription.arn, attribute, text)
    return subscription.arn, {"Arn": subscription.arn}


def _alarm(name: str, properties: Properties, account: str, region: str) -> tuple[str, dict[str, str]]:
    if "Metrics" in properties:
        raise UnsupportedResourceError(f"the local bundle cannot make the alarm {name}: it has metric queries")
    alarm = cloudwatch_backends[account][region].put_metric_alarm(
        name=name,
        namespace=properties.get("Namespace", ""),
        metric_name=properties.get("MetricName", ""),
        comparison_operator=properties["ComparisonOperator"],
        evaluation_periods=int(properties["EvaluationPeriods"]),
        period=int(properties.get("Period", 60)),
        threshold=float(properties.get("Threshold", 0)),
        statistic=properties.get("Statistic", ""),
        description=properties.get("AlarmDescription", ""),
        dimensions=properties.get("Dimensions", []),
        alarm_actions=properties.get("AlarmActions", []),
        datapoints_to_alarm=properties.get("DatapointsToAlarm"),
        extended_statistic=properties.get("ExtendedStatistic"),
        ok_actions=properties.get("OKActions", []),
        insufficient_data_actions=properties.get("InsufficientDataActions", []),
        unit=properties.get("Unit"),
        actions_enabled=properties.get("ActionsEnabled", True),
        treat_missing_data=properties.get("TreatMissingData"),
    )
    return name, {"Arn": alarm.alarm_arn}


def _schedule_group(name: str, properties: Properties, account: str, region: str) -> tuple[str, dict[str, str]]:
    group = scheduler_backends[account][region].create_schedule_group(name, properties.get("Tags", []))
    return name, {"Arn": group.arn}


def _schedule(name: str, properties: Properties, account: str, region: str) -> tuple[str, dict[str, str]]:
    schedule = scheduler_backends[account][region].create_schedule(
        description=properties.get("Description", ""),
        end_date=properties.get("EndDate"),  # type: ignore[arg-type]
        flexible_time_window=properties["FlexibleTimeWindow"],
        group_name=properties.get("GroupName", "default"),
        kms_key_arn=properties.get("KmsKeyArn", ""),
        name=name,
        schedule_expression=properties["ScheduleExpression"],
        schedule_expression_timezone=properties.get("ScheduleExpressionTimezone", "UTC"),
        start_date=properties.get("StartDate"),  # type: ignore[arg-type]
        state=properties.get("State", "ENABLED"),
        target=properties["Target"],
        action_after_completion=None,
    )
    return name, {"Arn": schedule.arn}


def _function_alias(_name: str, properties: Properties, account: str, region: str) -> tuple[str, dict[str, str]]:
    alias = get_backend(account, region).create_alias(
        properties["Name"],
        properties["FunctionName"].rpartition(":function:")[2] or properties["FunctionName"],
        str(properties["FunctionVersion"]),
        properties.get("Description", ""),
        properties.get("RoutingConfig", ""),
    )
    return alias.arn, {"AliasArn": alias.arn}


def _event_invoke_config(name: str, properties: Properties, account: str, region: str) -> tuple[str, dict[str, str]]:
    names = ("MaximumEventAgeInSeconds", "MaximumRetryAttempts", "DestinationConfig")
    config = {key: properties[key] for key in names if key in properties}
    get_backend(account, region).put_function_event_invoke_config(properties["FunctionName"], config)
    return name, {}


def _metric_filter(name: str, properties: Properties, account: str, region: str) -> tuple[str, dict[str, str]]:
    transformations = [
        {key[0].lower() + key[1:]: value for key, value in transformation.items()}
        for transformation in properties["MetricTransformations"]
    ]
    logs_backends[account][region].put_metric_filter(
        name,
        properties["FilterPattern"],
        properties["LogGroupName"],
        transformations,  # type: ignore[arg-type]
    )
    return name, {}


def _bus_policy(name: str, properties: Properties, account: str, region: str) -> tuple[str, dict[str, str]]:
    statement = {"Sid": properties["StatementId"], **properties["Statement"]}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    bus = properties.get("EventBusName", "default")
    events_backends[account][region].put_permission(bus, "", "", "", {}, policy)
    return name, {}


def _resource(kind: str, name_property: str, create: Create, attributes: tuple[str, ...] = ()) -> None:
    """Declares a resource type; moto finds it among the direct subclasses of its model."""

    class Resource(CloudFormationModel):
        def __init__(self, physical_id: str, values: dict[str, str]) -> None:
            self.physical_resource_id = physical_id
            self._values = values

        @staticmethod
        def cloudformation_name_type() -> str:
            return name_property

        @staticmethod
        def cloudformation_type() -> str:
            return kind

        @classmethod
        def has_cfn_attr(cls, attr: str) -> bool:
            return attr in attributes

        def get_cfn_attribute(self, attribute_name: str) -> str:
            return self._values[attribute_name]

        @classmethod
        def create_from_cloudformation_json(
            cls,
            resource_name: str,
            cloudformation_json: dict[str, Any],
            account_id: str,
            region_name: str,
            **_: Any,
        ) -> "Resource":
            return cls(*create(resource_name, cloudformation_json["Properties"], account_id, region_name))

    _DECLARED.append(Resource)


_DECLARED: list[type] = []  # subclasses are known to moto only while someone holds them

_resource("AWS::SQS::QueuePolicy", "", _queue_policy)
_resource("AWS::SNS::TopicPolicy", "", _topic_policy)
_resource("AWS::SNS::Subscription", "", _subscription, ("Arn",))
_resource("AWS::CloudWatch::Alarm", "AlarmName", _alarm, ("Arn",))
_resource("AWS::Scheduler::ScheduleGroup", "Name", _schedule_group, ("Arn",))
_resource("AWS::Scheduler::Schedule", "Name", _schedule, ("Arn",))
_resource("AWS::Lambda::Alias", "", _function_alias, ("AliasArn",))
_resource("AWS::Lambda::EventInvokeConfig", "", _event_invoke_config)
_resource("AWS::Logs::MetricFilter", "FilterName", _metric_filter)
_resource("AWS::Events::EventBusPolicy", "", _bus_policy)

EventBus.physical_resource_id = property(lambda bus: bus.name)  # type: ignore[attr-defined]  # what Ref gives
LayerVersion.physical_resource_id = property(lambda version: version.arn)  # type: ignore[attr-defined]

for _cached in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
    _cached.cache_clear()  # moto may have listed its models before
