"""Event and State: a published contract's typed values.

    class OrderPlaced(Event, contract="orders.order-placed", key="order_id"):
        order_id: UUID
        total: Annotated[Decimal, Field(max_digits=12, decimal_places=2)]

A class without `contract=` is a base or a mixin; a subclass of a contract's model is a model of that contract too.
What Avro cannot express is refused when the class is defined; where a forward reference names nothing yet, at first
use.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any, ClassVar, Final, TypeAlias

from pydantic import BaseModel, ConfigDict

from busline.contract.avro import Unresolved, build
from busline.contract.model import Kind
from busline.contract.nodes import MISSING, Enum, Field, Fixed, Primitive, Record
from busline.contract.schema import Schema
from busline.contract.uuid7 import uuid7
from busline.errors import ContractError, ModelInvalid
from busline.names import ContractName

KeyValue: TypeAlias = "str | int | bool | Decimal | uuid.UUID | dt.date | dt.time | dt.datetime"
_KEYLESS: Final = ("null", "float", "double", "bytes")


class ModelContract:
    """What a model class says of its contract. `schema` is built at definition, else at first use (ModelInvalid)."""

    __slots__ = ("_model", "_schema", "key", "kind", "name")

    def __init__(self, model: type[Event], *, name: ContractName, key: tuple[str, ...], kind: Kind) -> None:
        self._model = model
        self._schema: Schema | None = None
        self.name = name
        self.key = key
        self.kind = kind

    @property
    def schema(self) -> Schema:
        try:
            return self._schema or self.resolve()
        except Unresolved as error:
            why, fix = f"{error} names nothing", "Define it in the model's module, or call model_rebuild()."
            raise ModelInvalid("the model is not complete", where=self._model.__name__, why=why, fix=fix) from None

    def resolve(self) -> Schema:
        """Build and check the schema. Raises ModelInvalid, and Unresolved for a name that may come later."""
        schema = build(self._model, self.name)
        _check_key(self._model, schema.root, self.key)
        self._schema = schema
        return schema

    def __repr__(self) -> str:
        return f"ModelContract({self.name!r}, key={self.key!r}, kind={self.kind.value!r})"


class Event(BaseModel):
    """Something happened. Immutable; a field that the model does not have is an error at construction."""

    __slots__ = ("_event_id",)
    __busline__: ClassVar[ModelContract]

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_by_name=True,
        validate_by_alias=True,
        arbitrary_types_allowed=True,  # so that it is we who refuse such a type, with the field's path
    )

    def __init_subclass__(
        cls, *, contract: str | None = None, key: str | tuple[str, ...] | None = None, **config: Any
    ) -> None:
        super().__init_subclass__()

    @classmethod
    def __pydantic_init_subclass__(
        cls, *, contract: str | None = None, key: str | tuple[str, ...] | None = None, **config: Any
    ) -> None:
        super().__pydantic_init_subclass__(**config)
        taken = next((name for name in cls.model_fields if hasattr(Event, name)), None)
        if taken is not None:
            fix = f'Write {taken}_ and Field(serialization_alias="{taken}").'
            raise _invalid(cls, f"every event has an attribute {taken!r} already", fix)
        inherited: ModelContract | None = getattr(cls, "__busline__", None)
        if contract is None and inherited is None:
            if key is not None:
                raise _invalid(cls, "key= without contract=", 'Name the contract: contract="<team>.<stream>".')
            return
        keys = (key,) if isinstance(key, str) else key if key is not None else inherited.key if inherited else ()
        _declare(cls, contract or str(inherited and inherited.name), keys)

    @property
    def event_id(self) -> str:
        """A UUIDv7, made when first asked for. It stays with this instance; a copy gets one of its own."""
        try:
            return _EVENT_ID.__get__(self)  # type: ignore[no-any-return]
        except AttributeError:
            made = uuid7()
            _EVENT_ID.__set__(self, made)
            return made


_EVENT_ID: Final = vars(Event)["_event_id"]


class State(Event):
    """The latest value of a key. A deletion is `Deleted`."""


class Deleted:
    """A state that is no more: the key's fields, and of which contract.

    Made from the model, Deleted(UserStats, user_id="u1"), or from a contract's name. Equal by contract and key.
    """

    __slots__ = ("_event_id", "contract", "key")

    contract: ContractName
    key: Mapping[str, Any]

    def __init__(self, of: type[State] | ContractName, /, **key: KeyValue) -> None:
        self.contract = ContractName(of) if isinstance(of, str) else of.__busline__.name
        if not isinstance(of, str):
            _check_deletion(of, key)
        self.key = key

    @property
    def event_id(self) -> str:
        """As `Event.event_id`."""
        try:
            return self._event_id
        except AttributeError:
            self._event_id: str = uuid7()
            return self._event_id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Deleted) and (self.contract, self.key) == (other.contract, other.key)

    def __hash__(self) -> int:
        return hash((self.contract, tuple(self.key.items())))

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        return None, {"contract": self.contract, "key": self.key}

    def __repr__(self) -> str:
        return f"Deleted({str(self.contract)!r}, {', '.join(f'{k}={v!r}' for k, v in self.key.items())})"


def _declare(cls: type[Event], contract: str, key: tuple[str, ...]) -> None:
    try:
        name = ContractName(contract)
    except ContractError as error:
        raise _invalid(cls, error.what, error.fix) from None
    kind = Kind.STATE if issubclass(cls, State) else Kind.EVENT
    if kind is Kind.STATE and not key:
        raise _invalid(cls, "a state without a key", 'Say which value is the latest of what: key="<field>".')
    cls.__busline__ = ModelContract(cls, name=name, key=key, kind=kind)
    generic = cls.__pydantic_generic_metadata__["parameters"]  # not a model itself: each of its parametrisations is
    if cls.__pydantic_complete__ and not generic:
        with suppress(Unresolved):
            cls.__busline__.resolve()


def _check_key(cls: type[Event], root: object, key: tuple[str, ...]) -> None:
    fields = {f.name: f for f in root.fields} if isinstance(root, Record) else {}
    for name in key:
        if name not in fields:
            raise _invalid(cls, f"the key field {name!r} is not in the model", f"Fields: {', '.join(fields)}.")
        _check_key_field(cls, fields[name])
    if len(set(key)) < len(key):
        raise _invalid(cls, "a key field is named twice", "Name each once.")


def _check_key_field(cls: type[Event], field: Field) -> None:
    scalar = isinstance(field.type, Primitive | Fixed | Enum)
    if isinstance(field.type, Primitive):
        scalar = field.type.type not in _KEYLESS or field.type.logical is not None
    if isinstance(field.type, Fixed):
        scalar = field.type.logical is not None and field.type.logical.name != "duration"
    if not scalar:
        fix = "A key is text, a number, a UUID, a date, a time, a bool or an enum; not optional."
        raise _invalid(cls, f"the key field {field.name!r} has no canonical text", fix)
    if field.default is not MISSING:
        raise _invalid(cls, f"the key field {field.name!r} has a default", "A key is required: take the default away.")


def _check_deletion(of: type[State], key: Mapping[str, object]) -> None:
    expected = of.__busline__.key
    if set(key) != set(expected):
        raise ContractError(
            f"a deletion of {of.__name__} names {', '.join(key) or 'no field'}",
            fix=f"Name the key: {', '.join(expected)}.",
        )


def _invalid(cls: type[Event], why: str, fix: str | None) -> ModelInvalid:
    return ModelInvalid("not a model of a contract", where=cls.__name__, why=why, fix=fix)
