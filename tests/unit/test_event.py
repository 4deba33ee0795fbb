"""Event, State and Deleted: what a class definition refuses, and what instances promise."""

import copy
import pickle
import subprocess
import sys
import uuid
import warnings
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

import pytest
from pydantic import BaseModel, Field, ValidationError

from busline.contract.event import Deleted, Event, State
from busline.contract.model import Kind
from busline.contract.nodes import Record
from busline.contract.uuid7 import uuid7
from busline.errors import ContractError, ModelInvalid

T = TypeVar("T")


class Hello(Event, contract="demo.hello", key="name"):
    name: str


class Stats(State, contract="demo.user-stats", key=("user_id", "region")):
    user_id: str
    region: str
    orders: int = 0


def field_names(model: type[Event]) -> list[str]:
    root = model.__busline__.schema.root
    assert isinstance(root, Record)
    return [f.name for f in root.fields]


def test_a_class_carries_its_contract() -> None:
    ours = Stats.__busline__
    assert (ours.name, ours.key, ours.kind) == ("demo.user-stats", ("user_id", "region"), Kind.STATE)
    assert (Hello.__busline__.key, Hello.__busline__.kind) == (("name",), Kind.EVENT)


def test_events_are_immutable_and_take_no_unknown_field() -> None:
    hello = Hello(name="x")
    with pytest.raises(ValidationError, match="frozen"):
        hello.name = "y"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        Hello(name="x", surname="y")  # type: ignore[call-arg]


def test_bases_and_mixins_need_no_contract_and_lend_their_fields() -> None:
    class Stamped(BaseModel):
        by: str

    class Base(Event):
        region: str

    class Made(Stamped, Base, contract="demo.made", key="region"):
        what: str

    assert not hasattr(Base, "__busline__")
    assert set(field_names(Made)) == {"region", "by", "what"}


def test_a_subclass_is_a_model_of_the_same_contract_with_its_own_schema() -> None:
    class Louder(Hello):
        volume: int = 1

    assert Louder.__busline__.name == "demo.hello"
    assert Louder.__busline__.key == ("name",)
    assert field_names(Louder) == ["name", "volume"]
    assert field_names(Hello) == ["name"]


def test_a_generic_model_is_a_model_once_its_parameters_are_given() -> None:
    class Envelope(Event, Generic[T], contract="demo.envelope"):
        body: T

    assert field_names(Envelope[int]) == ["body"]
    with pytest.raises(ModelInvalid, match=r"body"):
        _ = Envelope.__busline__.schema


@pytest.mark.parametrize(
    ("contract", "key", "annotation", "default", "why"),
    [
        ("Demo.x", "a", str, ..., "not a team name"),
        ("demo", "a", str, ..., "not a contract name"),
        (None, "a", str, ..., "key= without contract="),
        ("demo.x", "b", str, ..., "key field 'b' is not in the model"),
        ("demo.x", ("a", "a"), str, ..., "named twice"),
        ("demo.x", "a", str | None, ..., "no canonical text"),
        ("demo.x", "a", float, ..., "no canonical text"),
        ("demo.x", "a", bytes, ..., "no canonical text"),
        ("demo.x", "a", list[str], ..., "no canonical text"),
        ("demo.x", "a", str, "x", "has a default"),
    ],
)
def test_a_wrong_contract_or_key_is_refused_at_definition(
    contract: str | None, key: Any, annotation: Any, default: Any, why: str
) -> None:
    with pytest.raises(ModelInvalid, match=why) as caught:
        type(
            "Bad",
            (Event,),
            {
                "__annotations__": {"a": annotation},
                **({} if default is ... else {"a": default}),
                "__module__": __name__,
            },
            contract=contract,
            key=key,
        )
    assert caught.value.fix
    assert caught.value.where == "Bad"


def test_a_state_needs_a_key() -> None:
    with pytest.raises(ModelInvalid, match="without a key"):

        class Keyless(State, contract="demo.keyless"):
            a: str


def test_a_model_that_avro_cannot_express_names_the_fields_path() -> None:
    with pytest.raises(ModelInvalid) as caught:

        class Bad(Event, contract="demo.bad"):
            at: list[dict[str, datetime]]

    assert caught.value.where == "Bad.at[]{}"
    assert "AwareDatetime" in str(caught.value)


def test_a_type_that_pydantic_does_not_know_is_refused_by_path_too() -> None:
    class Plain:
        pass

    with pytest.raises(ModelInvalid, match="Plain has no Avro type") as caught:

        class Bad(Event, contract="demo.bad"):
            thing: Plain

    assert caught.value.where == "Bad.thing"


def test_a_forward_reference_is_resolved_at_first_use_or_refused_then() -> None:
    class Later(Event, contract="demo.later"):
        next: "Missing | None" = None  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(ModelInvalid, match="Missing"):
        _ = Later.__busline__.schema


def test_models_in_a_function_work_with_postponed_annotations(tmp_path: Any) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "from __future__ import annotations\n"
        "from pydantic import BaseModel\n"
        "from busline.contract.event import Event\n"
        "def make():\n"
        "    class Node(BaseModel):\n"
        "        children: list[Node] = []\n"
        "    class Tree(Event, contract='demo.tree'):\n"
        "        root: Node\n"
        "    return Tree\n"
        "print(make().__busline__.schema.canonical)\n"
    )
    out = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, check=True).stdout
    assert out.count('"demo.tree.Root"') == 2


def test_an_event_id_is_a_uuid_version_7_and_stays_with_its_instance() -> None:
    hello = Hello(name="x")
    first = hello.event_id
    assert hello.event_id == first
    assert uuid.UUID(first).version == 7
    assert uuid.UUID(first).variant == uuid.RFC_4122


@pytest.mark.parametrize(
    "made",
    [
        lambda e: e.model_copy(),
        lambda e: e.model_copy(update={"name": "x"}),
        copy.copy,
        copy.deepcopy,
        lambda e: pickle.loads(pickle.dumps(e)),
        lambda e: type(e)(**e.model_dump()),
    ],
    ids=["model_copy", "update", "copy", "deepcopy", "pickle", "anew"],
)
def test_a_copy_is_equal_and_gets_an_id_of_its_own(made: Any) -> None:
    hello = Hello(name="x")
    before = hello.event_id
    other = made(hello)
    assert other == hello
    assert hash(other) == hash(hello)
    assert other.event_id != before


def test_the_event_id_is_in_no_dump_and_no_repr() -> None:
    hello = Hello(name="x")
    shown = f"{hello!r} {hello} {hello.model_dump()} {hello.model_dump_json()}"
    assert hello.event_id not in shown


def test_event_ids_ascend_and_never_repeat() -> None:
    ids = [uuid7() for _ in range(5_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_event_ids_ascend_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = uuid7()
    monkeypatch.setattr("time.time_ns", lambda: 0)
    assert uuid7() > before


def test_a_deletion_names_its_key_and_nothing_else() -> None:
    gone = Deleted(Stats, user_id="u1", region="eu")
    assert (gone.contract, gone.key) == ("demo.user-stats", {"user_id": "u1", "region": "eu"})
    assert gone == Deleted(Stats, user_id="u1", region="eu")
    assert gone != Deleted(Stats, user_id="u2", region="eu")
    assert copy.copy(gone).event_id != gone.event_id
    with pytest.raises(ContractError, match="user_id, region"):
        Deleted(Stats, user_id="u1")


def test_a_field_may_be_named_on_the_wire_what_no_attribute_can_be() -> None:
    class Odd(Event, contract="demo.odd", key="class"):
        class_: str = Field(serialization_alias="class")
        size: Annotated[int, Field(gt=0)]

    assert field_names(Odd) == ["class", "size"]
    assert Odd(class_="x", size=1).class_ == "x"


@pytest.mark.parametrize("name", ["event_id", "model_copy", "json"])
def test_a_field_that_hides_an_events_own_attribute_is_refused_with_the_way_out(name: str) -> None:
    with warnings.catch_warnings(), pytest.raises(ModelInvalid, match=f'serialization_alias="{name}"'):
        warnings.simplefilter("ignore")  # pydantic's own words on it
        type("Bad", (Event,), {"__annotations__": {name: str}, "__module__": __name__}, contract="demo.bad")
