"""What the bundle refuses of a template, and that it is alone in its process."""

from pathlib import Path

import pytest

from longshore_local.bundle import Bundle, Sources
from longshore_local.server import serve
from longshore_local.stack import TemplateError, UnsupportedResourceError


def start(directory: Path, resources: str) -> Bundle:
    template = directory / "template.yaml"
    template.write_text(
        f"Transform: AWS::Serverless-2016-10-31\nConditions: {{ Never: !Equals [a, b] }}\nResources:\n{resources}"
    )
    return Bundle.start(sources=Sources(template, directory, None), name="odd")


@pytest.mark.parametrize("kind", ["AWS::Pipes::Pipe", "AWS::AppConfig::Application"])
def test_a_type_that_cannot_be_made_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UnsupportedResourceError, match=f"cannot make Thing \\({kind}\\)"):
        start(tmp_path, f"  Thing: {{ Type: {kind} }}\n")


def test_a_type_behind_a_false_condition_is_no_problem(tmp_path: Path) -> None:
    queue = "  Queue: { Type: AWS::SQS::Queue }\n"
    with start(tmp_path, f"{queue}  Thing: {{ Type: AWS::Pipes::Pipe, Condition: Never }}\n") as bundle:
        assert bundle.stack.physical_ids.keys() == {"Queue"}


def test_wrong_sam_names_the_resource(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="Broken"):
        start(tmp_path, "  Broken: { Type: AWS::Serverless::Function, Properties: { CodeUri: x } }\n")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"Greeting": "tach"}, "allowed are hello, moin"), ({"Unknown": "1"}, "no parameter Unknown")],
)
def test_a_wrong_parameter_is_refused(sources: Sources, parameters: dict[str, str], message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        Bundle.start(sources=sources, name="shop", parameters=parameters)


def test_one_bundle_at_a_time(sources: Sources) -> None:
    with Bundle.start(sources=sources, name="shop"), pytest.raises(RuntimeError, match="already"):
        Bundle.start(sources=sources, name="shop")
    Bundle.start(sources=sources, name="shop").stop()


def test_a_virtual_clock_cannot_be_served(sources: Sources) -> None:
    with Bundle.start(sources=sources, name="shop") as bundle, pytest.raises(TypeError, match="WallTimeline"):
        serve(bundle)
