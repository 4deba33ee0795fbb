"""Is a contract's example.json an event of its current version? As exactly as publishing it would say."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Any

from busline.codec.codec import Codec
from busline.codec.json_form import from_json
from busline.codec.scalar_writing import scalar_writer
from busline.codec.wire import Write
from busline.contract.example import mismatches
from busline.contract.finding import Finding
from busline.contract.model import Contract
from busline.contract.nodes import Array, Enum, Fixed, Logical, Map, Node, Primitive, Record, Union
from busline.contract.schema import Schema
from busline.contract.workspace import Workspace
from busline.errors import EncodeError
from busline.names import ContractName


def check_examples(workspace: Workspace, contracts: Collection[ContractName] | None = None) -> list[Finding]:
    """What no event is, of examples whose shape fits (`contract/checks.py` says so of the others). None: of all."""
    names = workspace.contracts if contracts is None else contracts
    return [finding for name in names if (finding := _check(workspace.contracts[name])) is not None]


def _check(contract: Contract) -> Finding | None:
    if contract.example is None or contract.current is None or contract.source is None:
        return None
    schema = contract.current.schema
    try:
        value = from_json(schema, contract.example)
        if not _fits(schema.root, value):
            _publish(schema, value)
    except EncodeError as error:
        return None if mismatches(schema, contract.example) else _finding(contract, contract.source.file, error)
    return None


def _publish(schema: Schema, value: Any) -> None:
    """Compiling a codec takes a hundred times longer than a look: only to say exactly what is wrong."""
    codec = Codec(schema)
    try:
        codec.encode(value)
    except EncodeError as error:
        inner = (error.where or "").removeprefix(codec.contract).removeprefix(": ")
        raise EncodeError(error.what, where=inner or None, why=error.why) from None


def _finding(contract: Contract, file: str, error: EncodeError) -> Finding:
    number = contract.current.number if contract.current else 0
    return Finding(
        file=file.removesuffix("contract.yaml") + "example.json",
        key=error.where or "",
        what=error.why or error.what,
        fix=f"It must be an event of version {number}, as `busline publish` takes it.",
    )


def _fits(node: Node, value: Any) -> bool:
    """Whether each single value in it can be written; of a union, whether a branch takes it."""
    match node:
        case Record():
            return isinstance(value, dict) and all(_fits(f.type, value[f.name]) for f in node.fields if f.name in value)
        case Array():
            return isinstance(value, list) and all(_fits(node.items, one) for one in value)
        case Map():
            return isinstance(value, dict) and all(_text(key) and _fits(node.values, one) for key, one in value.items())
        case Union():
            return any(_fits(branch, value) for branch in node.branches)
        case Enum():
            return value in node.symbols
    size = node.size if isinstance(node, Fixed) else None
    return _written(_writer(None if isinstance(node, Fixed) else node.type, size, node.logical), value)


def _text(value: str) -> bool:
    return _written(_writer("string", None, None), value)


def _written(write: Write, value: Any) -> bool:
    try:
        write(value, _nowhere)
    except Exception:  # of any kind: what it is, the codec says
        return False
    return True


def _nowhere(data: bytes) -> None:
    return None


@lru_cache(maxsize=4096)
def _writer(kind: str | None, size: int | None, logical: Logical | None) -> Write:
    node = Primitive(kind, logical) if kind is not None else Fixed("fixed", size or 0, logical=logical)
    return scalar_writer(node, node)
