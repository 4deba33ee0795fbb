"""Another secret for a service without a moment in which it cannot log in: an engine's user may have one for each of
two mechanisms, and both hold.

    rotate    the new secret goes to the mechanism that the user does not have yet; the old one stays
    finish    the old one is deleted, once the service logs in with the new one
    abort     the new one is deleted

Which one is new stands in the contract log (`rotation/<team>/<service>`), written before the secret is set and removed
after the other is deleted: whoever is stopped in between goes on from there, and nobody deletes the wrong one.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from busline.bus.contract_log import ContractLog, write
from busline.errors import ApplyError, ContractError, UnknownTopic
from busline.names import CONTRACT_LOG, Service
from busline.transport.base import Transport
from busline.transport.guard import MECHANISMS, Credential, Guarded, Mechanism

OVERDUE: Final = dt.timedelta(days=7)
_PREFIX: Final = b"rotation/"
_FORMAT: Final = 1


class Giver(Protocol):
    """Where a secret comes from (`busline.governance.users.secrets`)."""

    async def secret(self, user: str, mechanism: Mechanism, *, other: bool = False) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """One that is under way: the secret for `new` is to take over from the other mechanism's."""

    service: Service
    user: str
    new: Mechanism
    since: dt.date

    @property
    def old(self) -> Mechanism:
        return other_than(self.new)

    def is_overdue(self, today: dt.date) -> bool:
        return today - self.since > OVERDUE

    @property
    def key(self) -> bytes:
        return _PREFIX + self.service.encode()

    def record(self) -> bytes:
        return json.dumps({"v": _FORMAT, "user": self.user, "new": self.new, "since": str(self.since)}).encode()


def other_than(mechanism: Mechanism) -> Mechanism:
    return next(one for one in MECHANISMS if one != mechanism)


def rotations(entries: Mapping[bytes, bytes]) -> list[Rotation]:
    """Those under way, of a contract log's live records. Raises ContractError for a record that cannot be read."""
    return [_read(key, value) for key, value in sorted(entries.items()) if key.startswith(_PREFIX)]


def _read(key: bytes, value: bytes) -> Rotation:
    try:
        said = json.loads(value)
        if said["v"] > _FORMAT or said["new"] not in MECHANISMS:
            raise ValueError
        service, since = Service(key.removeprefix(_PREFIX).decode()), dt.date.fromisoformat(said["since"])
        return Rotation(service=service, user=str(said["user"]), new=said["new"], since=since)
    except (ValueError, KeyError, TypeError, ContractError):
        where = f"contract log, key {key.decode(errors='replace')!r}"
        raise ContractError("unreadable record of a rotation", where=where, fix="Upgrade busline here.") from None


async def rotate(service: Service, user: str, engine: Transport, secrets: Giver, today: dt.date) -> Rotation:
    """Set the new secret. What was stopped in the middle is gone on with.

    Raises ApplyError where there is nothing to rotate, or a rotation is under way, or another run came between.
    """
    guard = _guarded(engine)
    log = await _log(engine)
    there = (await guard.users()).get(user, frozenset[Mechanism]())
    rotation = _under_way(service, log)
    if rotation is None:
        rotation = _begin(service, user, there, today)
        await _write(engine, log, {rotation.key: rotation.record()})
    elif rotation.new in there:
        raise ApplyError(
            f"a rotation of {service} is under way since {rotation.since}",
            where=f"{rotation.new} is the new secret, {rotation.old} the old one",
            fix="When the service logs in with the new one: --finish. To go back to the old one: --abort.",
        )
    elif not there:
        raise _no_user(service, user)
    secret = await secrets.secret(user, rotation.new, other=True)
    await guard.set_secrets([Credential(user=user, mechanism=rotation.new, secret=secret)])
    return rotation


async def finish(service: Service, engine: Transport) -> Rotation:
    """Delete the old secret. Raises ApplyError where none is under way, or the new one was never set."""
    guard = _guarded(engine)
    log, rotation = await _begun(service, engine)
    if rotation.new not in (await guard.users()).get(rotation.user, ()):
        raise ApplyError(
            f"the rotation of {service} never came to its new secret: without the old one it could not log in",
            where=f"{rotation.new} of user {rotation.user}",
            fix="Go on with it: --rotate once more without --finish; or leave it: --abort.",
        )
    await guard.delete_secrets([(rotation.user, rotation.old)])
    await _write(engine, log, {rotation.key: None})
    return rotation


async def abort(service: Service, engine: Transport) -> Rotation:
    """Delete the new secret. Raises ApplyError where none is under way, or the old one is not there any more."""
    guard = _guarded(engine)
    log, rotation = await _begun(service, engine)
    there = (await guard.users()).get(rotation.user, frozenset[Mechanism]())
    if rotation.new in there and rotation.old not in there:
        raise ApplyError(
            f"the old secret of {service} is deleted already: without the new one it could not log in",
            where=f"{rotation.old} of user {rotation.user}",
            fix="Go on: --finish.",
        )
    await guard.delete_secrets([(rotation.user, rotation.new)])
    await _write(engine, log, {rotation.key: None})
    return rotation


def _begin(service: Service, user: str, there: frozenset[Mechanism], today: dt.date) -> Rotation:
    if not there:
        raise _no_user(service, user)
    if len(there) > 1:
        old, new = MECHANISMS
        raise ApplyError(
            f"{service} has a secret for {old} and one for {new}, and no rotation is recorded: nobody can tell which"
            " one is in use",
            where=f"user {user}",
            fix="Find out by which the service logs in, and delete the other: kafka-configs.sh --bootstrap-server …"
            f" --alter --entity-type users --entity-name {user} --delete-config {new} (or {old}).",
        )
    (old,) = there
    return Rotation(service=service, user=user, new=other_than(old), since=today)


def _no_user(service: Service, user: str) -> ApplyError:
    return ApplyError(f"{service} has no secret yet", where=f"user {user}", fix="Make it first: busline apply.")


def _guarded(engine: Transport) -> Guarded:
    if not isinstance(engine, Guarded):
        what = f"{type(engine).__name__} has no users: there is no secret to rotate"
        raise ApplyError(what, fix="Only an engine with users of its own, as Kafka, knows secrets.")
    return engine


async def _log(engine: Transport) -> ContractLog:
    log = ContractLog(engine)
    try:
        await log.read()
    except UnknownTopic:
        raise ApplyError("nothing was ever applied here", where=CONTRACT_LOG, fix="Run first: busline apply.") from None
    return log


def _under_way(service: Service, log: ContractLog) -> Rotation | None:
    return next((one for one in rotations(log.records) if one.service == service), None)


async def _begun(service: Service, engine: Transport) -> tuple[ContractLog, Rotation]:
    log = await _log(engine)
    rotation = _under_way(service, log)
    if rotation is None:
        raise ApplyError(f"no rotation of {service} is under way", where=CONTRACT_LOG, fix="Begin one: --rotate alone.")
    return log, rotation


async def _write(engine: Transport, log: ContractLog, changes: Mapping[bytes, bytes | None]) -> None:
    """Raises ApplyError where somebody else wrote the same between our reading and our writing."""
    ours = (await write(engine, changes))[0].offset
    new = await log.read_past(ours)
    if any(entry.key in changes and entry.offset < ours for entry in new):
        what = "another run rotates the same service at this moment"
        raise ApplyError(what, where=CONTRACT_LOG, fix="Look: busline plan.")
