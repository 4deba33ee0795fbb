"""`busline can-i-deploy`: is a service fit for an environment; may a contract's version be applied there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import click

from busline.bus.notices import today
from busline.cli import options
from busline.cli.failures import Exit
from busline.cli.options import Where, json_option, run_async, where_options
from busline.cli.output import Output, wrapped
from busline.cli.target import LOCAL, Target, find_in, load_workspace, started
from busline.contract.duration import milliseconds
from busline.contract.evolution.hurt import who
from busline.contract.evolution.readers import Origin
from busline.contract.workspace import Workspace
from busline.errors import ConfigurationError, Unreachable
from busline.governance.readers.deployment import Obstacle, Place, contract_obstacles, service_obstacles
from busline.governance.readers.running import look
from busline.governance.readers.survey import Merged
from busline.names import ContractName, Service

Asked: TypeAlias = tuple[Place, list[Obstacle]]
Ask: TypeAlias = Callable[[], Awaitable[Asked]]
POLL: Final = 2.0
"""Seconds between two looks while waiting."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One of the two: a service, or a contract and perhaps one of its versions."""

    service: Service | None
    contract: ContractName | None
    version: int | None

    @property
    def about(self) -> str:
        if self.service is not None:
            return self.service
        return f"{self.contract}@{self.version}" if self.version else str(self.contract)

    def obstacles(self, place: Place) -> list[Obstacle]:
        if self.service is not None:
            return service_obstacles(place, self.service)
        assert self.contract is not None
        return contract_obstacles(place, self.contract, self.version)


def _versioned(given: str) -> tuple[ContractName, int | None]:
    name, at, number = given.partition("@")
    if at and (not number.isascii() or not number.isdigit() or number.startswith("0") or len(number) > 5):
        raise ConfigurationError(f"{given!r} names no version", fix="Write NAME or NAME@N, e.g. orders.order-placed@3.")
    return options.contract(name), int(number) if at else None


def _wait(given: str) -> float:
    return milliseconds(given) / 1000


@click.command("can-i-deploy", epilog="Example: busline can-i-deploy billing/invoicing --env prod --wait 10m")
@click.argument("service", type=options.service, required=False)
@click.option(
    "--contract",
    type=_versioned,
    metavar="NAME[@N]",
    help="Instead of a service: may this contract's version (else its newest) be applied now?",
)
@click.option("--wait", type=_wait, metavar="10m", help="Look again until the answer is yes, at most so long.")
@where_options
@json_option
def can_i_deploy(
    output: Output,
    service: Service | None,
    contract: tuple[ContractName, int | None] | None,
    wait: float | None,
    where: Where,
) -> int:
    """Say whether a service, as its file in this checkout declares it, is fit for what is applied in an environment.

    Its contracts are applied and granted there, it can read every version that is applied, and what it publishes
    hurts no reader. With --contract: whether a version may be applied now, asked of every reader that is merged,
    applied or running; releases that still run are named.

    Exit code 0: yes. 4: no, with what has to go first. 6: the environment cannot be reached.
    """
    if (service is None) == (contract is None):
        raise click.UsageError("Say one of the two: a SERVICE, or --contract NAME[@N].")
    name, version = contract or (None, None)
    workspace = load_workspace(where.workspace)
    question = Question(service=service, contract=name, version=version)
    target = find_in(workspace, where)
    return run_async(_answer(output, question, workspace, target, wait or 0.0))


async def _answer(output: Output, question: Question, workspace: Workspace, target: Target, wait: float) -> int:
    env = target.environment.name if target.environment else LOCAL
    merged = Merged(contracts=workspace.contracts, services=workspace.services, teams=workspace.teams)

    async def ask() -> Asked:
        async with started(target) as engine:
            deployed = await look(engine)
        place = Place(name=env, merged=merged, deployed=deployed, today=today())
        return place, question.obstacles(place)

    place, obstacles = await _until_clear(ask, wait, output.note)
    for reader in place.deployed.running:
        if reader.is_told and reader.contract == question.contract:
            output.note(f"note: {who(reader)}, reads {reader.contract} and does not say what of it")
    output.result(_json(question, place, obstacles), "\n".join(_lines(question, place, obstacles)))
    return Exit.FINDINGS if obstacles else Exit.OK


async def _until_clear(ask: Ask, wait: float, narrate: Callable[[str], None]) -> Asked:
    """The first yes, or the last no. An environment that cannot be reached is asked again, too, while there is time."""
    end, told = time.monotonic() + wait, ""
    while True:
        left = end - time.monotonic()
        try:
            place, obstacles = await ask()
            why = f"waiting: {obstacles[0].about}: {obstacles[0].what}" if obstacles else ""
        except Unreachable as error:
            if left <= 0:
                raise
            why = f"waiting: {error.what}"
        else:
            if not obstacles or left <= 0:
                return place, obstacles
        if why != told:
            narrate(why)
        told = why
        await asyncio.sleep(min(POLL, max(left, 0.0)))


def _lines(question: Question, place: Place, obstacles: list[Obstacle]) -> Iterator[str]:
    answer = click.style("no", fg="red") if obstacles else click.style("yes", fg="green")
    verb = "be deployed to" if question.service else "be applied in"
    yield f"{answer}: {question.about} {'may not' if obstacles else 'may'} {verb} {place.name}"
    for obstacle in obstacles:
        yield wrapped(f"  {obstacle.about}: {obstacle.what}", 4)
        yield wrapped(f"    first: {obstacle.first}", 11)


def _json(question: Question, place: Place, obstacles: list[Obstacle]) -> dict[str, object]:
    running = [r for r in place.deployed.running if question.contract in (None, r.contract)]
    return {
        "about": question.about,
        "environment": place.name,
        "deployable": not obstacles,
        "obstacles": [obstacle._asdict() for obstacle in obstacles],
        "running": [
            {"group": r.group, "contract": r.contract, "version": r.version, "release": r.release}
            for r in running
            if r.origin is Origin.RUNNING and question.service in (None, r.service)
        ],
    }
