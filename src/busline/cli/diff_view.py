"""How a comparison of two versions looks on a terminal, and in a pipe: the same without colours."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from busline.cli.output import clean
from busline.contract.compatibility import Break
from busline.contract.evolution.changes import Change, ChangeKind, FieldView
from busline.contract.evolution.comparison import Comparison, ForReader
from busline.contract.evolution.readers import Answer
from busline.contract.finding import Severity

_PIPE_WIDTH: Final = 120
_MARKS: Final = {
    ChangeKind.ADDED: ("+", "green"),
    ChangeKind.REMOVED: ("-", "red"),
    ChangeKind.RENAMED: ("~", "yellow"),
    ChangeKind.CHANGED: ("~", "yellow"),
}
_ANSWERS: Final = {Answer.FINE: "green", Answer.FAILS: "red", Answer.BLIND: "yellow"}


def show(found: Comparison) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    with console.capture() as captured:
        _show(console, found)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _show(console: Console, found: Comparison) -> None:
    console.print(Text(f"{found.contract.name}: version {found.old.number} → version {found.new.number}", "bold"))
    if not found.changes:
        console.print("no difference in fields")
    else:
        console.print(_table(found))
    _directions(console, found)
    for trap in found.traps:
        style = "red" if trap.severity is Severity.ERROR else "yellow"
        console.print(_line(f"{trap.severity}: {trap.what} ({trap.rule})", style))
    console.print()
    if found.readers:
        console.print(_readers(found))
    else:
        console.print("nobody in this workspace reads it")


def _table(found: Comparison) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
    for title in ("", "field", f"version {found.old.number}", f"version {found.new.number}"):
        table.add_column(title, overflow="fold")
    for change in found.changes:
        mark, colour = _MARKS[change.kind]
        old, new = _sides(change)
        table.add_row(*(_line(cell, colour) for cell in (mark, change.path, old, new)))
    return table


def _sides(change: Change) -> tuple[str, str]:
    """Both sides of what is different; a field that is on one side only, in full."""
    old, new = change.old, change.new
    if old is None or new is None:
        return _full(old), _full(new)
    left, right = [], []
    for name in ("name", "type", "default", "aliases", "doc"):
        one, other = _said(old, name), _said(new, name)
        if one != other or name == "type":
            left.append(one)
            right.append(other)
    names = [detail for detail in change.details if detail.startswith("name")]
    return "\n".join(left), "\n".join(right + (names if left == right else []))


def _full(view: FieldView | None) -> str:
    if view is None:
        return "—"
    said = [_said(view, name) for name in ("type", "default", "aliases", "doc")]
    return "\n".join(text for text in said if text and text != "no default")


def _said(view: FieldView, name: str) -> str:
    match name:
        case "default":
            return "no default" if view.default is None else f"default {view.default}"
        case "aliases":
            return f"aliases {', '.join(view.aliases)}" if view.aliases else ""
        case "doc":
            return f"“{view.doc}”" if view.doc else ""
    return str(getattr(view, name))


def _directions(console: Console, found: Comparison) -> None:
    old, new = found.old.number, found.new.number
    console.print()
    console.print(f"level: {found.level}")
    _direction(console, f"version {new} reads what version {old} wrote", found.new_reads_old)
    _direction(console, f"version {old} reads what version {new} writes", found.old_reads_new)


def _direction(console: Console, what: str, breaks: Sequence[Break]) -> None:
    console.print(_line(f"{what}: {'no' if breaks else 'yes'}", "red" if breaks else "green"))
    for one in breaks:
        console.print(_line(f"  {one.message}", "red"))


def _readers(found: Comparison) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
    for title in ("reader", "reads", f"on version {found.new.number}"):
        table.add_column(title, overflow="fold")
    for one in found.readers:
        answer, colour = _answer(one)
        table.add_row(_line(str(one.reader.service)), _line(one.reader.reads), _line(answer, colour))
    return table


def _answer(one: ForReader) -> tuple[str, str]:
    answer, fields = one.verdict.answer, ", ".join(one.verdict.fields)
    if one.reader.is_told:
        return (f"sees changes in {fields}" if fields else "fine"), ""
    causes = "".join(f"\n{cause.message}" for cause in one.verdict.breaks)
    blind = ", ".join(one.verdict.blind_fields)
    if blind:
        causes += f"\na default stands in for {blind}"
    return f"{answer}{causes}", _ANSWERS[answer]


def _line(text: str, style: str = "") -> Text:
    return Text(clean(text), style)
