"""Contracts from model classes alone, for an embedded engine without a workspace: the first step, not the goal."""

from __future__ import annotations

from collections.abc import Iterable

from busline.contract.event import Event, ModelContract
from busline.contract.model import EVERYONE, Contract, Grant, Version
from busline.contract.nodes import Record
from busline.errors import ContractMismatch, ModelInvalid
from busline.names import ContractName


def infer(models: Iterable[type[Event]]) -> list[Contract]:
    """One contract a name, sorted, with one version and everything granted to everyone; owner and kind as usual.

    Where several models follow one contract, the one with the most fields is taken for the publisher's. Raises
    ModelInvalid for a model without a contract, ContractMismatch where models differ in key or kind.
    """
    by_name: dict[ContractName, list[ModelContract]] = {}
    for model in models:
        said: ModelContract | None = getattr(model, "__busline__", None)
        if said is None:
            fix = f'Write class {model.__name__}({model.__base__ and model.__base__.__name__}, contract="…").'
            raise ModelInvalid(f"{model.__name__} has no contract", fix=fix)
        by_name.setdefault(said.name, []).append(said)
    return [_contract(group) for _, group in sorted(by_name.items())]


def _contract(models: list[ModelContract]) -> Contract:
    widest = max(models, key=_width)
    for other in models:
        if (other.key, other.kind) != (widest.key, widest.kind):
            why = f"one says {widest.kind} with key {widest.key}, another {other.kind} with key {other.key}"
            raise ContractMismatch(
                f"two models of {widest.name} differ", why=why, fix="Give them the same key and kind."
            )
    root = widest.schema.root
    return Contract(
        name=widest.name,
        description=root.doc if isinstance(root, Record) else "",
        kind=widest.kind,
        key=widest.key,
        versions=(Version(number=1, schema=widest.schema),),
        grants=(Grant(to=EVERYONE),),
    )


def _width(model: ModelContract) -> int:
    root = model.schema.root
    return len(root.fields) if isinstance(root, Record) else 0
