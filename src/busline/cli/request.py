"""`busline request CONTRACT --for WHO --why WHY`: the one line in the owner's file that would give access."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from busline.cli import options
from busline.cli.can import answer
from busline.cli.declare import write_files
from busline.cli.known import Known, of_files
from busline.cli.options import json_option, workspace_option
from busline.cli.output import Output, clean
from busline.cli.request_branch import branch_name, commit_on_branch, committed_text
from busline.cli.target import load_workspace
from busline.contract.access import shows_pii
from busline.contract.model import Action, Contract
from busline.contract.yaml_edit import add_grant
from busline.errors import ConfigurationError
from busline.names import RESERVED_TEAM, ContractName, Service


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked for: by whom, why, and whether personal fields are wanted as they are."""

    who: Service
    why: str
    pii: bool

    @property
    def action(self) -> Action:
        """People read; services subscribe, which allows reading too."""
        return Action.READ if self.who.is_people else Action.SUBSCRIBE


@click.command(epilog='Example: busline request growth.user-statistics --for marketing/people --why "Autumn campaign"')
@click.argument("contract", type=options.contract)
@click.option(
    "--for",
    "who",
    type=options.service,
    required=True,
    metavar="TEAM/SERVICE",
    help="Who needs it; TEAM/people for persons.",
)
@click.option("--why", type=options.text, required=True, help="What for; it is kept beside the line.")
@click.option("--pii", is_flag=True, help="Ask for the fields that tell of a person, too.")
@click.option("--branch", is_flag=True, help="Commit the line on a git branch; the files here stay as they are.")
@workspace_option
@json_option
def request(output: Output, contract: ContractName, branch: bool, workspace: Path | None, **given: Any) -> None:
    """Ask for access to a contract: write the one line into its owner's file, and show it as a diff.

    The owner says yes by merging it. Comments and order of the file stay. --why becomes a comment on the line where
    there is room for one, and is in the commit's message with --branch.
    """
    asked = Asked(**given)
    who = asked.who
    files = load_workspace(workspace, granted=False)
    known, root = of_files(files), files.path
    found = known.contract(contract)
    ask = known.contact(found.owner)
    if _has(known, found, asked):
        shown = {"contract": contract, "for": who, "granted": True, "ask": None, "diff": None, "branch": None}
        output.result(shown, f"{who} is granted {contract} already: {_next_step(contract, asked)}")
        return
    _check(known, found, asked)
    path = _file(found)
    before = committed_text(root / path) if branch else (root / path).read_text(encoding="utf-8")
    after = add_grant(before, asked.action.value, who, pii=asked.pii, why=asked.why)
    name = None
    if branch:
        name = branch_name(contract, who)
        commit_on_branch(root / path, after, name, _message(contract, asked))
    else:
        write_files(root, {path: after})
    diff = list(_diff(before, after, str(root / path)))
    output.result(
        {"contract": contract, "for": who, "granted": False, "ask": ask, "diff": "\n".join(diff), "branch": name},
        "\n".join(map(_coloured, diff)),
    )
    where = f"on branch {name}" if name else f"in {root / path}"
    output.note(f"the line is {where}; ask {ask} to merge it")


def _has(known: Known, contract: Contract, asked: Asked) -> bool:
    decision = answer(known, asked.who, asked.action, contract.name)
    granted = decision.allowed or decision.rule == "not-declared"
    return granted and (not asked.pii or shows_pii(asked.who, contract))


def _check(known: Known, contract: Contract, asked: Asked) -> None:
    if asked.who.team not in known.teams:
        raise ConfigurationError(f"there is no team {asked.who.team}", fix="Its folder with a team.yaml comes first.")
    if not asked.who.is_people and asked.who not in known.services:
        raise ConfigurationError(f"{asked.who} is not declared", fix="Run: busline declare; or ask for TEAM/people.")
    decision = answer(known, asked.who, asked.action, contract.name)
    if not decision and contract.owner == RESERVED_TEAM:
        error = decision.error()
        error.what = f"{contract.name} is busline's own: busline.yaml says who may have it"
        raise error
    if not decision and decision.rule not in ("no-grant", "not-declared"):
        error = decision.error()
        error.what = f"{contract.name} cannot be granted to {asked.who}"
        raise error


def _next_step(contract: ContractName, asked: Asked) -> str:
    people, services = f"busline read {contract} --as {asked.who}", "subscribe to it in code, then: busline declare"
    return people if asked.who.is_people else services


def _file(contract: Contract) -> str:
    return contract.source.file if contract.source else f"{contract.owner}/{contract.name.stream}/contract.yaml"


def _message(contract: ContractName, asked: Asked) -> str:
    more = ", with the fields that tell of a person" if asked.pii else ""
    return f"Grant {contract} to {asked.who}{more}\n\n{asked.why.strip()}\n"


def _diff(before: str, after: str, path: str) -> Iterator[str]:
    for line in difflib.unified_diff(before.splitlines(), after.splitlines(), path, path, lineterm="", n=1):
        yield clean(line)


def _coloured(line: str) -> str:
    if line.startswith(("+++", "---", "@@")):
        return click.style(line, dim=True)
    return click.style(line, fg={"+": "green", "-": "red"}.get(line[:1]))
