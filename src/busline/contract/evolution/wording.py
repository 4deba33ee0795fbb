"""Types and defaults as a person reads them: `decimal(12, 2)`, `null or string`, `list of record Line`."""

from __future__ import annotations

import json

from busline.contract.nodes import MISSING, Array, Enum, Field, Fixed, Map, Node, Primitive, Record, Union

_LONGEST = 60


def type_text(node: Node, *, brief: bool = False) -> str:
    """In full but for a record's fields, which have lines of their own. brief: without an enum's symbols too."""
    match node:
        case Primitive():
            return f"{node.logical} on {node.type}" if node.logical else node.type
        case Fixed():
            return f"{node.logical} on {node.size} bytes" if node.logical else f"{node.size} bytes"
        case Enum() if brief:
            return f"enum {simple(node.name)}"
        case Enum():
            default = f", else {node.default}" if node.default is not None else ""
            return f"enum {simple(node.name)} ({' '.join(node.symbols)}{default})"
        case Array():
            return f"list of {type_text(node.items, brief=brief)}"
        case Map():
            return f"map of {type_text(node.values, brief=brief)}"
        case Union():
            return " or ".join(type_text(branch, brief=brief) for branch in node.branches) or "nothing"
        case Record():
            return f"record {simple(node.name)}"


def default_text(field: Field) -> str:
    """Empty: none."""
    if field.default is MISSING:
        return ""
    text = json.dumps(field.default, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def simple(name: str) -> str:
    return name.rpartition(".")[2]
