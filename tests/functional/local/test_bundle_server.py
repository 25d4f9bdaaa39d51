"""The bundle behind HTTP: a user's own boto3, real time, a clean end."""

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from longshore_local.bundle import Bundle, Sources
from longshore_local.server import Server, serve
from longshore_local.timeline import WallTimeline


@pytest.fixture(scope="module")
def served(sources: Sources) -> Iterator[tuple[Bundle, Server]]:
    with Bundle.start(sources=sources, name="shop", timeline=WallTimeline()) as bundle, serve(bundle) as server:
        yield bundle, server


def client(server: Server, service: str) -> Any:
    config = Config(retries={"total_max_attempts": 1})
    return boto3.Session("any", "any", region_name="eu-west-1").client(service, endpoint_url=server.url, config=config)


def test_events_put_over_http_reach_the_function(served: tuple[Bundle, Server]) -> None:
    bundle, server = served
    done = threading.Event()
    bundle.bus.subscribe(lambda name, _event: done.set() if name == "shop" else None)
    detail = json.dumps({"items": [{"kind": "book", "price": 11}]})
    client(server, "events").put_events(Entries=[{"Source": "shop", "DetailType": "Ordered", "Detail": detail}])
    assert done.wait(10)
    table = bundle.stack.physical_ids["Table"]
    assert client(server, "dynamodb").scan(TableName=table)["Count"] == 1


def test_an_action_that_moto_lacks_is_a_clear_error(served: tuple[Bundle, Server]) -> None:
    with pytest.raises(ClientError, match="does not implement"):
        client(served[1], "ssm").describe_activations()


def test_stopping_frees_the_port_and_ends_the_thread(served: tuple[Bundle, Server]) -> None:
    second = serve(served[0])
    host, port = second.url.removeprefix("http://").split(":")
    second.stop()
    with socket.socket() as probe:
        assert probe.connect_ex((host, int(port))) != 0
    assert [thread.name for thread in threading.enumerate()].count("longshore-local") == 1
