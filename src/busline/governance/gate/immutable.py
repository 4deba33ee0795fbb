"""What is published does not change: versions, and what decides where a contract's events lie."""

from __future__ import annotations

from collections.abc import Iterator

from busline.contract.finding import Finding
from busline.contract.model import Contract, Version
from busline.contract.workspace import Workspace
from busline.governance.gate.comparison_base import Base, Published

VERSION, CONTRACT = "version-immutable", "contract-immutable"


def check_immutable(workspace: Workspace, base: Base) -> Iterator[Finding]:
    """Versions and contracts that were published in `base` and are not what they were."""
    for name, before in base.workspace.contracts.items():
        now = workspace.contracts.get(name)
        if now is before or not before.versions:
            continue
        if now is None:
            if not before.retired:
                yield _gone(before)
        else:
            yield from _versions(now, before)
            yield from _settings(now, before)
    yield from _published(workspace, base.published)


def _versions(now: Contract, before: Contract) -> Iterator[Finding]:
    for version in before.versions:
        here = now.version(version.number)
        if here is None:
            what = f"version {version.number} is published, and gone"
            yield _finding(_file(now, version.number), VERSION, what, f"Restore {version.number}.avsc.")
        elif here.schema is not version.schema and here.schema != version.schema:
            yield _changed(now, here)


def _changed(now: Contract, here: Version) -> Finding:
    what = f"version {here.number} is published, and is not what it was"
    fix = f"Restore the file, and put the change into {len(now.versions) + 1}.avsc."
    return _finding(_file(now, here.number), VERSION, what, fix)


def _published(workspace: Workspace, published: Published) -> Iterator[Finding]:
    for (name, number), schema in published.items():
        now = workspace.contracts.get(name)
        here = now.version(number) if now else None
        if now and here and here.schema != schema:
            what = f"version {number} was published meanwhile, with another schema"
            fix = f"Take theirs for {number}.avsc, and give yours the next number."
            yield _finding(_file(now, number), VERSION, what, fix)


def _settings(now: Contract, before: Contract) -> Iterator[Finding]:
    pairs = (
        ("key", ", ".join(before.key) or "none", ", ".join(now.key) or "none"),
        ("kind", before.kind.value, now.kind.value),
        ("kafka.topic", before.topic, now.topic),
        ("storage.partitions", str(before.storage.partitions), str(now.storage.partitions)),
    )
    for key, was, is_now in pairs:
        if was != is_now:
            what = f"{key} is {is_now}, and was published as {was}"
            fix = f"Restore it. A redesign is a new contract: {now.name}-v2, with this one deprecated."
            file = now.source.file if now.source else _file(now, 1)
            yield _finding(file, CONTRACT, what, fix, key)


def _gone(before: Contract) -> Finding:
    file = before.source.file if before.source else _file(before, 1)
    what = f"{before.name} is published, and gone: its events are still in the log, and its readers still read"
    fix = "Restore it, announce a `deprecation`, and write `retired:` when nobody reads it any more."
    return _finding(file, CONTRACT, what, fix)


def _file(contract: Contract, number: int) -> str:
    return f"{contract.owner}/{contract.name.stream}/{number}.avsc"


def _finding(file: str, rule: str, what: str, fix: str, key: str = "") -> Finding:
    return Finding(file=file, key=key, what=what, fix=fix, rule=rule)
