"""What `plan` and `apply` share: the workspace checked, the environment, and what would be changed there."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from busline.bus.notices import today
from busline.cli import options
from busline.cli.comparing import Compared, compare
from busline.cli.options import Decorated
from busline.cli.output import Output
from busline.cli.plan_view import Shown
from busline.cli.report.report import counted
from busline.cli.target import Target, environment, of_environment, registry_at, started
from busline.cli.workspace_path import workspace_folder
from busline.contract.finding import Finding, Severity
from busline.contract.locate import located
from busline.contract.model import Environment
from busline.contract.uncollected import uncollected
from busline.contract.workspace import Workspace
from busline.errors import ApplyError, ConfigurationError, WorkspaceInvalid
from busline.governance.gate.baseline import read_baseline
from busline.governance.gate.gate import Part, Question, run_gate
from busline.governance.plan.plan import Plan, plan_changes
from busline.governance.state.goal import Goal
from busline.governance.users.rotation import rotations
from busline.names import ContractName, Team
from busline.transport.base import Transport

if TYPE_CHECKING:
    from busline.governance.registry.registry import Registry

_PARTS: Final = frozenset(Part) - {Part.FRESH}
_AGAINST: Final = frozenset({Part.LEVELS, Part.READERS})
"""Parts about what is new, which takes something to compare with: else the plan's own look at the readers is all."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be planned. env None: not said. teams: those alone; removed: whose folders are gone."""

    env: str | None = None
    url: str | None = None
    workspace: Path | None = None
    teams: frozenset[Team] = frozenset()
    removed: frozenset[Team] = frozenset()
    allow_delete: frozenset[str] = frozenset()
    allow_partitions: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A plan, with where it is for, and the means to carry it out."""

    workspace: Workspace
    target: Target
    plan: Plan
    engine: Transport
    registry: Registry | None

    @property
    def env(self) -> str:
        return self.target.environment.name if self.target.environment else ""

    @property
    def shown(self) -> Shown:
        plan, found = self.plan, self.target.environment
        until = f" until {found.observe_until}" if found and found.observe_until else ""
        return Shown(
            changes=plan.changes,
            destroys=plan.destroys,
            widens=plan.widens,
            held=plan.held,
            until=until,
            notes=self.notes,
        )

    @property
    def notes(self) -> list[str]:
        kept = len(self.plan.bookkeeping)
        written = [f"{counted(kept, 'record')} to be written down; nothing changes by it for anybody"] if kept else []
        return [*self.plan.notes, *_rotation_notes(self.plan), *written]


def plan_options(function: Decorated) -> Decorated:
    """What says what to plan, as one argument `asked`."""
    for option in reversed(_OPTIONS):
        function = option(function)

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        said: dict[str, Any] = {name: kwargs.pop(name) for name in ("env", "url", "workspace")}
        for name in ("teams", "removed", "allow_delete", "allow_partitions"):
            said[name] = frozenset(kwargs.pop(name))
        return function(*args, asked=Asked(**said), **kwargs)

    return wrapped


_OPTIONS: Final = (
    click.option("--env", type=options.text, help="An environment of the workspace's busline.yaml."),
    click.option("--url", type=options.text, help="The engine's URL; instead of the environment's."),
    click.option(
        "--team",
        "teams",
        type=options.team,
        multiple=True,
        metavar="TEAM",
        help="Only what belongs to this team. Can be repeated.",
    ),
    click.option(
        "--allow-delete",
        type=options.text,
        multiple=True,
        metavar="NAME",
        help="This contract or service may be deleted, with its records. Can be repeated.",
    ),
    click.option(
        "--allow-partitions",
        type=options.contract,
        multiple=True,
        metavar="CONTRACT",
        help="Its topic may get more partitions, which breaks the order of its keys once. Can be repeated.",
    ),
    click.option(
        "--remove-team",
        "removed",
        type=options.team,
        multiple=True,
        metavar="TEAM",
        help="Its folder is gone: remove its contracts, services and rights. Can be repeated.",
    ),
    options.workspace_option,
)


@contextlib.asynccontextmanager
async def planned(asked: Asked, output: Output) -> AsyncIterator[Planned]:
    """The engine stays open, for who carries the plan out.

    Raises WorkspaceInvalid for what `check` finds, ApplyError with all conflicts, and what engine and registry raise.
    """
    compared = await read_workspace(asked.workspace)
    workspace = compared.workspace
    found, target = find_environment(workspace, asked)
    _check_names(asked, workspace)
    async with contextlib.AsyncExitStack() as stack:
        engine = target.transport()
        _check_enforced(engine, target)
        with uncollected(for_good=True):
            _check_workspace(compared, output, _refusing(engine, found))
        goal = _goal(asked, workspace, found, guarded=engine.features.enforced)
        engine = await stack.enter_async_context(started(target))
        registry = await stack.enter_async_context(registry_at(target.registry)) if target.registry else None
        with uncollected(for_good=True):
            plan = await plan_changes(goal, engine, registry)
        yield Planned(workspace=workspace, target=target, plan=plan, engine=engine, registry=registry)


def _goal(asked: Asked, workspace: Workspace, found: Environment, *, guarded: bool) -> Goal:
    """guarded: the engine refuses what is not granted, so that there is something to tell of."""
    return Goal(
        contracts=workspace.contracts,
        services=workspace.services,
        teams=workspace.teams,
        commit=workspace.commit,
        replicas=found.replicas,
        removed=asked.removed,
        enforce="deny" if found.enforce == "deny" else "observe",
        observe_until=found.observe_until,
        only=asked.teams,
        allow_delete=asked.allow_delete,
        allow_partitions=asked.allow_partitions,
        own=workspace.own if guarded else workspace.used_own,
    )


def find_environment(workspace: Workspace, asked: Asked) -> tuple[Environment, Target]:
    """Raises ConfigurationError where none is said, or there is no such."""
    if asked.env is None:
        raise ConfigurationError("no environment is named", fix=f"Say --env. {_known(workspace.environments)}")
    found = environment(workspace, asked.env)
    target = of_environment(workspace, found)
    return found, replace(target, url=asked.url or target.url)


async def read_workspace(given: Path | None) -> Compared:
    """The workspace, with what `check` compares it with. Raises ConfigurationError where there is none."""
    path = workspace_folder(given)
    compared = await compare(path, None)
    if compared.invalid:
        what = f"the workspace {path} has {counted(len(compared.invalid), 'finding')}"
        raise WorkspaceInvalid(what, compared.invalid)
    return compared


def _refusing(engine: Transport, found: Environment) -> frozenset[Part]:
    """The parts of `check` whose errors refuse a plan. An embedded engine is a developer's own: none. Rules of good
    contracts (a doc, a contact) are no danger to what is there: they wait for `deny`."""
    if not engine.features.enforced:
        return frozenset()
    return frozenset(Part) if found.enforce == "deny" else frozenset(Part) - {Part.RULES}


def _check_workspace(compared: Compared, output: Output, refusing: frozenset[Part]) -> None:
    """As `busline check` does. Of what refuses nothing the number is told."""
    workspace = compared.workspace
    parts = _PARTS if compared.base else _PARTS - _AGAINST
    baseline = read_baseline(workspace.path)

    def errors(only: frozenset[Part]) -> list[Finding]:
        question = Question(workspace=workspace, base=compared.base, today=today(), only=only)
        return baseline.new([one for one in run_gate(question) if one.severity is Severity.ERROR]) if only else []

    if refused := errors(parts & refusing):
        what = f"`busline check` finds {counted(len(refused), 'error')}; nothing was planned"
        shown: Iterable[Finding] = located(refused, workspace.path)
        raise WorkspaceInvalid(what, list(shown), fix="Mend them, or record those of before: check --write-baseline.")
    if told := errors(parts - refusing):
        output.note(click.style(f"note: `busline check` finds {counted(len(told), 'error')}", fg="yellow"))


def _check_names(asked: Asked, workspace: Workspace) -> None:
    """What an option names is there: a slip would allow, or plan, nothing."""
    for team in sorted(asked.teams - workspace.teams.keys() - asked.removed):
        raise ConfigurationError(f"no team {team!r}", where=str(workspace.path), fix=_known(workspace.teams))
    for name in sorted(asked.allow_partitions):
        if ContractName(name) not in workspace.contracts:
            raise ConfigurationError(f"no contract {name!r}", where=str(workspace.path), fix="Look: busline find.")


def _known(names: Iterable[str]) -> str:
    return f"There are: {', '.join(names) or 'none yet'}."


def _check_enforced(engine: Transport, target: Target) -> None:
    denies = target.environment is not None and target.environment.enforce == "deny"
    if denies and not engine.features.enforced:
        raise ApplyError(
            "this engine does not enforce contracts, and the environment says `enforce: deny`",
            where=target.url,
            fix="Write `enforce: observe` if you want that, or take an engine that refuses what is not granted.",
        )


def _rotation_notes(plan: Plan) -> Iterable[str]:
    for one in rotations(plan.applied.entries):
        late = ", longer than it should be" if one.is_overdue(plan.goal.today) else ""
        yield (
            f"the secret of {one.service} is being rotated to {one.new} since {one.since}{late};"
            f" when it logs in by that: busline apply --rotate {one.service} --finish"
        )
