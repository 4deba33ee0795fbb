"""Python source text: literals safely quoted, and calls laid out as `ruff format` leaves them.

What does not fit on a line is opened with a trailing comma behind each part, which formatters keep at any line length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

LINE: Final = 88
_INDENT: Final = "    "


@dataclass(frozen=True, slots=True)
class Parts:
    """`head` with its opening bracket, the parts in it, and the closing bracket."""

    head: str
    parts: tuple[Expression, ...]
    close: str = ")"


@dataclass(frozen=True, slots=True)
class Either:
    """A union: `A | B`. Too long for a line, it has one member a line, in parentheses where no bracket is around it."""

    members: tuple[Expression, ...]


Expression: TypeAlias = str | Parts | Either


def call(name: str, *parts: Expression) -> Parts:
    return Parts(f"{name}(", parts)


def subscript(name: str, *parts: Expression) -> Parts:
    return Parts(f"{name}[", parts, "]")


def either(*members: Expression) -> Expression:
    return members[0] if len(members) == 1 else Either(members)


def named(name: str, value: Expression) -> Expression:
    """`name=value`, as an argument."""
    return (
        Parts(f"{name}={value.head}", value.parts, value.close) if isinstance(value, Parts) else f"{name}={flat(value)}"
    )


def flat(expression: Expression) -> str:
    """The expression on one line."""
    if isinstance(expression, str):
        return expression
    if isinstance(expression, Either):
        return " | ".join(flat(member) for member in expression.members)
    return f"{expression.head}{', '.join(flat(part) for part in expression.parts)}{expression.close}"


def lay_out(before: str, expression: Expression, after: str = "", depth: int = 0) -> list[str]:
    """Lines of `before expression after`, opened where they would be too long."""
    line = f"{_INDENT * depth}{before}{flat(expression)}{after}"
    return [line] if len(line) <= LINE else opened(before, expression, after, depth) or [line]


def opened(before: str, expression: Expression, after: str, depth: int) -> list[str]:
    """The lines with the expression's own bracket open; none where it has nothing to open."""
    match expression:
        case Parts(head=head, parts=parts, close=close) if parts:
            alone = len(parts) == 1 and close == "]"  # a comma would make it a tuple
            inner = [line for part in parts for line in _inside(part, "" if alone else ",", depth + 1)]
            return [f"{_INDENT * depth}{before}{head}", *inner, f"{_INDENT * depth}{close}{after}"]
        case Either():
            return [f"{_INDENT * depth}{before}(", *_inside(expression, "", depth + 1), f"{_INDENT * depth}){after}"]
    return []


def assignment(name: str, annotation: Expression, value: Expression | None) -> list[str]:
    """A field of a class: `name: annotation = value`, the value opened first."""
    if value is None:
        return lay_out(f"{name}: ", annotation, depth=1)
    line = f"{name}: {flat(annotation)} = "
    head = value.head if isinstance(value, Parts) else flat(value)
    first = [] if len(f"{_INDENT}{line}{head}") <= LINE else opened(f"{name}: ", annotation, "", depth=1)
    if not first:
        return lay_out(line, value, depth=1)
    return [*first[:-1], *lay_out(f"{first[-1].strip()} = ", value, depth=1)]


def _inside(part: Expression, after: str, depth: int) -> list[str]:
    """A part within a bracket that is open already."""
    line = f"{_INDENT * depth}{flat(part)}{after}"
    if not isinstance(part, Either) or len(line) <= LINE:
        return lay_out("", part, after, depth)
    first, *others = part.members
    *middle, last = others
    out = lay_out("", first, "", depth)
    for member in middle:
        out += lay_out("| ", member, "", depth)
    return out + lay_out("| ", last, after, depth)


def quote(text: str | bytes) -> str:
    """A literal in double quotes unless that takes more escapes."""
    raw = repr(text)
    prefix, body = ("b", raw[1:]) if isinstance(text, bytes) else ("", raw)
    if body[0] == '"':
        return raw
    inner = body[1:-1].replace("\\'", "'")
    if inner.count('"') > inner.count("'"):
        return raw
    return f'{prefix}"{_escape_double(inner)}"'


def docstring(text: str) -> list[str]:
    """A class's docstring; nothing for an empty text."""
    if not text.strip():
        return []
    lines = [_doc_line(line) for line in text.strip().splitlines()]
    if len(lines) == 1:
        last = lines[0][:-1] + '\\"' if lines[0].endswith('"') else lines[0]
        return [f'{_INDENT}"""{last}"""']
    return [f'{_INDENT}"""{lines[0]}', *(f"{_INDENT}{line}" if line else "" for line in lines[1:]), f'{_INDENT}"""']


def comma_tuple(items: Sequence[str]) -> str:
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"


def _escape_double(inner: str) -> str:
    return inner.replace('"', '\\"')


def _doc_line(line: str) -> str:
    """Nothing in it ends the docstring or hides; printable text stays readable."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line.replace("\\", "\\\\"))
    return shown.replace('"""', '\\"\\"\\"').rstrip()
