"""`busline show CONTRACT`: what it is, its fields, who uses it, how fresh it is, and whether you may."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import click

from busline.bus.contract_log import ContractLog
from busline.bus.freshness import last_event
from busline.bus.settings import Settings
from busline.cli import options
from busline.cli.can import answer
from busline.cli.known import Known, of_catalog, of_workspace
from busline.cli.options import Where, json_option, run_async, service_option, where_options
from busline.cli.output import Output
from busline.cli.request_branch import Branch, branch_name, find_branch
from busline.cli.show_view import View, text
from busline.cli.target import Target, find_target, read_log, started
from busline.cli.workspace_path import find_workspace
from busline.contract.model import Action, Contract
from busline.errors import BuslineError
from busline.names import ContractName, Service
from busline.transport.base import Seekable


@dataclass(frozen=True, kw_only=True)
class Live:
    """What an engine says. why: why it says nothing; error: the same, where it was not reached."""

    applied: Known | None = None
    last: dt.datetime | None = None
    why: str = ""
    error: BuslineError | None = None


@click.command(epilog="Example: busline show growth.user-statistics --as marketing/people")
@click.argument("contract", type=options.contract)
@service_option
@where_options
@json_option
def show(output: Output, contract: ContractName, where: Where) -> None:
    """Show a contract: purpose, owner, fields, versions, who publishes and reads, freshness, and whether you may read.

    As the workspace says, else (or with --env or --url) as it is applied. Freshness and access are asked of the engine;
    where it does not answer, that is said.
    """
    settings = Settings.load({"service": where.service})
    folder = find_workspace(where.workspace, settings)
    files = of_workspace(where.workspace) if folder is not None and where.env is None and where.url is None else None
    who = options.service(name) if (name := settings.get("service")) else None
    live = run_async(_live(where, contract))
    known = files if files and contract in files.contracts else live.applied or files
    if known is None:
        raise live.error or BuslineError(live.why)
    found = known.contract(contract)
    branch = find_branch(folder, branch_name(contract, who)) if folder is not None and who is not None else Branch.NONE
    merged = files or (of_workspace(where.workspace) if branch is not Branch.NONE else None)
    word, detail = _access(merged, live, found, who, branch)
    view = View(contract=found, known=known, last=live.last, why=live.why, access=word, detail=detail)
    output.result(view.as_json(), text(view))


async def _live(where: Where, name: ContractName) -> Live:
    try:
        target = find_target(where)
    except BuslineError as error:
        return Live(why=error.what, error=error)
    try:
        return await _asked(target, where.env or target.url, name)
    except BuslineError as error:
        return Live(why=error.what, error=error)


async def _asked(target: Target, place: str, name: ContractName) -> Live:
    async with started(target) as engine:
        log = ContractLog(engine)
        await read_log(log, target.url)
        applied = of_catalog(log.catalog, place, name)
        contract = applied.contracts.get(name)
        if contract is None or not isinstance(engine, Seekable):
            return Live(applied=applied, why=f"not applied in {place}")
        try:
            return Live(applied=applied, last=await last_event(engine, contract), why="no event is kept")
        except (BuslineError, TimeoutError) as error:
            return Live(applied=applied, why=error.what if isinstance(error, BuslineError) else "no answer in time")


def _access(files: Known | None, live: Live, found: Contract, who: Service | None, branch: Branch) -> tuple[str, str]:
    """One word for programs, one line for people."""
    known = live.applied or files
    contact = (files or live.applied or known).contact(found.owner) if known else found.owner
    if who is None:
        return "unknown", f"say who you are (--as TEAM/people) to see whether you may read; the owner is {contact}"
    if live.applied is not None and (now := answer(live.applied, who, Action.READ, found.name)):
        masked = "" if now.pii or not found.pii else "; fields that tell of a person are masked"
        return "granted", f"you may read ({now.rule}){masked}"
    merged = answer(files, who, Action.READ, found.name) if files else None
    if merged:
        if live.applied is None:
            return "granted", f"you may read, as the workspace says ({merged.rule}); {live.why}"
        return "open", "request open: the line is in the workspace, not applied yet"
    if branch is Branch.OPEN:
        return "open", f"request open: branch {branch_name(found.name, who)}; ask {contact} to merge it"
    denied = answer(live.applied, who, Action.READ, found.name) if live.applied else merged
    if denied is not None and denied.rule == "not-declared":
        return "undeclared", f"granted, not declared: {denied.change}"
    return "ask", f"ask {contact}: busline request {found.name} --for {who} --why …"
