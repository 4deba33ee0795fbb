"""Without a workspace, the models are the contracts."""

import pytest

from busline.contract.event import Event, State
from busline.contract.infer import infer
from busline.contract.model import EVERYONE, Kind
from busline.errors import ContractMismatch, ModelInvalid


class Hello(Event, contract="demo.hello", key="name"):
    """Somebody says hello."""

    name: str
    loud: bool = False


class QuietHello(Event, contract="demo.hello", key="name"):
    name: str


class Count(State, contract="demo.count", key="name"):
    name: str
    times: int


def test_each_model_gives_a_contract_of_its_team_open_to_everyone() -> None:
    count, hello = infer([Hello, Count])
    assert (count.name, count.kind, count.owner, count.key) == ("demo.count", Kind.STATE, "demo", ("name",))
    assert hello.description == "Somebody says hello."
    assert [grant.to for grant in hello.grants] == [EVERYONE]
    assert [version.schema for version in hello.versions] == [Hello.__busline__.schema]


@pytest.mark.parametrize("models", [[Hello, QuietHello], [QuietHello, Hello]])
def test_of_several_models_the_widest_is_the_publishers(models: list[type[Event]]) -> None:
    (hello,) = infer(models)
    assert hello.versions[0].schema == Hello.__busline__.schema


def test_models_that_differ_in_key_are_refused() -> None:
    class Loud(Event, contract="demo.hello", key=("name", "loud")):
        name: str
        loud: bool

    with pytest.raises(ContractMismatch, match=r"demo\.hello"):
        infer([Hello, Loud])


def test_a_base_without_a_contract_is_refused() -> None:
    class Base(Event):
        name: str

    with pytest.raises(ModelInvalid, match="Base"):
        infer([Base])
