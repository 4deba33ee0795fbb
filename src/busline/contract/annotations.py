"""Python annotations, taken apart: aliases and Annotated unwrapped, constraints and markers side by side."""

from __future__ import annotations

import enum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, NamedTuple, NewType, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typing_extensions import TypeAliasType

_DEPTH: Final = 64
_Marker = TypeVar("_Marker")


class Hint(NamedTuple):
    """One annotation: `type` without its wrappings (a class or a parametrised form), and all that was wrapped on."""

    type: Any
    metadata: tuple[object, ...] = ()

    def marker(self, kind: type[_Marker]) -> _Marker | None:
        """The outermost marker of that kind."""
        return next((m for m in reversed(self.metadata) if isinstance(m, kind)), None)

    def constraint(self, name: str) -> int | None:
        """The value of a pydantic or annotated-types constraint, e.g. `max_digits`."""
        given = (getattr(m, name, None) for m in reversed(self.metadata))
        return next((value for value in given if isinstance(value, int)), None)


def unwrap(annotation: Any, metadata: tuple[object, ...] = ()) -> Hint:
    """Annotated, NewType and type aliases taken off. Raises ValueError where an alias names itself without end."""
    for _ in range(_DEPTH):
        if get_origin(annotation) is Annotated:
            metadata = _flat(annotation.__metadata__) + metadata
            annotation = annotation.__origin__
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif isinstance(annotation, TypeAliasType):
            annotation = annotation.__value__
        else:
            return Hint(annotation, metadata)
    raise ValueError("the type alias names itself without end")


def members(annotation: Any) -> tuple[Any, ...] | None:
    """The members of `A | B`, flattened, or None for what is no union. What is wrapped on an inner union is on each."""
    if get_origin(annotation) not in (Union, UnionType):
        return None
    out: list[Any] = []
    for one in get_args(annotation):
        inner = unwrap(one)
        nested = members(inner.type)
        if nested is None:
            out.append(one)
        else:
            out.extend(Annotated[(n, *inner.metadata)] if inner.metadata else n for n in nested)
    return tuple(out)


def is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def is_enum(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, enum.Enum)


def is_literal(annotation: Any) -> bool:
    return get_origin(annotation) is Literal


def is_null(annotation: Any) -> bool:
    return annotation is None or annotation is NoneType


def wire_name(attribute: str, info: FieldInfo) -> str:
    """A field's name in the schema: its serialization alias where it has one, else the attribute's name."""
    return info.serialization_alias or attribute


def attributes(model: type[BaseModel]) -> dict[str, str]:
    """The attribute of each field, by the field's name in the schema."""
    return {wire_name(attribute, info): attribute for attribute, info in model.model_fields.items()}


def _flat(metadata: tuple[object, ...]) -> tuple[object, ...]:
    """Field(...) inside Annotated carries its constraints as metadata of its own."""
    out: list[object] = []
    for one in metadata:
        out.extend(one.metadata if isinstance(one, FieldInfo) else (one,))
    return tuple(out)
