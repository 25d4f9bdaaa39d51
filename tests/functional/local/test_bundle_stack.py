"""What the bundle makes of a template."""

from longshore_local.bundle import Bundle


def test_what_moto_would_skip_is_made(bundle: Bundle) -> None:
    ids = bundle.stack.physical_ids
    alarms = bundle.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert [(alarm["AlarmName"], alarm["AlarmActions"]) for alarm in alarms] == [(ids["Alarm"], [ids["Topic"]])]
    assert (
        bundle.client("scheduler").get_schedule(Name=ids["Hourly"], GroupName="shop")["ScheduleExpression"]
        == "rate(1 hour)"
    )
    assert len(bundle.client("sns").list_subscriptions()["Subscriptions"]) == 1
    assert bundle.stack.outputs == {"Url": ids["Work"]}


def test_functions_have_their_resolved_environment(bundle: Bundle) -> None:
    function = bundle.stack.functions["Worker"]
    table = bundle.stack.physical_ids["Table"]
    assert function.environment == {"TABLE": table, "BUS": "shop", "GREETING": "moin"}
    assert (function.handler, function.timeout) == ("worker.handle", 10)
    (mapping,) = bundle.stack.mappings
    assert (mapping.batch_size, mapping.function_response_types) == (5, ["ReportBatchItemFailures"])
