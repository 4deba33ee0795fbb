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


Expression: TypeAlias = str | Parts


def call(name: str, *parts: Expression) -> Parts:
    return Parts(f"{name}(", parts)


def subscript(name: str, *parts: Expression) -> Parts:
    return Parts(f"{name}[", parts, "]")


def named(name: str, value: Expression) -> Expression:
    """`name=value`, as an argument."""
    return f"{name}={value}" if isinstance(value, str) else Parts(f"{name}={value.head}", value.parts, value.close)


def flat(expression: Expression) -> str:
    """The expression on one line."""
    if isinstance(expression, str):
        return expression
    return f"{expression.head}{', '.join(flat(part) for part in expression.parts)}{expression.close}"


def lay_out(before: str, expression: Expression, after: str = "", depth: int = 0) -> list[str]:
    """Lines of `before expression after`, opened where they would be too long."""
    line = f"{_INDENT * depth}{before}{flat(expression)}{after}"
    if isinstance(expression, str) or not expression.parts or len(line) <= LINE:
        return [line]
    alone = len(expression.parts) == 1 and expression.close == "]"  # a comma would make it a tuple
    out = [f"{_INDENT * depth}{before}{expression.head}"]
    for part in expression.parts:
        out += lay_out("", part, "" if alone else ",", depth + 1)
    return [*out, f"{_INDENT * depth}{expression.close}{after}"]


def assignment(name: str, annotation: Expression, value: Expression | None) -> list[str]:
    """A field of a class: `name: annotation = value`, the value opened first."""
    if value is None:
        return lay_out(f"{name}: ", annotation, depth=1)
    head = value if isinstance(value, str) else value.head
    if len(f"{_INDENT}{name}: {flat(annotation)} = {head}") <= LINE:
        return lay_out(f"{name}: {flat(annotation)} = ", value, depth=1)
    first = lay_out(f"{name}: ", annotation, depth=1)
    return [*first[:-1], *lay_out(f"{first[-1].strip()} = ", value, depth=1)]


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
