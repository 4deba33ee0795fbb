"""`busline doctor`: does everything fit together here, and if not, what to do."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import AsyncIterator, Iterator
from typing import Final, NamedTuple

import click

from busline.bus.contract_log import ContractLog
from busline.bus.notices import today
from busline.bus.settings import Settings
from busline.bus.stretch import read_kept
from busline.cli import options
from busline.cli.failures import Exit, describe
from busline.cli.options import Where, json_option, run_async, service_option, where_options
from busline.cli.output import Output, clean
from busline.cli.report.report import counted
from busline.cli.settings import without_password
from busline.cli.target import Target, find_target, read_log, started
from busline.cli.workspace_path import find_workspace
from busline.contract.access import decide
from busline.contract.entries import Catalog
from busline.contract.model import Action
from busline.contract.workspace import Workspace
from busline.errors import BuslineError, WorkspaceInvalid
from busline.names import CONTRACT_LOG, ContractName, Service
from busline.transport.base import Seekable, Transport

CLOCK: Final = 5.0
"""Seconds by which an engine's clock may be ahead before it is said."""
_COLOUR: Final = {"ok": "green", "note": "yellow", "bad": "red"}


class Diagnosis(NamedTuple):
    """One thing that was looked at. state: ok, note or bad. fix: what to do."""

    about: str
    state: str
    what: str
    fix: str = ""
    exit: Exit = Exit.FINDINGS


@click.command(epilog="Example: busline doctor --env prod --as orders/checkout")
@service_option
@where_options
@json_option
def doctor(output: Output, where: Where) -> int:
    """Look at settings, workspace, engine, contract log, clock and access, and say what to do about each finding.

    Exit code 4 if something is wrong, 6 if the engine cannot be reached.
    """
    found = run_async(_all(where))
    for one in found:
        mark = click.style(f"{one.state:<4}", fg=_COLOUR[one.state])
        fix = f"\n{'':<20}{clean(one.fix)}" if one.fix else ""
        about = {"about": one.about, "state": one.state, "what": one.what, "fix": one.fix or None}
        output.result(about, f"{mark}  {one.about:<12}  {clean(one.what)}{fix}")
    bad = [one.exit for one in found if one.state == "bad"]
    return Exit.UNREACHABLE if Exit.UNREACHABLE in bad else Exit.FINDINGS if bad else Exit.OK


async def _all(where: Where) -> list[Diagnosis]:
    try:
        settings = Settings.load({"service": where.service})
    except BuslineError as error:
        return [_bad("settings", error)]
    return [*_settings(settings), *_workspace(where, settings), *[one async for one in _engine(where, settings)]]


def _settings(settings: Settings) -> Iterator[Diagnosis]:
    given = ", ".join(f"{name} ({setting.origin})" for name, setting in settings.found.items())
    yield Diagnosis("settings", "ok", given or "none is given; defaults hold")
    if name := settings.get("service"):
        try:
            Service(name)
        except BuslineError as error:
            yield _bad("settings", error)
    else:
        yield Diagnosis("settings", "note", "nobody is named: who asks?", "Say --as TEAM/SERVICE, or BUSLINE_SERVICE.")


def _workspace(where: Where, settings: Settings) -> Iterator[Diagnosis]:
    try:
        folder = find_workspace(where.workspace, settings)
        if folder is None:
            yield Diagnosis("workspace", "note", "there is none here", "Only schema owners need one: busline init.")
            return
        found = Workspace.load(folder)
        yield Diagnosis(
            "workspace",
            "ok",
            f"{folder}: {counted(len(found.contracts), 'contract')}, {counted(len(found.services), 'service')}",
        )
    except WorkspaceInvalid as error:
        yield Diagnosis("workspace", "bad", f"{error.what}; the first: {error.findings[0]}", "Run: busline check")
    except BuslineError as error:
        yield _bad("workspace", error)


async def _engine(where: Where, settings: Settings) -> AsyncIterator[Diagnosis]:
    begun = time.monotonic()
    try:
        target = find_target(where)
        async with started(target) as engine:
            shown = without_password(target.url)
            yield Diagnosis("engine", "ok", f"{shown} answers, {(time.monotonic() - begun) * 1000:.0f} ms")
            async for one in _log(engine, target, settings):
                yield one
    except BuslineError as error:
        yield _bad("engine", error)


async def _log(engine: Transport, target: Target, settings: Settings) -> AsyncIterator[Diagnosis]:
    log = ContractLog(engine)
    try:
        await read_log(log, target.url)
    except BuslineError as error:
        yield _bad("contract log", error)
        return
    names = log.catalog.names()
    state, fix = ("ok", "") if names else ("note", "Run: busline apply --env …, or start the service.")
    yield Diagnosis("contract log", state, f"{len(names)} contracts are applied", fix)
    if isinstance(engine, Seekable):
        yield await _clock(engine)
    if name := settings.get("service"):
        for one in _access(log.catalog, options.service(name)):
            yield one


async def _clock(engine: Seekable) -> Diagnosis:
    """The newest record's time is the engine's own: it cannot lie in the future."""
    newest = 0
    async with contextlib.aclosing(read_kept(engine, CONTRACT_LOG)) as records:
        async for record in records:
            newest = max(newest, record.timestamp)
    ahead = newest / 1000 - time.time()
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if ahead > CLOCK:
        return Diagnosis(
            "clock", "bad", f"the engine's is {ahead:.0f} s ahead of this machine's ({now})", "Set it by NTP."
        )
    return Diagnosis("clock", "ok", f"{now}, not behind what the engine wrote")


def _access(catalog: Catalog, service: Service) -> Iterator[Diagnosis]:
    """Everything that the service declares, decided as the engine has it."""
    if service.is_people:
        names = [n for n in catalog.names() if _decided(catalog, service, Action.READ, n) is None]
        yield Diagnosis("access", "ok", f"{service} may read {len(names)} contracts")
        return
    spec = catalog.service(service)
    if spec is None:
        yield Diagnosis(
            "access", "note", f"{service} is not applied there", "Run: busline declare, then busline apply."
        )
        return
    asked = [(Action.PUBLISH, p.contract) for p in spec.publishes]
    asked += [(Action.SUBSCRIBE, s.contract) for s in spec.subscribes]
    asked += [(Action.READ, name) for name in spec.reads]
    denied = [one for action, name in asked if (one := _decided(catalog, service, action, name)) is not None]
    yield from denied or [Diagnosis("access", "ok", f"{service} may do all {len(asked)} things that it declares")]


def _decided(catalog: Catalog, service: Service, action: Action, name: str) -> Diagnosis | None:
    known = ContractName(name)
    answer = decide(
        service=service,
        action=action,
        contract=catalog.contract(name) or known,
        declared=catalog.service(service),
        team=catalog.team(known.team),
        today=today(),
    )
    fix = f"{answer.change} Ask {answer.ask}." if answer.ask else answer.change
    return None if answer else Diagnosis("access", "bad", f"no: {answer.why}", fix)


def _bad(about: str, error: BuslineError) -> Diagnosis:
    failure = describe(error)
    what = ": ".join(part for part in (failure.what, failure.why) if part)
    exit_code = Exit.UNREACHABLE if failure.exit is Exit.UNREACHABLE else Exit.FINDINGS
    return Diagnosis(about, "bad", what, failure.fix or "", exit_code)
