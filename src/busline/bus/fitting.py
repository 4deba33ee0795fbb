"""Whether a model fits its contract: which version a publisher's model fills, and which a reader's model can read."""

from __future__ import annotations

import logging

from busline.codec.codec import Codec
from busline.contract.avro import schema_of
from busline.contract.event import Event
from busline.contract.model import Contract, Version
from busline.contract.nodes import Record, walk
from busline.contract.schema import Schema
from busline.errors import BuslineError, ContractMismatch

_log = logging.getLogger("busline.contracts")


def fills(model: type[Event], version: Version) -> Codec | None:
    """What encodes the model's events as this version; None where a value is lacking, or would be dropped."""
    try:
        codec = Codec(version.schema, model)
        codec.check_encode()
    except ContractMismatch:
        return None
    return None if _dropped(codec.reader, version.schema) else codec


def _dropped(ours: Schema, theirs: Schema) -> list[str]:
    """Fields of ours that theirs has no place for, nested records included: publishing would lose them."""
    places = {node.name: {f.name for f in node.fields} for node in walk(theirs.root) if isinstance(node, Record)}
    records = [node for node in walk(ours.root) if isinstance(node, Record)]
    return [f.name for node in records for f in node.fields if f.name not in places.get(node.name, {f.name})]


def written(model: type[Event], contract: Contract, pinned: int | None) -> tuple[Version, Codec]:
    """What a publisher of this model writes: the pinned version, else the highest that the model fills.

    An older one than the contract's newest only warns. Raises ContractMismatch when it fills none.
    """
    check_key(model, contract)
    by_number = {version.number: version for version in contract.versions}
    order = [pinned] if pinned in by_number else []
    for number in [*order, *sorted(by_number, reverse=True)]:
        if number is not None and (codec := fills(model, by_number[number])):
            if number < (newest := len(contract.versions)):
                what = "%s publishes version %d of %s; the newest is %d"
                _log.warning(what, model.__name__, number, contract.name, newest)
            return by_number[number], codec
    raise _fills_none(model, contract)


def check_key(model: type[Event], contract: Contract) -> None:
    """A publisher's key decides the order for every reader: it is the contract's. Raises ContractMismatch."""
    if model.__busline__.key == contract.key:
        return
    ours, theirs = (", ".join(key) or "none" for key in (model.__busline__.key, contract.key))
    raise ContractMismatch(
        f"{model.__name__} has the key {ours}, {contract.name} has {theirs}",
        where=_place(contract),
        fix="Another key is another order: it takes a contract of its own.",
    )


def _fills_none(model: type[Event], contract: Contract) -> ContractMismatch:
    current = contract.current
    if current is None:
        return ContractMismatch(f"{contract.name} has no version yet", fix="Run `busline declare`, then apply.")
    return ContractMismatch(
        f"{model.__name__} fills no version of {contract.name}",
        where=_place(contract),
        why=_difference(schema_of(model, current.schema), current),
        fix="Change the model, or make a next version: busline declare, then apply.",
    )


def _difference(ours: Schema, version: Version) -> str:
    theirs = version.schema
    if isinstance(ours.root, Record) and isinstance(theirs.root, Record):
        mine, its = ({f.name for f in root.fields} for root in (ours.root, theirs.root))
        lacking, more = sorted(its - mine), sorted(mine - its)
        parts = [f"it lacks {', '.join(lacking)}"] * bool(lacking) + [f"it has {', '.join(more)} more"] * bool(more)
        if parts:
            return f"compared with version {version.number} " + " and ".join(parts)
    return f"its types are not those of version {version.number}"


def check_reads(model: type[Event], contract: Contract) -> None:
    """Raises ContractMismatch when the model cannot read what is written by the newest version."""
    current = contract.current
    if current is None:
        raise ContractMismatch(f"{contract.name} has no version yet", where=_place(contract))
    if (error := why_unreadable(model, current)) is not None:
        raise ContractMismatch(
            f"{model.__name__} cannot read version {current.number} of {contract.name}",
            where=_place(contract),
            why=": ".join(part for part in (error.where, error.why or error.what) if part),
            fix="Give the field a default, take it away, or use the contract's type for it.",
        ) from error


def why_unreadable(model: type[Event], version: Version) -> BuslineError | None:
    try:
        Codec(version.schema, model)
    except BuslineError as error:
        return error
    return None


def _place(contract: Contract) -> str | None:
    return str(contract.source) if contract.source else None
