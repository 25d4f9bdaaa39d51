"""`longshore mirror copy`: images from any registry to any other, byte for byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from longshore_cli.options import network_options
from longshore_cli.output import WrongError, json_option, note, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from longshore.images import Digest, ImageReference
    from longshore.mirror.orders import Copy, Item, Referrers
    from longshore.mirror.ports import Side
    from longshore.mirror.report import Report
    from longshore.registries.client import DistributionRegistry

    Connect = Callable[[str, Side], DistributionRegistry]


@click.group(short_help="Images from one registry to another.")
def mirror() -> None:
    """Copies images between registries, byte for byte."""


@mirror.command(short_help="Copies an image, or all tags of a repository.")
@click.argument("source", metavar="SRC")
@click.argument("destination", metavar="DST")
@click.option("--all-tags", is_flag=True, help="Copy every tag of SRC's repository.")
@click.option("--platform", "platforms", multiple=True, metavar="P", help="Only this platform, as linux/arm64.")
@click.option(
    "--referrers",
    type=click.Choice(["all", "signatures", "none"]),
    default="all",
    show_default=True,
    help="Which signatures, SBOMs and attestations come along.",
)
@network_options
@json_option
@click.pass_context
def copy(
    context: click.Context,
    source: str,
    destination: str,
    *,
    all_tags: bool,
    platforms: tuple[str, ...],
    referrers: Referrers,
    insecure: bool,
    private: tuple[str, ...],
    as_json: bool,
) -> None:
    """Copies the image SRC to DST: `registry/name[:tag][@digest]`, Docker Hub without a registry.

    DST without a tag takes SRC's. Nothing is converted: with one --platform the image of that platform takes the place
    of its index, with several the index is stored as it is, where the registry takes it without the others. An index
    that DST has is taken to be whole, unless --platform says what to look for.

    Where SRC lets nobody list referrers, those come along that its tags name; with --referrers that is a failure.

    Ended and begun again, it goes on where it was. Exit 1 when anything could not be copied.
    """
    upstream, downstream = _reference(source, "SRC"), _reference(destination, "DST")
    wanted = _platforms(platforms)
    if downstream.digest is not None:
        raise WrongError("DST: a digest is what the bytes make it; name a tag, or nothing")
    if all_tags and (upstream.tag or upstream.digest or downstream.tag):
        raise WrongError("--all-tags takes two repositories: leave tag and digest out")
    asked = context.get_parameter_source("referrers") is not click.core.ParameterSource.DEFAULT
    item = None if all_tags else _item(upstream, downstream)
    connect = _connect(insecure=insecure, private=private)
    report, sides = _run(upstream, downstream, item, wanted, referrers, connect, demanded=asked)
    _warn(report, sides)
    if as_json:
        write_json(_document(report, *sides))
    else:
        _tell(report, *sides)
    if not report.ok:
        context.exit(1)


def _reference(text: str, name: str) -> ImageReference:
    from longshore.images import ImageReference

    try:
        return ImageReference.parse(text.removeprefix("docker://"))
    except ValueError as error:
        raise WrongError(f"{name}: {error}") from error


def _platforms(texts: Sequence[str]) -> frozenset[str]:
    from longshore.mirror.trees import normal_platform

    try:
        return frozenset(normal_platform(text) for text in texts)
    except ValueError as error:
        raise WrongError(f"--platform: {error}") from error


def _item(source: ImageReference, destination: ImageReference) -> Item:
    from longshore.mirror.orders import Item

    reference = source.digest or source.tag or "latest"
    return Item(reference, destination.tag or source.effective_tag)


def _connect(*, insecure: bool, private: Sequence[str]) -> Connect:
    from longshore_cli.registry_sides import private_hosts, registry

    hosts = private_hosts(private)
    return lambda host, side: registry(host, side, insecure=insecure, private=hosts)


def _run(
    source: ImageReference,
    destination: ImageReference,
    item: Item | None,
    platforms: frozenset[str],
    referrers: Referrers,
    connect: Connect,
    *,
    demanded: bool,
) -> tuple[Report, tuple[DistributionRegistry, DistributionRegistry]]:
    """All tags without an `item`."""
    from longshore.mirror.copier import all_tags
    from longshore.mirror.orders import Copy
    from longshore_cli.copy_progress import watcher

    upstream = connect(source.endpoint.host, "source")
    downstream = connect(destination.endpoint.host, "destination")
    try:
        names = source.endpoint.name, destination.endpoint.name
        complete = _complete(downstream.host, destination.endpoint.name, platforms)
        order = Copy(*names, (item,) if item else (), platforms, referrers, demanded, complete=complete)
        if item is None:
            order = all_tags(upstream, order)
        with watcher() as progress:
            report = _copied(upstream, downstream, order, progress)
    finally:
        upstream.close()
        downstream.close()
    return report, (upstream, downstream)


def _complete(host: str, repository: str, platforms: frozenset[str]) -> Callable[[Digest], bool]:
    """An index that is there is taken to be whole, unless platforms are named, or were left out there before."""
    from longshore_cli.sparse_marks import SparseMarks

    marks = SparseMarks.default()
    if len(platforms) > 1:
        marks.add(host, repository)
    is_whole = not platforms and not marks.has(host, repository)
    return lambda digest: is_whole


def _copied(source: DistributionRegistry, destination: DistributionRegistry, order: Copy, progress: Any) -> Report:
    from longshore.aws.clock import SystemClock
    from longshore.images import ImageReference
    from longshore.mirror.copier import Copier
    from longshore.mirror.limits import Pace
    from longshore_cli.registry_logins import ECR_PUBLIC
    from longshore_cli.registry_sides import LONGEST_WAIT
    from longshore_cli.upload_files import UploadFiles

    clock = SystemClock()
    sibling = order.source if source.host == destination.host else None
    copier = Copier(source, destination, clock, ledger=UploadFiles.default(), progress=progress)
    copier.siblings = lambda digest: sibling
    copier.longest_wait = LONGEST_WAIT
    if destination.host == ECR_PUBLIC:
        copier.before_finish = Pace(_ECR_PUTS, clock).wait
    if destination.host == ECR_PUBLIC or ImageReference(destination.host, "any").repository:
        copier.before_put = Pace(_ECR_PUTS, clock).wait
    return copier.run(order)


_ECR_PUTS = 10.0
"""Manifests a second that ECR and ECR Public take by default, and ECR Public's layers (mirror 3)."""


def _warn(report: Report, sides: Sequence[DistributionRegistry]) -> None:
    from longshore_cli.registry_sides import PRIVATE, is_refused_address

    for failure in report.failures:
        note(f"Error: {failure}")
    if any(is_refused_address(str(failure.error)) for failure in report.failures):
        note(PRIVATE)
    for layer in report.foreign:
        note(" ".join(f"Left where it is: foreign layer {layer.digest} {' '.join(layer.urls)}".split()))
    for text in report.notes:
        note(f"Left out: {text}")
    for side in sides:
        for text in side.warnings:
            note(f"{side.host} says: {text}")


def _document(report: Report, source: DistributionRegistry, destination: DistributionRegistry) -> dict[str, Any]:
    def counts(of: Any) -> dict[str, int]:
        return {"manifests": of.manifests, "blobs": of.blobs, "bytes": of.bytes}

    return {
        "copied": counts(report.sent),
        "skipped": counts(report.skipped),
        "mounted": report.mounted,
        "requests": {"source": source.usage.total, "destination": destination.usage.total},
        "seconds": round(report.seconds, 3),
    }


def _tell(report: Report, source: DistributionRegistry, destination: DistributionRegistry) -> None:
    from longshore_cli.copy_progress import size_text

    sent = report.sent
    click.echo(
        f"{len(report.copied)} copied, {len(report.in_sync)} in sync, {len(report.failures)} failed: "
        f"{sent.manifests} manifests and {sent.blobs} blobs ({size_text(sent.bytes)}), {report.mounted} mounted, "
        f"{report.skipped.blobs} there already; {source.usage.total} + {destination.usage.total} requests "
        f"in {report.seconds:.1f} s"
    )
