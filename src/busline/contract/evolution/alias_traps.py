"""Aliases that do not say which field is meant.

An alias says: what was called that is this. If a field of that name ever stood beside this one, both are there, and
which of them is read depends on the library: Java's throws, fastavro takes the first in the writer's order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from busline.contract.evolution.pairing import below, record_pairs
from busline.contract.evolution.trap import Trap
from busline.contract.finding import Severity
from busline.contract.model import Version
from busline.contract.nodes import Field, Record, walk

NEIGHBOUR: Final = "alias-of-neighbour"


def alias_traps(older: tuple[Version, ...], version: Version) -> Iterator[Trap]:
    """What this version's aliases, or older versions' aliases on its fields, leave open."""
    root = version.schema.root
    records = [node for node in walk(root) if isinstance(node, Record)]
    if not any(field.aliases for node in records for field in node.fields) and not _have_aliases(older):
        return
    found: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    for before in (version, *reversed(older)):
        for pair in record_pairs(before.schema.root, root):
            for field in pair.new.fields:
                names = _answers(field, pair.old)
                if len(names) > 1:
                    found.setdefault((below(pair.path, field.name), names), []).append(before.number)
    for (path, names), numbers in found.items():
        yield _trap(path, names, numbers, version.number)
    yield from _shared(version)
    yield from _brought_back(older, version)


def _have_aliases(older: tuple[Version, ...]) -> bool:
    return any(
        field.aliases
        for version in older
        for node in walk(version.schema.root)
        if isinstance(node, Record)
        for field in node.fields
    )


def _answers(field: Field, written: Record) -> tuple[str, ...]:
    """The written fields that the field's name and aliases answer to, as Java looks them up."""
    there = {one.name for one in written.fields}
    return tuple(name for name in (field.name, *dict.fromkeys(field.aliases)) if name in there)


def _trap(path: str, names: tuple[str, ...], numbers: list[int], own: int) -> Trap:
    name = path.rpartition(".")[2]
    others = [other for other in names if other != name]
    if not others:
        return _of_itself(path)
    stood = " and ".join(f"`{other}`" for other in others)
    where = _where(sorted(number for number in numbers if number != own), own in numbers)
    verb = "stand" + "s" * (len(others) == 1) if numbers == [own] else "stood"
    beside = f"beside `{name}`" if name in names else "side by side"
    what = (
        f"`{path}` has the alias {stood}, which {verb} {beside} in {where}: both answer to it. Java throws there,"
        " fastavro decodes to the wrong field"
    )
    fix = f"Take the alias {stood} away: `{name}` is a field of its own, and needs a default where it is not written."
    return Trap(NEIGHBOUR, path, what, fix, Severity.ERROR)


def _where(older: list[int], is_here: bool) -> str:
    """`versions 1, 2 and this one`; older: in order."""
    before = f"version{'s' * (len(older) > 1)} {', '.join(map(str, older))}" if older else ""
    here = "this one" if older else "this version"
    return " and ".join(part for part in (before, here if is_here else "") if part)


def _of_itself(path: str) -> Trap:
    what = f"`{path}` is its own alias: Java finds it twice, and throws"
    return Trap(NEIGHBOUR, path, what, "Take the alias away.", Severity.ERROR)


def _shared(version: Version) -> Iterator[Trap]:
    """One alias of two fields: one of them gets the value, depending on the library."""
    for pair in record_pairs(version.schema.root, version.schema.root):
        owners: dict[str, str] = {}
        for field in pair.new.fields:
            for alias in dict.fromkeys(field.aliases):
                first = owners.setdefault(alias, field.name)
                if first != field.name:
                    path = below(pair.path, field.name)
                    what = f"the alias `{alias}` stands at `{first}` and at `{field.name}`: it can mean only one"
                    yield Trap(NEIGHBOUR, path, what, "Keep it at the field that it was.", Severity.ERROR)


def _brought_back(older: tuple[Version, ...], version: Version) -> Iterator[Trap]:
    """A name which an older version holds for an alias: its readers find two fields."""
    if not older:
        return
    added = {
        id(pair.new): {field.name for field in pair.new.fields} - {field.name for field in pair.old.fields}
        for pair in record_pairs(older[-1].schema.root, version.schema.root)
    }
    told: set[str] = set()
    for before in reversed(older):
        for pair in record_pairs(version.schema.root, before.schema.root):
            for field in pair.new.fields:
                names = _answers(field, pair.old)
                fresh = [name for name in names[1:] if name in added.get(id(pair.old), ()) and name not in told]
                if len(names) > 1 and fresh:
                    told |= set(fresh)
                    yield _back(below(pair.path, fresh[0]), field.name, fresh, before.number)


def _back(path: str, name: str, fresh: list[str], number: int) -> Trap:
    back = " and ".join(f"`{one}`" for one in fresh)
    what = (
        f"brings {back} back beside `{name}`, whose alias it is in version {number}: readers of that version find two"
        " fields for one, and Java throws"
    )
    return Trap(NEIGHBOUR, path, what, "Choose a name that is no alias in any version.", Severity.ERROR)
