"""When the same bytes mean something else: logical types, decimal scale, units of time."""

from __future__ import annotations

import json
from typing import Final

from busline.contract.finding import Severity
from busline.contract.nodes import Fixed, Logical, Node, Primitive

_UNITS: Final = {"millis": 0, "micros": 1, "nanos": 2}


def changed_meaning(old: Node, new: Node) -> tuple[str, Severity] | None:
    """Why a value written as `old` is another one read as `new`, and how grave that is; None: it means the same."""
    if not isinstance(old, Primitive | Fixed) or not isinstance(new, Primitive | Fixed) or old.logical == new.logical:
        return None
    one, other = old.logical, new.logical
    if one is None or other is None:
        gone = "loses" if other is None else "gains"
        name = _name(one or other)
        return f"it {gone} the meaning {name}, and who reads by the other version takes a plain value for it", _WARNING
    if one.name == other.name == "decimal":
        return _decimal(one, other)
    (kind, _, unit), (other_kind, _, other_unit) = one.name.rpartition("-"), other.name.rpartition("-")
    if kind == other_kind and {unit, other_unit} <= _UNITS.keys():
        factor = 1000 ** abs(_UNITS[unit] - _UNITS[other_unit])
        return f"who reads by the other version is off by a factor of {factor:,}, without an error", Severity.ERROR
    return f"{_name(one)} and {_name(other)} are different things on the same bytes", Severity.ERROR


_WARNING: Final = Severity.WARNING


def _decimal(one: Logical, other: Logical) -> tuple[str, Severity]:
    if one.scale == other.scale:
        return "numbers that fit the one may be too long for the other", _WARNING
    factor = 10 ** abs(one.scale - other.scale)
    return f"who reads by the other version is off by a factor of {factor:,}, without an error", Severity.ERROR


def _name(logical: Logical | None) -> str:
    return logical.name if logical else "a plain value"


def same_json(one: object, other: object) -> bool:
    """Equal as values of one type: 1 and 1.0 are, 1 and true are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float | str) or one is None:
        return one == other
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
