"""The schema registry against the contracts: subjects, versions, levels, and who may write."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from busline.contract.evolution.levels import Level
from busline.contract.finding import Finding, Severity
from busline.contract.model import Contract
from busline.errors import BuslineError
from busline.governance.audit.expected import PLATFORM, Expected
from busline.governance.audit.findings import found, reason, some
from busline.governance.audit.known import is_known
from busline.governance.some_at_once import some_at_once
from busline.governance.state.subjects import registry_level

if TYPE_CHECKING:
    from busline.governance.registry.registry import Registry

_AT_ONCE: Final = 8
_DEFAULT_VALUE: Final = "-value"
_KEY: Final = "-key"


@dataclass(frozen=True, kw_only=True)
class SubjectSeen:
    """A contract's subject. strange: its version numbers that are no version of the contract; missing: applied
    versions that it lacks. level: the one that holds; own: it is set on the subject itself."""

    contracts: tuple[Contract, ...]
    strange: tuple[int, ...]
    missing: tuple[int, ...]
    level: str
    own: bool

    @property
    def name(self) -> str:
        return self.contracts[0].subject


async def registry_findings(expected: Expected, registry: Registry, anonymous: Registry) -> list[Finding]:
    """anonymous: the same registry, asked without credentials. Raises RegistryUnreachable, RegistryRefused."""
    listed = await registry.subjects()
    ours = _by_subject(expected)
    asked = [ours[name] for name in sorted(ours)]
    seen = await some_at_once(asked, lambda contracts: _look(contracts, expected, registry), _AT_ONCE)
    return [
        *_without_contract(expected, listed.names, ours.keys()),
        *(finding for subject in seen if subject is not None for finding in _of_subject(expected, subject)),
        *([] if listed.complete else [_incomplete(expected, len(listed.names))]),
        *(await _writable(expected, anonymous) or await _own_writes(expected, registry)),
    ]


def _by_subject(expected: Expected) -> dict[str, list[Contract]]:
    found: dict[str, list[Contract]] = {}
    for state in expected.states:
        for name, contract in state.by_subject.items():
            found.setdefault(name, []).append(contract)
    return found


async def _look(contracts: Sequence[Contract], expected: Expected, registry: Registry) -> SubjectSeen | None:
    """None: there is no such subject, and nothing was applied that would need it."""
    name = contracts[0].subject
    numbers = await registry.versions(name)
    applied = expected.applied.by_subject.get(name)
    if not numbers and applied is None:
        return None
    known: set[int] = set()
    missing: list[int] = []
    for contract in contracts:
        for version in contract.versions:
            found = await registry.lookup(name, version.schema)
            if found is not None:
                known.add(found.version)
            elif contract is applied and version.registry_id is not None:
                missing.append(version.number)
    own = await registry.level(name)
    level = own or await registry.default_level() or "NONE"
    strange = tuple(number for number in numbers if number not in known)
    return SubjectSeen(
        contracts=tuple(contracts), strange=strange, missing=tuple(missing), level=level, own=own is not None
    )


def _without_contract(expected: Expected, names: Sequence[str], ours: Container[str]) -> Iterator[Finding]:
    adopted = {c.topic for state in expected.states for c in state.contracts.values() if c.topic != c.name}
    for name in names:
        keys = name.endswith(_KEY) and name.removesuffix(_KEY) in adopted
        if name in ours or keys or is_known(expected.environment, "subject", name, expected.today):
            continue
        topic = name.removesuffix(_DEFAULT_VALUE).removesuffix(_KEY)
        yield found(
            "subject-without-contract",
            f"subject {name} has no contract",
            "Write its contract (`busline adopt` does, for a stream in use), or delete the subject.",
            at=expected.place_of_topic(topic),
            seen=f"by its name it is of topic {topic}" if topic != name else "",
            ask=expected.owner_of_topic(topic),
        )


def _of_subject(expected: Expected, subject: SubjectSeen) -> Iterator[Finding]:
    contract = subject.contracts[0]
    at, ask = expected.place_of_topic(contract.topic), expected.contact(contract.owner)
    if subject.strange:
        yield found(
            "version-unexplained",
            f"subject {subject.name} holds versions that {contract.name} has not",
            "Find who registers by itself, make it a version of the contract or delete it from the subject.",
            at=at,
            seen=f"version {some(subject.strange)} of the subject; the contract has {len(contract.versions)}",
            ask=ask,
        )
    if subject.missing:
        yield found(
            "version-missing",
            f"subject {subject.name} lacks versions of {contract.name} that are applied",
            "`busline plan` shows what apply puts right; a deleted schema is restored with the registry's data.",
            at=at,
            seen=f"version {some(subject.missing)}",
            ask=ask,
        )
    wanted = [registry_level(one) for one in subject.contracts]
    if all(is_weaker(subject.level, level) for level in wanted):
        own = subject.level if subject.own else f"{subject.level}, the registry's default"
        yield found(
            "level-weaker",
            f"subject {subject.name} checks less than {contract.name} promises",
            "`busline apply` sets it.",
            at=at,
            seen=f"its level is {own}, the contract's {wanted[0]}",
            ask=ask,
        )


def _incomplete(expected: Expected, count: int) -> Finding:
    return found(
        "registry-not-probed",
        f"the registry lists {count:,} subjects, and there may be more",
        "Let it answer with all: it stops at a number of its own, and has no search that pages.",
        at=expected.place,
        ask=PLATFORM,
    )


async def _writable(expected: Expected, anonymous: Registry) -> list[Finding]:
    ask = PLATFORM
    try:
        may = await anonymous.may_write()
    except BuslineError as error:
        may, why = None, reason(error)
    else:
        why = "its answer says neither"
    if may is None:
        what, fix = f"it is not known whether strangers may write to the registry: {why}", "Look by hand."
        return [found("registry-not-probed", what, fix, at=expected.place, ask=ask)]
    if not may:
        return []
    return [
        found(
            "registry-writable",
            f"the registry {anonymous.url} takes changes from who has no credentials",
            "Turn authentication and authorization on, and let apply's user alone write.",
            at=expected.place,
            seen="asked without credentials to register what is no schema, it looked at it instead of refusing",
            ask=ask,
        )
    ]


async def _own_writes(expected: Expected, registry: Registry) -> list[Finding]:
    """The audit's own credentials, where it has any: they need not be able to write."""
    if not registry.has_credentials or not await registry.may_write():
        return []
    told = found(
        "registry-writable",
        f"the registry {registry.url} takes changes from the credentials that this audit has",
        "Give the audit credentials of its own, which may only read; apply's alone may write.",
        at=expected.place,
        ask=PLATFORM,
    )
    return [replace(told, severity=Severity.WARNING)]


def is_weaker(level: str, wanted: str) -> bool:
    """Whether it lets something through that `wanted` refuses. What is no level holds nothing."""
    try:
        has = Level(level.lower())
    except ValueError:
        has = Level.NONE
    asked = Level(wanted.lower())
    return not ({*asked.directions} <= {*has.directions} and (has.is_transitive or not asked.is_transitive))
