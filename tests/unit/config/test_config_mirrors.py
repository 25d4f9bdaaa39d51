"""Mirrors of `longshore.yaml`: a whole one is read whole, and each mistake is found at its key, with what to write."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from longshore.images import Endpoint
from longshore.mirror.reading import Home, read_mirrors
from longshore.mirror.rules import By, OnMove, Per, Prune
from longshore_config.check import check
from longshore_config.compile import compile_config

SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:hub-AbCdEf"
GOOD = f"""
mirrors:
  nginx:
    from: nginx
    secret: "{SECRET}"
    to:
      - ecr:mirror/nginx
      - public.ecr.aws/a1b2c3d4/nginx
      - {{repository: registry.example.com:5000/mirror/nginx, secret: "{SECRET}"}}
    tags:
      include: [stable, "1.27.*"]
      exclude: ["*-debug"]
      regex: '^v\\d+$'
      exclude_regex: ['^.*-perl$']
      semver: ">=1.25 <2"
      prerelease: true
      variants: ["", alpine]
      latest: 5
      per: minor
      by: time
      min_age: 3d
      immutable: "1.*.*"
    platforms: [linux/arm64]
    referrers: signatures
    every: 6h
    on_move: keep
    keep_pulls: 0
    repository:
      immutability: IMMUTABLE_WITH_EXCLUSION
      mutable_tags: [stable*]
      scan_on_push: false
      kms_key: alias/aws/ecr
      lifecycle: {{rules: [{{rulePriority: 1, selection: {{tagStatus: untagged, countType: imageCountMoreThan, countNumber: 5}}, action: {{type: expire}}}}]}}
      tags: {{team: shop}}
    catalog: {{description: A web server, architectures: [ARM 64], operating_systems: [Linux]}}
  quay.io:
    from: quay.io/org/app
    to: ecr:app
    prune: {{after: 30d, most: 10}}
"""


def problems(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "longshore.yaml"
    file.write_text(text, encoding="utf-8")
    return [problem.located(file.name) for problem in check(file)]


def test_a_good_configuration_is_good_and_is_read_whole(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD) == []
    compiled = compile_config(tmp_path / "longshore.yaml")
    mirrors = read_mirrors(compiled["mirrors"], Home("123456789012", "eu-west-1"))
    nginx, app = mirrors["nginx"], mirrors["quay.io"]
    assert nginx.upstream == Endpoint("registry-1.docker.io", "library/nginx")
    ecr, public, other = nginx.downstreams
    assert ecr.endpoint == Endpoint("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "mirror/nginx")
    assert (ecr.is_ecr, public.is_public, other.creatable) == (True, True, False)
    assert (other.endpoint.host, other.secret, nginx.secret) == ("registry.example.com:5000", SECRET, SECRET)
    tags = nginx.tags
    assert (tags.names, tags.latest, tags.per, tags.by) == (("stable",), 5, Per.MINOR, By.TIME)
    assert (tags.min_age, tags.variants, tags.prerelease) == (timedelta(days=3), ("", "alpine"), True)
    assert (len(tags.include), len(tags.regex), len(tags.exclude), len(tags.immutable)) == (2, 1, 2, 1)
    assert (nginx.every, nginx.on_move, nginx.keep_pulls) == (timedelta(hours=6), OnMove.KEEP, 0)
    assert (nginx.platforms, nginx.referrers) == (("linux/arm64",), "signatures")
    assert (nginx.template.mutable_tags, nginx.template.scan_on_push) == (("stable*",), False)
    assert '"countNumber": 5' in nginx.template.lifecycle
    assert nginx.catalog is not None
    assert nginx.catalog.request()["operatingSystems"] == ["Linux"]
    assert app.prune == Prune(timedelta(days=30), 10)
    assert (app.tags.listed, app.referrers, app.every) == (True, "all", timedelta(days=1))


@pytest.mark.parametrize("text", ["mirrors:\n", "mirrors: {}\n", "profiles: {}\n"])
def test_none_is_needed(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == []


def mirror(more: str = "", to: str = "ecr:nginx", upstream: str = "nginx") -> str:
    return f"mirrors:\n  web:\n    from: {upstream}\n    to: {to}\n" + "".join(
        f"    {m}\n" for m in more.split("|") if m
    )


WRONG = [
    ("mirrors:\n  web: {from: nginx}", "mirrors.web", "the key to is missing"),
    ("mirrors:\n  'a b': {from: nginx, to: ecr:a}", "mirrors.a b", "not a valid name"),
    (mirror(upstream="nginx:1.27"), "mirrors.web.from", "names one image"),
    (mirror(upstream="NGINX"), "mirrors.web.from", "malformed repository name"),
    (mirror(upstream="'ecr:Nginx'"), "mirrors.web.from", "lower case"),
    (mirror(to="public.ecr.aws/nginx"), "mirrors.web.to", "ALIAS"),
    (mirror(to="[ecr:a, nginx:1]"), "mirrors.web.to[1]", "names one image"),
    (mirror(to="[]"), "mirrors.web.to", "empty"),
    (mirror(to=f'[{{repository: "ecr:a", secret: "{SECRET}"}}]'), "mirrors.web.to[0]", "needs no secret"),
    (
        mirror(to='[{repository: "quay.io/a/b", secret: hunter2}]'),
        "mirrors.web.to[0].secret",
        "never the secret itself",
    ),
    (mirror("secret: hunter2"), "mirrors.web.secret", "never the secret itself"),
    (mirror("tags: {include: [1.27]}"), "mirrors.web.tags.include[0]", "a fraction"),
    (mirror("tags: {include: ['a b']}"), "mirrors.web.tags.include[0]", "no glob"),
    (mirror("tags: {regex: ['^(a+)+$']}"), "mirrors.web.tags.regex[0]", "unbounded repeat within another"),
    (mirror("tags: {regex: 'v1'}"), "mirrors.web.tags.regex", "anchored"),
    (mirror("tags: {semver: '1 , 2'}"), "mirrors.web.tags.semver", "not valid"),
    (mirror("tags: {semver: '>=1.2 2.3.4.5'}"), "mirrors.web.tags.semver", "not a comparator"),
    (mirror("tags: {latest: 0}"), "mirrors.web.tags.latest", "less than 1"),
    (mirror("tags: {min_age: 3 days}"), "mirrors.web.tags.min_age", "12h, 3d"),
    (mirror("tags: {newest: 3}"), "mirrors.web.tags.newest", "unknown key"),
    (mirror("every: 60"), "mirrors.web.every", "less than 3600"),
    (mirror("every: 5m"), "mirrors.web.every", "at least 3600"),
    (mirror(to='{repository: "quay.io/a/b", secret: hunter2}'), "mirrors.web.to.secret", "never the secret itself"),
    (mirror(to='{secret: "quay.io/a/b"}'), "mirrors.web.to", "the key repository is missing"),
    (mirror("platforms: [linux/amd64, linux/arm64]"), "mirrors.web.platforms", "to is in ECR"),
    (
        mirror("platforms: [linux/amd64, linux/arm64]", to="[quay.io/a/b, ecr:a]"),
        "mirrors.web.platforms",
        "to[1] is in ECR",
    ),
    (mirror("platforms: [amd64]"), "mirrors.web.platforms[0]", "linux/arm64"),
    (mirror("referrers: some"), "mirrors.web.referrers", "all, signatures, none"),
    (mirror("catalog: {description: x}"), "mirrors.web.catalog", "public.ecr.aws"),
    (mirror("prune: {most: 5}"), "mirrors.web.prune", "the key after is missing"),
    (mirror("prune: {after: 1d}", to="quay.io/a/b"), "mirrors.web.prune", "is not ECR"),
    (mirror("prune: {after: 1d}|tags: {include: [latest]}"), "mirrors.web.prune", "all of upstream's tags"),
    (mirror("repository: {mutable_tags: [a*]}"), "mirrors.web.repository.mutable_tags", "IMMUTABLE_WITH_EXCLUSION"),
    (mirror("repository: {immutability: IMMUTABLE_WITH_EXCLUSION}"), "mirrors.web.repository", "write both"),
    (
        mirror("repository: {create: true, kms_key: alias/aws/ecr}", to="public.ecr.aws/a1/nginx"),
        "mirrors.web.repository.kms_key",
        "private ECR in to only",
    ),
    (
        mirror("repository: {immutability: IMMUTABLE}", to="quay.io/a/b"),
        "mirrors.web.repository.immutability",
        "private ECR in to only",
    ),
    (mirror("repository: {kms_key: mine}"), "mirrors.web.repository.kms_key", "ARN of a KMS key"),
    (mirror("repository: {lifecycle: {rules: []}}"), "mirrors.web.repository.lifecycle", "no lifecycle policy"),
    (mirror() + "  other: {from: httpd, to: ecr:nginx}\n", "mirrors.other.to", "mirrors.web writes to"),
    (mirror(to="[ecr:a, ecr:a]"), "mirrors.web.to[1]", "writes to"),
    (mirror(upstream="'ecr:nginx'"), "mirrors.web.from", "fed by this mirror itself"),
    (mirror() + "  back: {from: ecr:nginx, to: docker.io/library/nginx}\n", "mirrors.web.from", "fed by this mirror"),
]


@pytest.mark.parametrize(("text", "key", "says"), WRONG, ids=[f"{key}-{says[:20]}" for _, key, says in WRONG])
def test_each_mistake_is_found_at_its_key(tmp_path: Path, text: str, key: str, says: str) -> None:
    found = problems(tmp_path, text)
    assert any(f" {key}" in each and says in each for each in found), found


@pytest.mark.parametrize(
    "text",
    [
        mirror(to=f'{{repository: "quay.io/a/b", secret: "{SECRET}"}}'),
        mirror("platforms: [linux/amd64, linux/arm64]", to="quay.io/a/b"),
        mirror("platforms: [linux/arm64, linux/arm64/v8]"),
        mirror("repository: {create: false, tags: {a: b}}", to="public.ecr.aws/a1/nginx"),
        mirror("repository: {immutability: IMMUTABLE}", to="[public.ecr.aws/a1/nginx, ecr:nginx]"),
    ],
)
def test_what_may_be_written(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == []


def test_an_expression_without_ends_is_told_what_a_mirror_has(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, mirror("tags: {regex: 'v1'}"))
    assert "begin it with ^ and end it with $" in found
    assert "search" not in found, "that is a profile's"


def test_mirrors_may_feed_each_other(tmp_path: Path) -> None:
    text = mirror() + "  public: {from: ecr:nginx, to: public.ecr.aws/a1/nginx}\n"
    assert problems(tmp_path, text) == []


def test_a_dotted_name_keeps_its_place(tmp_path: Path) -> None:
    text = "mirrors:\n  quay.io:\n    from: quay.io/a/b\n    to: ecr:a\n    tags:\n      regex: [x]\n"
    assert problems(tmp_path, text)[0].startswith("longshore.yaml:6:15 mirrors.quay.io.tags.regex[0]: ")
