"""Seven levels over the versions of a contract: what each forbids, in which direction, and how it is mended."""

from typing import Any

import pytest

from busline.contract.evolution.levels import Direction, Level, LevelBreak, check_levels, level_breaks, level_of
from busline.contract.model import Audience, Contract, Source, Version
from busline.contract.schema import parse
from busline.names import ContractName


def contract(
    *versions: list[dict[str, Any]], audience: Audience = Audience.COMPANY, level: str | None = None
) -> Contract:
    return Contract(
        name=ContractName("orders.order-placed"),
        audience=audience,
        compatibility=level,
        versions=tuple(
            Version(
                number=number,
                schema=parse({"type": "record", "name": "OrderPlaced", "fields": fields}),
                source=Source(file=f"orders/order-placed/{number}.avsc"),
            )
            for number, fields in enumerate(versions, 1)
        ),
    )


ID = {"name": "order_id", "type": "string"}
COUPON = {"name": "coupon", "type": "string"}
OPTIONAL = {"name": "coupon", "type": ["null", "string"], "default": None}


def broken(found: Contract) -> list[tuple[int, int, str]]:
    return [(one.version.number, one.older.number, str(one.direction)) for one in level_breaks(found)]


@pytest.mark.parametrize(
    ("audience", "level"),
    [
        (Audience.TEAM, Level.BACKWARD_TRANSITIVE),
        (Audience.COMPANY, Level.BACKWARD_TRANSITIVE),
        (Audience.PARTNER, Level.FULL_TRANSITIVE),
        (Audience.PUBLIC, Level.FULL_TRANSITIVE),
    ],
)
def test_the_level_follows_the_audience(audience: Audience, level: Level) -> None:
    assert level_of(contract([ID], audience=audience)) is level


@pytest.mark.parametrize("written", ["full-transitive", "full_transitive"])
def test_a_level_in_the_file_wins(written: str) -> None:
    assert level_of(contract([ID], level=written)) is Level.FULL_TRANSITIVE


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("none", []),
        ("backward", []),
        ("backward-transitive", [(3, 1, "backward")]),
        ("forward", []),
        ("forward-transitive", []),
        ("full", []),
        ("full-transitive", [(3, 1, "backward")]),
    ],
)
def test_only_transitive_levels_look_past_the_version_before(level: str, expected: list[Any]) -> None:
    """A field that gets a default and loses it: each step is fine, the way is not."""
    with_default = {"name": "coupon", "type": "string", "default": ""}
    assert broken(contract([ID], [ID, with_default], [ID, COUPON], level=level)) == expected


@pytest.mark.parametrize(
    ("level", "added", "removed"),
    [
        ("none", [], []),
        ("backward", ["backward"], []),
        ("forward", [], ["forward"]),
        ("full", ["backward"], ["forward"]),
    ],
)
def test_a_direction_is_judged_where_the_level_asks_for_it(level: str, added: list[str], removed: list[str]) -> None:
    assert [str(b.direction) for b in level_breaks(contract([ID], [ID, COUPON], level=level))] == added
    assert [str(b.direction) for b in level_breaks(contract([ID, COUPON], [ID], level=level))] == removed


def test_a_finding_names_versions_direction_path_what_a_reader_sees_and_the_mend() -> None:
    (finding,) = check_levels(contract([ID], [ID, COUPON]))
    assert (finding.file, finding.key, finding.rule) == (
        "orders/order-placed/2.avsc",
        "coupon",
        "compatibility-level",
    )
    assert finding.what == (
        "backward_transitive: a reader that moves to version 2 fails on what version 1 wrote: `coupon`: the writer's"
        " `OrderPlaced` has no such field, and the reader has no default for it (at /fields/1)"
    )
    assert finding.fix == "In version 2, give `coupon` a default."


def test_forward_is_mended_in_the_new_version_too() -> None:
    (finding,) = check_levels(contract([ID, COUPON], [ID], level="forward"))
    assert "a reader that stays on version 1 fails on what version 2 writes" in finding.what
    assert finding.fix == "In version 2, keep the field `coupon`."


def test_a_rename_is_mended_by_an_alias() -> None:
    renamed = {"name": "voucher", "type": "string"}
    (finding,) = check_levels(contract([ID, COUPON], [ID, renamed]))
    assert "or the alias `coupon` if it is the same under a new name" in finding.fix


def test_only_new_versions_are_asked_for_when_the_others_are_published() -> None:
    three = contract([ID], [ID, COUPON], [ID, COUPON, {"name": "note", "type": "string"}])
    assert {finding.file for finding in check_levels(three, new={3})} == {"orders/order-placed/3.avsc"}
    assert {finding.file for finding in check_levels(three)} == {
        "orders/order-placed/2.avsc",
        "orders/order-placed/3.avsc",
    }


def test_an_optional_field_breaks_no_level() -> None:
    assert check_levels(contract([ID], [ID, OPTIONAL], audience=Audience.PUBLIC)) == []


def test_a_break_carries_what_the_readers_check_needs() -> None:
    (found,) = level_breaks(contract([ID], [ID, COUPON]))
    assert isinstance(found, LevelBreak)
    assert (found.version.number, found.older.number, found.direction) == (2, 1, Direction.BACKWARD)
    assert found.cause.kind == "READER_FIELD_MISSING_DEFAULT_VALUE"
