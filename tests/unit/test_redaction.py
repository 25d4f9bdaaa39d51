"""Redaction: what is a secret goes, what is none stays, and hostile text costs nothing."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.redaction import LINES, MARK, redact, redact_all, tail

# Built in pieces: none of them is a secret, and none should look like one to a scanner either.
KEY_ID = "AKIA" + "IOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY"
SLACK = "xoxb-" + "123456789012-abcdefABCDEF"
JWT = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxIn0." + "c2lnbmF0dXJl"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nAAAA\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"using {KEY_ID} now", f"using {MARK} now"),
        (f"key {SECRET_KEY}.", f"key {MARK}."),
        (f"AWS_SECRET_ACCESS_KEY={SECRET_KEY}", f"AWS_SECRET_ACCESS_KEY={MARK}"),
        ("DB_PASSWORD=hunter2 starting", f"DB_PASSWORD={MARK} starting"),
        ('{"password": "hun ter2", "user": "bob"}', f'{{"password": {MARK}, "user": "bob"}}'),
        ("password='it is long'; next", f"password={MARK}; next"),
        ("login --db-password hunter2 --user bob", f"login --db-password {MARK} --user bob"),
        ("api_key: abc123", f"api_key: {MARK}"),
        ("Authorization: Basic dXNlcjpwYXNz", f"Authorization: {MARK}"),
        ("authorization=Bearer abcdefgh12345", f"authorization={MARK}"),
        ("curl -H 'Authorization: token abc' https://x", f"curl -H 'Authorization: {MARK}' https://x"),
        ("got Bearer abcdefgh12345", f"got Bearer {MARK}"),
        (f"jwt {JWT} sent", f"jwt {MARK} sent"),
        (f"slack {SLACK}", f"slack {MARK}"),
        ("post https://hooks.slack.com/services/T0/B0/abc failed", f"post {MARK} failed"),
        ("post https://acme.webhook.office.com/webhookb2/x@y/z failed", f"post {MARK} failed"),
        ("post https://prod-1.westeurope.logic.azure.com:443/workflows/a?sig=b failed", f"post {MARK} failed"),
        (
            "GET https://b.s3.amazonaws.com/k?X-Amz-Date=1&X-Amz-Signature=abcd&x=1",
            f"GET https://b.s3.amazonaws.com/k?X-Amz-Date=1&X-Amz-Signature={MARK}&x=1",
        ),
        ("postgres://app:s3cret@db:5432/x", f"postgres://app:{MARK}@db:5432/x"),
        ("Set-Cookie: sid=1; Path=/", f"Set-Cookie: {MARK}"),
        (f"before\n{PEM}\nafter", f"before\n{MARK}\nafter"),
        (PEM.partition("-----END")[0], MARK),
        (PEM.partition("\n")[2] + "\nafter", f"{MARK}\nafter"),
        ("ghp_" + "a" * 36, MARK),
    ],
)
def test_a_secret_goes(text: str, clean: str) -> None:
    redacted = redact(text)
    assert (redacted.text, redacted.count) == (clean, 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "KeyError: 'DB_URL' app.py:41",
        "sha256:" + "4c2d8f6e1a3b5c7d" * 4,
        "commit 0123456789abcdef0123456789abcdef01234567",
        "arn:aws:ecs:eu-west-1:123456789012:service/prod/web",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:slack-AbCdEf: is empty",
        "CannotPullContainerError: pull image manifest has been retried 5 time(s)",
        "the password was wrong",
        "token expired",
        "https://eu-west-1.console.aws.amazon.com/ecs/v2/clusters/prod?region=eu-west-1",
        "7f0c1a52-6d1e-4b0e-9a53-0c8b1e1f2a34",
        "new tasks fail the ALB health check GET /healthz 503 (8 of 8)",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert (redact(text).text, redact(text).count) == (text, 0)


@given(st.text(max_size=400))
def test_never_raises_and_never_grows_beyond_its_marks(text: str) -> None:
    once = redact(text)
    assert len(once.text) <= len(text) + len(MARK) * once.count


PIECES = st.sampled_from(
    [KEY_ID, SECRET_KEY, JWT, PEM, SLACK, "password=", "Authorization: ", '"token": "', "://", "@", ":", "?sig=", "&"]
)


@given(st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=12), st.sampled_from(["", " ", "\n"]))
def test_text_full_of_secrets_stays_within_bounds_and_loses_those_that_stand_apart(pieces: list[str], gap: str) -> None:
    once = redact(gap.join(pieces))
    assert len(once.text) <= len(gap.join(pieces)) + len(MARK) * once.count
    if gap:
        assert not [secret for secret in (KEY_ID, SECRET_KEY, JWT, PEM, SLACK) if secret in once.text]


@given(st.text(alphabet="abcXYZ019", min_size=8, max_size=30), st.sampled_from(["password=", "api_key: ", "TOKEN="]))
def test_the_value_beside_a_secrets_name_is_gone(value: str, name: str) -> None:
    assert value not in redact(f"start {name}{value} end").text


@pytest.mark.parametrize(
    "piece", ["a", "-----BEGIN A-----", "password=", "a.", "://", "Authorization:", "eyJ", "--", "-a", '"', "A/", "[re"]
)
def test_hostile_text_costs_no_more_than_its_length(piece: str) -> None:
    began = time.process_time()
    redact(piece * (200_000 // len(piece)))
    assert time.process_time() - began < 5  # quadratic would be minutes


def test_a_tail_is_the_last_lines() -> None:
    log = "\n".join(f"line {number}" for number in range(100)) + "\n"
    assert tail(log).text.splitlines() == [f"line {number}" for number in range(100 - LINES, 100)]
    assert tail(log, 2).text == "line 98\nline 99"
    assert tail(log, 0).text == ""
    assert tail("").text == ""


def test_a_block_that_begins_before_the_tail_is_redacted() -> None:
    log = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEowIBAAKCAQEA\n" * 60 + "-----END RSA PRIVATE KEY-----\nafter"
    assert tail(log, 10).text == f"{MARK}\nafter"
    assert tail(log, 10).count == 1


@given(st.text(max_size=2000), st.integers(0, 50))
def test_a_tail_has_at_most_its_lines(text: str, lines: int) -> None:
    assert len(tail(text, lines).text.split("\n")) <= max(lines, 1)


def test_a_whole_event_is_redacted() -> None:
    event = {"a": [f"x {KEY_ID}"], "db_password": "plain", "count": 3, "b": {"why": "token=abc"}, "none": None}
    assert redact_all(event) == {
        "a": [f"x {MARK}"],
        "db_password": MARK,
        "count": 3,
        "b": {"why": f"token={MARK}"},
        "none": None,
    }


def test_nesting_without_end_is_cut() -> None:
    deep: object = "password=hunter2"
    for _ in range(500):
        deep = [deep]
    assert "hunter2" not in str(redact_all(deep))


def test_text_without_end_keeps_its_end() -> None:
    assert redact("a " * 50_000 + "end").text == ("a " * 50_000 + "end")[-64_000:]
