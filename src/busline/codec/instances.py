"""Making instances of models from values that are already of the right types.

Where everything that a model demands of its fields is what its Avro types guarantee, the instance is put together
directly, as pydantic's `model_construct` does; where it demands more (a pattern, a bound, a validator of its own),
pydantic validates. Which of the two is decided once per model, from pydantic's own schema of it, by a list of what is
known to be guaranteed: what is not on the list is validated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from pydantic import BaseModel, PrivateAttr

from busline.contract.types import INT32, INT64, Duration, LocalNanos, Nanos, to_float32, whole_millis

Make: TypeAlias = Callable[[dict[str, Any]], Any]


class _WithPrivate(BaseModel):
    _one: int = PrivateAttr(default=0)


_OWN_INITS: Final = (BaseModel.model_post_init, _WithPrivate.model_post_init)
"""pydantic's own, which set up private attributes and do no more."""
_SLOTS: Final[Any] = BaseModel.__dict__
PUT_DICT: Final = _SLOTS["__dict__"].__set__
PUT_SET: Final = _SLOTS["__pydantic_fields_set__"].__set__
PUT_EXTRA: Final = _SLOTS["__pydantic_extra__"].__set__
PUT_PRIVATE: Final = _SLOTS["__pydantic_private__"].__set__
_ANY: Final = {"type": "any"}
_META: Final = frozenset({"type", "metadata", "ref", "serialization", "strict"})
_KNOWN_FUNCTIONS: Final = (to_float32, whole_millis, Nanos, LocalNanos)
_ALLOWED: Final[dict[str, frozenset[str]]] = {
    "none": frozenset(),
    "bool": frozenset(),
    "str": frozenset(),
    "bytes": frozenset(),
    "uuid": frozenset(),
    "date": frozenset(),
    "enum": frozenset({"cls", "members", "sub_type", "missing"}),
    "literal": frozenset({"expected"}),
    "float": frozenset({"allow_inf_nan"}),
    "time": frozenset({"microseconds_precision"}),
    "datetime": frozenset({"microseconds_precision", "tz_constraint"}),
    "decimal": frozenset({"max_digits", "decimal_places", "allow_inf_nan"}),
}
_CONFIG: Final = frozenset({"title", "frozen", "extra_fields_behavior", "validate_by_name", "validate_by_alias"})


def maker(model: type[BaseModel], given: frozenset[str]) -> Make:
    """A function from the values by attribute name to the instance, which keeps the dict that it is given.

    given: the attributes that are written, as opposed to filled by their defaults (pydantic's `fields_set`). The
    function raises what pydantic raises: ValidationError, or whatever a validator of the model lets out.
    """
    if not needs_validation(model):
        return Constructor(model, given)
    validate = model.__pydantic_validator__.validate_python
    return lambda values: validate(values, by_name=True, by_alias=False)


def needs_validation(model: type[BaseModel]) -> bool:
    """Whether the model demands more than its Avro types guarantee. What nested models demand is their own affair."""
    schema: Any = model.__pydantic_core_schema__
    definitions: dict[str, Any] = {}
    if schema["type"] == "definitions":
        definitions = {d["ref"]: d for d in schema["definitions"]}
        schema = schema["schema"]
    if schema["type"] == "definition-ref":
        schema = definitions[schema["schema_ref"]]
    return not _is_plain_model(model, schema, definitions)


def _is_plain_model(model: type[BaseModel], schema: Any, definitions: Mapping[str, Any]) -> bool:
    if schema["type"] != "model" or schema["schema"]["type"] != "model-fields" or schema.get("custom_init"):
        return False
    if model.model_post_init not in _OWN_INITS:
        return False
    config = {key for key, value in schema.get("config", {}).items() if value is not None}
    fields = schema["schema"]["fields"].values()
    return config <= _CONFIG and all(_is_guaranteed(f["schema"], definitions, 0) for f in fields)


def _is_guaranteed(schema: Any, definitions: Mapping[str, Any], depth: int) -> bool:
    kind = schema["type"]
    if depth > 32:
        return False
    inner = [*_inner(schema, definitions)]
    if inner:
        return all(_is_guaranteed(one, definitions, depth + 1) for one in inner)
    if kind == "named-tuple":
        return schema["cls"] is Duration
    if kind == "int":
        bounds = (schema.get("ge"), schema.get("le"))
        return _is_bare(schema, frozenset({"ge", "le"})) and bounds in ((None, None), INT32, INT64)
    return kind == "model" or (kind in _ALLOWED and _is_bare(schema, _ALLOWED[kind]))


def _inner(schema: Any, definitions: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """The schemas that this one consists of, where it adds no demand of its own; else nothing."""
    match schema["type"]:
        case "definition-ref" if schema["schema_ref"] in definitions:
            target = definitions[schema["schema_ref"]]
            return [{"type": "model"}] if target["type"] == "model" else [target]
        case "default" if not schema.get("validate_default"):
            return [schema["schema"]]
        case "nullable":
            return [schema["schema"]]
        case "union":
            return [c[0] if isinstance(c, tuple) else c for c in schema["choices"]]
        case "list" if _is_bare(schema, frozenset({"items_schema"})):
            return [schema.get("items_schema", _ANY)]
        case "tuple" if _is_bare(schema, frozenset({"items_schema", "variadic_item_index"})):
            return schema["items_schema"]  # type: ignore[no-any-return]
        case "dict" if _is_bare(schema, frozenset({"keys_schema", "values_schema"})):
            return [schema.get("keys_schema", _ANY), schema.get("values_schema", _ANY)]
        case "function-after" if schema["function"]["function"] in _KNOWN_FUNCTIONS:
            return [schema["schema"]]
    return []


def _is_bare(schema: Any, allowed: frozenset[str]) -> bool:
    return {key for key, value in schema.items() if value is not None} <= allowed | _META


class Constructor:
    """Puts an instance together. is_plain: it consists of its values and the set of the fields that were given."""

    def __init__(self, model: type[BaseModel], given: frozenset[str]) -> None:
        self.model = model
        self.given = set(given)
        self.open_ended = model.model_config.get("extra") == "allow"
        self.init_private = model.model_post_init if model.__private_attributes__ else None
        self.frozen = bool(model.model_config.get("frozen"))  # nobody can add to a frozen instance's set: one for all
        own_new = model.__new__ is object.__new__
        self.is_plain = own_new and not self.open_ended and self.init_private is None

    def __call__(self, values: dict[str, Any]) -> Any:
        instance = self.model.__new__(self.model)
        PUT_DICT(instance, values)
        PUT_SET(instance, self.given if self.frozen else set(self.given))
        PUT_EXTRA(instance, {} if self.open_ended else None)
        PUT_PRIVATE(instance, None)
        if self.init_private is not None:
            self.init_private(instance, None)
        return instance
