"""How a plan looks: by contract and service, with what destroys and what widens access apart.

Equal lines are folded, so that four hundred services that get the same rights are one line; --full shows each.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, NamedTuple

import click

from busline.cli.output import clean, wrapped
from busline.governance.state.change import Change, Mark
from busline.names import DEAD_LETTERS

WORDS: Final[dict[Mark, str]] = {"+": "new", "~": "changed", "±": "replaced", "-": "gone"}
_COLOURS: Final[dict[Mark, str]] = {"+": "green", "~": "yellow", "±": "yellow", "-": "red"}
_WORD_WIDTH: Final = max(map(len, WORDS.values()))
FOLD: Final = 4
"""As many equal lines are shown; more become one."""
_NAMED: Final = 3
"""As many of those that are folded are named."""
_NEW: Final = 60
"""As many contracts and services are shown of which all is new; what changes or goes is never cut."""
_OPENED: Final = 40
"""As many lines say who newly gets what, and each names at most so many:"""
_WHO: Final = 8
_INDENT: Final = 6
_NAME: Final = re.compile(r"\b[a-z][a-z0-9-]*/[a-z][a-z0-9-]*\b(?!\.)")
_WORD: Final = re.compile(r"[\w./-]+")
_HOLE: Final = "\0"
_DOTTED: Final = "\1"
"""Stand for a name, and for the same name with a dot, as it is in the names of topics."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A plan's lines. held: those that `enforce: observe` keeps from happening. until: the day on which that ends."""

    changes: Sequence[Change] = ()
    destroys: Sequence[str] = ()
    widens: Sequence[str] = ()
    held: Sequence[Change] = ()
    until: str = ""
    notes: Sequence[str] = ()

    def text(self, *, full: bool = False) -> str:
        return "\n".join(self._lines(full))

    def as_json(self) -> dict[str, object]:
        return {
            "changes": [change._asdict() for change in self.changes],
            "destroys": list(self.destroys),
            "widens": list(self.widens),
            "held": [change._asdict() for change in self.held],
            "notes": list(self.notes),
            "counts": {WORDS[mark]: count for mark, count in sorted(_counts(self.changes).items())},
        }

    def _lines(self, full: bool) -> Iterator[str]:
        yield from _groups(self.changes, full)
        if self.destroys:
            yield _title("destroys, and cannot be taken back:", "red")
            yield from (click.style(_wrapped(f"  ! {line}", 4), fg="red") for line in self.destroys)
        if self.widens:
            yield _title("widens access:", "magenta")
            yield from _opened(self.widens, full)
        if self.held:
            yield _title(f"stays for now, as `enforce` is `observe`{self.until}:", "cyan")
            yield from _folded([_apart(line) for line in self.held], full)
        yield from (click.style(_wrapped(f"note: {note}", 6), fg="yellow") for note in self.notes)
        yield self.counts

    @property
    def counts(self) -> str:
        counts = _counts(self.changes)
        said = [f"{counts[mark]:,} {word}" for mark, word in WORDS.items() if counts[mark]]
        more: dict[str, Sequence[object]] = {
            "destroying": self.destroys,
            "widening access": self.widens,
            "held back": self.held,
        }
        return ", ".join([*(said or ["no changes"]), *(f"{len(of):,} {what}" for what, of in more.items() if of)])


def _counts(changes: Iterable[Change]) -> Counter[Mark]:
    return Counter(change.mark for change in changes)


def _groups(changes: Iterable[Change], full: bool) -> Iterator[str]:
    by_name = {about: list(lines) for about, lines in groupby(sorted(changes, key=_about), key=_about)}
    alike: dict[tuple[Change, ...], list[str]] = defaultdict(list)
    for about, lines in by_name.items():
        alike[tuple(_holed(line, about) for line in lines)].append(about)
    for names in sorted(alike.values()):
        if full or len(names) <= FOLD:
            continue
        yield click.style(f"{len(names):,} alike: {_some(names)}", bold=True)
        yield from _folded([_filled(_holed(line, names[0]), "…") for line in by_name[names[0]]], full)
        for name in names:
            del by_name[name]
    cut = [] if full else _all_new(by_name)[_NEW:]
    for name in cut:
        del by_name[name]
    for about, lines in by_name.items():
        yield click.style(clean(about), bold=True)
        yield from _folded(lines, full)
    if cut:
        yield click.style(f"{len(cut):,} more, of which all is new: {_some(cut)}", bold=True)


def _all_new(groups: Mapping[str, Sequence[Change]]) -> list[str]:
    return [about for about, lines in groups.items() if all(line.mark == "+" for line in lines)]


def _about(change: Change) -> str:
    return change.about


def _title(text: str, colour: str) -> str:
    return click.style(text, fg=colour, bold=True)


def _opened(lines: Sequence[str], full: bool) -> Iterator[str]:
    shown = lines if full or len(lines) <= _OPENED else lines[:_OPENED]
    for line in shown:
        about, colon, who = line.partition(": ")
        many = who.split(", ")
        text = f"{about}{colon}{_some(many)}" if len(many) > _WHO and not full else line
        yield _wrapped(f"  > {text}", 4)
    if len(shown) < len(lines):
        yield click.style(f"  > and {len(lines) - len(shown):,} more (--full)", bold=True)


def _wrapped(text: str, indent: int) -> str:
    return wrapped(clean(text), indent)


def _apart(line: Change) -> Change:
    """What stands apart from its group says what it is about."""
    return line if line.about in line.what else line._replace(what=f"{line.about}: {line.what}")


class _Fold(NamedTuple):
    """Lines that are alike but for a name: the first of them, and all with their names."""

    line: Change
    names: list[tuple[str, Change]]


def _folded(lines: Sequence[Change], full: bool) -> Iterator[str]:
    """Lines that differ only in one name become one, in the place of the first."""
    folds: dict[Change | int, _Fold] = {}
    for number, line in enumerate(lines):
        name = found[0] if (found := _NAME.search(line.what)) and not full else ""
        shape = _holed(line, name)
        folds.setdefault(shape if name else number, _Fold(line, [])).names.append((name, line))
    for fold in folds.values():
        if len(fold.names) <= FOLD:
            yield from (_line(line) for _, line in fold.names)
        else:
            yield _line(_filled(_holed(fold.line, fold.names[0][0]), "…"))
            names = [name for name, _ in fold.names]
            yield " " * (_INDENT + _WORD_WIDTH - 1) + click.style(f"{len(names):,} of them: {_some(names)}", dim=True)


def _holed(line: Change, name: str) -> Change:
    """The line without that name and without its place: what it has in common with others'."""
    if not name:
        return line
    letters = f"{DEAD_LETTERS}{name.replace('/', '.')}"

    def hole(word: re.Match[str]) -> str:
        if word[0] == letters:
            return f"{DEAD_LETTERS}{_DOTTED}"
        rest = word[0].removeprefix(name)
        return _HOLE + rest if len(rest) < len(word[0]) and rest[:1] in ("", "/") else word[0]

    def without(text: str) -> str:
        return _WORD.sub(hole, text) if name in text or letters in text else text

    return Change(without(line.about), line.mark, without(line.what), without(line.old), without(line.new))


def _filled(line: Change, name: str) -> Change:
    def fill(text: str) -> str:
        return text.replace(_HOLE, name).replace(_DOTTED, name.replace("/", "."))

    return Change(fill(line.about), line.mark, fill(line.what), fill(line.old), fill(line.new), fill(line.why))


def _some(names: Sequence[str]) -> str:
    first = ", ".join(map(clean, names[:_NAMED]))
    return first if len(names) <= _NAMED else f"{first} and {len(names) - _NAMED:,} more (--full)"


def _line(change: Change) -> str:
    why = clean(f"  ({change.why})") if change.why else ""
    text = clean(f"  {change.mark} {WORDS[change.mark]:<{_WORD_WIDTH}} {change.what}{_values(change)}")
    shown = wrapped(text + why, _INDENT + _WORD_WIDTH - 1)
    if why and shown.endswith(why):
        return click.style(shown.removesuffix(why), fg=_COLOURS[change.mark]) + click.style(why, dim=True)
    return click.style(shown, fg=_COLOURS[change.mark])


def _values(change: Change) -> str:
    if change.old and change.new:
        return f": {change.old} -> {change.new}"
    value = change.new or change.old
    return f": {value}" if value and value not in change.what else ""
