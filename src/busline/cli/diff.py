"""`busline diff CONTRACT [OLD [NEW]]`: two versions side by side, and what the newer one means for each reader."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from busline.cli import options
from busline.cli.diff_view import show
from busline.cli.known import of_workspace
from busline.cli.options import json_option, workspace_option
from busline.cli.output import Output
from busline.contract.evolution.comparison import Comparison, compare_versions
from busline.contract.evolution.readers import readers_of
from busline.contract.model import Contract, Version
from busline.errors import ConfigurationError
from busline.names import ContractName


@click.command(epilog="Example: busline diff orders.order-placed 1 3")
@click.argument("contract", type=options.contract)
@click.argument("old", type=int, required=False)
@click.argument("new", type=int, required=False)
@workspace_option
@json_option
def diff(output: Output, contract: ContractName, old: int | None, new: int | None, workspace: Path | None) -> None:
    """Show two versions of a contract side by side: fields added, removed and changed, and who would be hurt.

    OLD and NEW are version numbers. NEW is the current version and OLD the one before it, unless given. Every reader
    that the workspace declares is told: fine; fails (it cannot decode); blind (a default stands in for what it reads).
    """
    known = of_workspace(workspace)
    found = known.contract(contract)
    older, newer = _versions(found, old, new)
    comparison = compare_versions(found, older, newer, readers_of(found, known.services.values()))
    if output.as_json:
        output.result(as_json(comparison))
    else:
        show(comparison)


def _versions(contract: Contract, old: int | None, new: int | None) -> tuple[Version, Version]:
    """The current one and the one before it, where they are not given."""
    there = len(contract.versions)
    if there == 0 or (there == 1 and old is None):
        only = "only version 1" if there else "no version yet"
        raise ConfigurationError(
            f"{contract.name} has {only}: there is nothing to compare", fix="busline declare writes the next version."
        )
    newer = _version(contract, there if new is None else new)
    return _version(contract, newer.number - 1 if old is None else old), newer


def _version(contract: Contract, number: int) -> Version:
    found = contract.version(number)
    if found is None:
        there = len(contract.versions)
        raise ConfigurationError(
            f"{contract.name} has no version {number}",
            fix=f"It has {f'versions 1 to {there}' if there > 1 else 'version 1'}.",
        )
    return found


def as_json(found: Comparison) -> dict[str, object]:
    """One object; `changes` as `busline.contract.evolution.changes.Change`."""
    return {
        "contract": str(found.contract.name),
        "old": found.old.number,
        "new": found.new.number,
        "level": str(found.level),
        "changes": [asdict(change) for change in found.changes],
        "new_reads_old": [asdict(one) for one in found.new_reads_old],
        "old_reads_new": [asdict(one) for one in found.old_reads_new],
        "traps": [
            {"rule": one.rule, "severity": one.severity, "what": one.what, "fix": one.fix} for one in found.traps
        ],
        "readers": [
            {
                "service": str(one.reader.service),
                "version": one.reader.version,
                "fields": [use.name for use in one.reader.fields],
                "answer": "told" if one.reader.is_told else str(one.verdict.answer),
                "hurt_fields": list(one.verdict.fields),
                "why": [cause.message for cause in one.verdict.breaks],
            }
            for one in found.readers
        ],
    }
