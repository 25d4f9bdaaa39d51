"""Where connections may go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.addresses import Reach, is_loopback, is_public
from longshore.errors import ConfigurationError, UpstreamError
from longshore.mirror.errors import AddressError
from longshore.registries.connect import Network, connect
from longshore.registries.transport import joined
from longshore.registries.wire import Connections, Origin
from tests.fakes import FakeClock

PUBLIC = ["1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8"]
HIDDEN = [
    "10.0.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "2002:a00:1::",
    "2001:0:a00:1::",
    "fec0::1",
    "192.0.0.8",
    "192.0.0.170",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert is_public(address)
    assert Reach().refusal("https", "h", 443, [address]) is None
    assert Reach().refusal("http", "h", 80, [address]) == "only https"
    assert Reach(plain=frozenset({"h"})).refusal("http", "h", 80, [address]) is None


@pytest.mark.parametrize("address", HIDDEN)
def test_hidden(address: str) -> None:
    assert not is_public(address)
    assert Reach().refusal("https", "h", 443, [address]) is not None
    assert Reach().refusal("https", "h", 443, ["1.1.1.1", address]) is not None


@pytest.mark.parametrize("address", ["64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::"])
def test_a_named_host_leads_to_no_metadata_behind_a_translation(address: str) -> None:
    assert Reach(private=frozenset({"h"})).refusal("https", "h", 443, [address]) is not None


@pytest.mark.parametrize("named", ["[fd00::1]:5000", "[fd00::1]"])
def test_an_ipv6_address_is_named_in_brackets(named: str) -> None:
    assert Reach(private=frozenset({named})).refusal("https", "fd00::1", 5000, ["fd00::1"]) is None
    assert Reach(private=frozenset({"[fd00::1]:5000"})).refusal("https", "fd00::1", 443, ["fd00::1"]) is not None


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.1.1", "fd00::1", "127.0.0.1"])
def test_a_named_host_may_be_private(address: str) -> None:
    reach = Reach(private=frozenset({"registry.corp:5000"}))
    assert reach.refusal("https", "registry.corp", 5000, [address]) is None
    assert reach.refusal("https", "registry.corp", 443, [address]) is not None


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "169.254.170.2", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254"]
)
def test_nobody_may_name_metadata(address: str) -> None:
    reach = Reach(private=frozenset({"h"}), plain=frozenset({"h"}), loopback=True)
    assert reach.refusal("http", "h", 80, [address]) == "a link-local or metadata address"


def test_loopback_is_this_machine_and_nothing_else() -> None:
    reach = Reach(loopback=True)
    assert reach.refusal("http", "h", 80, ["127.0.0.1", "::1"]) is None
    assert reach.refusal("http", "h", 80, ["127.0.0.1", "10.0.0.1"]) is not None


@given(st.ip_addresses().map(str))
def test_no_address_is_both(address: str) -> None:
    assert not (is_public(address) and is_loopback(address))


def test_names_are_looked_up_before_anything_is_sent() -> None:
    connections = Connections(Reach(), resolve=lambda host, port: ["169.254.169.254"])
    with pytest.raises(AddressError, match=r"evil\.example: a link-local"):
        connections.take(Origin("https", "evil.example", 443))


def test_a_name_that_nobody_knows() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError

    with pytest.raises(UpstreamError, match="cannot be resolved"):
        Connections(Reach(), resolve=unknown).take(Origin("https", "h", 443))
    with pytest.raises(UpstreamError, match="no address"):
        Connections(Reach(), resolve=lambda host, port: []).take(Origin("https", "h", 443))


@pytest.mark.parametrize(
    ("base", "location", "url"),
    [
        ("https://h/v2/a/", "/v2/b?x=1", "https://h/v2/b?x=1"),
        ("https://h/v2/a/", "c?state=%2F", "https://h/v2/a/c?state=%2F"),
        ("https://h/v2/", "https://other:8443/x#part", "https://other:8443/x"),
        ("https://h/v2/", "//other/x", "https://other/x"),
    ],
)
def test_locations(base: str, location: str, url: str) -> None:
    assert joined(base, location) == url


@pytest.mark.parametrize(
    "location",
    ["http://h/x", "ftp://h/", "https://a:b@h/", "https://[::1", "https://h:99999/", "https://h/a b", "https://h:0/"],
)
def test_locations_that_are_refused(location: str) -> None:
    with pytest.raises(AddressError):
        joined("https://h/v2/", location)


@given(st.text() | st.text("htps:/[]@?#.%\\ \n", max_size=60))
def test_any_location(location: str) -> None:
    try:
        assert joined("https://h/v2/", location).startswith("https://")
    except AddressError as error:
        assert not location or len(location) < 20 or location not in str(error)


@pytest.mark.parametrize("host", ["", "a b", "http://h", "h/", "u@h", "h:port", "-", "h:123456", "[::1", "x" * 300])
def test_hosts_that_are_none(host: str) -> None:
    with pytest.raises(ConfigurationError, match="registry"):
        connect(host, "source", Network.of(FakeClock()))


@pytest.mark.parametrize(
    ("host", "reach", "scheme"),
    [
        ("ghcr.io", Reach(), "https"),
        ("localhost:5000", Reach(), "https"),
        ("localhost:5000", Reach(loopback=True), "http"),
        ("127.0.0.1:5000", Reach(loopback=True), "http"),
        ("ghcr.io", Reach(loopback=True), "https"),
        ("registry.corp", Reach(plain=frozenset({"registry.corp"})), "http"),
    ],
)
def test_schemes(host: str, reach: Reach, scheme: str) -> None:
    assert connect(host, "source", Network.of(FakeClock(), reach=reach)).origin.scheme == scheme
