"""What an expression may be as text: constants carried through names, f-strings, joins, defaults and the environment.

Simple and bounded on purpose: a few values a name, a budget of steps an expression, no flow, no calls but known ones.
What is not known stays a hole in the text.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Final

from busline.governance.audit_code.bound_names import MAX_STEPS, UNKNOWN, Names, Text
from busline.governance.audit_code.endpoints import HOLE, MAX_TEXT
from busline.governance.audit_code.scopes import MAX_VALUES, Scope, last_of
from busline.governance.audit_code.words import words

_ENVIRONMENT: Final = words("getenv get env config str get_str url require getvar pop setdefault environ")
_WRAPPERS: Final = words(
    "Path PurePath PosixPath PurePosixPath str bytes URL Url AnyUrl SecretStr HttpUrl PostgresDsn RedisDsn KafkaDsn "
    "cast Template urlparse urlsplit quote unquote make_url fspath abspath expanduser realpath normpath"
)
_SAME: Final = words(
    "strip lstrip rstrip lower encode decode geturl as_posix resolve absolute expanduser get_secret_value "
    "unicode_string render_as_string human_repr removesuffix split rsplit "
    "substitute safe_substitute"
)
_PARTS: Final = re.compile(r"\{[^{}]{0,80}\}|%\([^()]{0,80}\)[sdr]|%[sdr]")


class Evaluator(Names):
    """Texts of expressions in one module."""

    def texts(self, node: ast.expr, scope: Scope) -> list[Text]:
        """What it may be; one hole where nothing is known. At most MAX_VALUES."""
        self._steps = MAX_STEPS
        return self._texts(node, scope, 0)

    def all_texts(self, node: ast.expr, scope: Scope) -> list[tuple[str, Text]]:
        """With what is inside lists and dicts, each with its key."""
        self._steps = MAX_STEPS
        return list(self._inside("", node, scope, 0))

    def _texts(self, node: ast.expr, scope: Scope, depth: int) -> list[Text]:
        if self._spent(depth):
            return [UNKNOWN]
        match node:
            case ast.Constant():
                return [Text(_constant(node.value))]
            case ast.JoinedStr():
                return self._joined([self._texts(v, scope, depth + 1) for v in node.values])
            case ast.FormattedValue() | ast.Await() | ast.NamedExpr() | ast.Starred():
                return self._texts(node.value, scope, depth + 1)
            case ast.Name():
                return self._name(node.id, scope, depth)
            case ast.Attribute(attr="parent"):
                return [t._replace(text=posixpath.dirname(t.text)) for t in self._texts(node.value, scope, depth + 1)]
            case ast.Attribute():
                found = self._of(self._attribute(node, scope, depth), depth) or self._far(node, scope, depth)
                return found or self._configured(node.attr)
            case ast.BinOp():
                return self._binary(node, scope, depth)
            case ast.BoolOp():
                return self._any(node.values, scope, depth)
            case ast.IfExp():
                return self._any([node.body, node.orelse], scope, depth)
            case ast.Subscript():
                return self._subscript(node, scope, depth)
            case ast.Call():
                return self._call(node, scope, depth)
            case _:
                return [UNKNOWN]

    def _of(self, values: Iterable[tuple[ast.expr, Scope]], depth: int) -> list[Text]:
        found = [text for value, at in values for text in self._texts(value, at, depth + 1)]
        return [*dict.fromkeys(found)][:MAX_VALUES]

    def _any(self, nodes: Iterable[ast.expr], scope: Scope, depth: int) -> list[Text]:
        return self._of(((node, scope) for node in nodes), depth) or [UNKNOWN]

    def _name(self, name: str, scope: Scope, depth: int) -> list[Text]:
        holder = scope.holder(name)
        if holder is None:
            return [Text(self._outside.file) if name == "__file__" else UNKNOWN]
        found = self._of(holder.values.get(name, ()), depth)
        if not found and name in holder.imports:
            found = self._of(self._elsewhere(holder.imports[name]), depth)
        return found or [UNKNOWN]

    def _configured(self, name: str) -> list[Text]:
        """Of an object that nothing is known of: a setting of that name in the folder's configuration."""
        found = [*self._outside.variable(name)] or [*self._outside.variable(name.upper())]
        return found[:MAX_VALUES] or [UNKNOWN]

    def _far(self, node: ast.Attribute, scope: Scope, depth: int) -> list[Text]:
        """`package.settings.NAME`, where only `package` was imported."""
        dotted = self._dotted(node, scope, depth + 1)
        return self._of(self._elsewhere(dotted), depth) if dotted.rpartition(".")[0] else []

    def _joined(self, parts: list[list[Text]], between: str = "") -> list[Text]:
        made: list[Text] = []
        for chosen in product(*parts):
            origin = next((part.origin for part in chosen if part.origin), "")
            made.append(Text(between.join(part.text for part in chosen)[:MAX_TEXT], origin))
            if len(made) >= MAX_VALUES:
                break
        return made or [UNKNOWN]

    def _binary(self, node: ast.BinOp, scope: Scope, depth: int) -> list[Text]:
        left = self._texts(node.left, scope, depth + 1)
        if isinstance(node.op, ast.Add):
            return self._joined([left, self._texts(node.right, scope, depth + 1)])
        if isinstance(node.op, ast.Div):
            return _paths(self._joined([left, self._texts(node.right, scope, depth + 1)], "\1"))
        if isinstance(node.op, ast.Mod):
            given = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
            return self._filled(left, [(str(i), self._texts(v, scope, depth + 1)) for i, v in enumerate(given)])
        return [UNKNOWN]

    def _filled(self, patterns: list[Text], given: list[tuple[str, list[Text]]]) -> list[Text]:
        """A %- or {}-pattern with its first value each."""
        made = []
        for pattern in patterns:
            named = {name: values[0].text if values else HOLE for name, values in given}
            numbers = iter(range(len(given)))

            def fill(match: re.Match[str], named: dict[str, str] = named, numbers: Iterator[int] = numbers) -> str:
                inner = re.split(r"[:!.\[]", match[0].strip("{}%()"), maxsplit=1)[0].rstrip(")s")
                key = inner if inner in named else str(next(numbers, -1))
                return named.get(key, HOLE)

            origin = next((v.origin for _, values in given for v in values if v.origin), pattern.origin)
            made.append(Text(_PARTS.sub(fill, pattern.text)[:MAX_TEXT], origin))
        return made or [UNKNOWN]

    def _subscript(self, node: ast.Subscript, scope: Scope, depth: int) -> list[Text]:
        keys = [text.text for text in self._texts(node.slice, scope, depth + 1)]
        if isinstance(node.value, ast.Attribute) and node.value.attr == "parents" and keys[0].isdigit():
            found = self._texts(node.value.value, scope, depth + 1)
            return [t._replace(text=_above(t.text, min(int(keys[0]), 32) + 1)) for t in found]
        if last_of(node.value) in ("environ", "env", "config"):
            found = [text for key in keys for text in self._outside.variable(key)]
            if found:
                return found[:MAX_VALUES]
        inside = [text for key, text in self._inside("", node.value, scope, depth + 1) if not keys[0] or key in keys]
        known = [text for text in inside if text != UNKNOWN][:MAX_VALUES]
        return known or self._configured(keys[0])

    def _call(self, node: ast.Call, scope: Scope, depth: int) -> list[Text]:
        name, args = last_of(node.func), node.args
        if name == "dirname" and args:
            return [t._replace(text=posixpath.dirname(t.text)) for t in self._texts(args[0], scope, depth + 1)]
        if name in _ENVIRONMENT and args and (found := self._environment(node, scope, depth)):
            return found
        if name in _WRAPPERS | {"join", "joinpath"} or name in ("urljoin",):
            if name == "join" and isinstance(node.func, ast.Attribute) and last_of(node.func.value) != "path":
                parts = args[0].elts if args and isinstance(args[0], ast.List | ast.Tuple) else []
                between = self._texts(node.func.value, scope, depth + 1)[0].text
                return self._joined([self._texts(p, scope, depth + 1) for p in parts], between) if parts else [UNKNOWN]
            base = [node.func.value] if name == "joinpath" and isinstance(node.func, ast.Attribute) else []
            joined = self._joined([self._texts(a, scope, depth + 1) for a in [*base, *args][:8]], "\1")
            return _paths(joined) if name != "urljoin" else _joined_urls(joined)
        if isinstance(node.func, ast.Attribute):
            if name == "format":
                given = [(str(i), self._texts(a, scope, depth + 1)) for i, a in enumerate(args)]
                given += [(k.arg or "", self._texts(k.value, scope, depth + 1)) for k in node.keywords]
                return self._filled(self._texts(node.func.value, scope, depth + 1), given)
            if name == "replace" and len(args) == 2:
                return self._replaced(node.func.value, args, scope, depth)
            if name in _SAME:
                return self._texts(node.func.value, scope, depth + 1)
        default = next((k.value for k in node.keywords if k.arg == "default"), None)
        called = self.function(node.func, scope)
        if called is not None and called.returns:
            return self._of(((value, called) for value in called.returns), depth) or [UNKNOWN]
        if default is None and name == "Field" and args:
            default = args[0]
        return self._texts(default, scope, depth + 1) if default is not None else [UNKNOWN]

    def _replaced(self, base: ast.expr, args: list[ast.expr], scope: Scope, depth: int) -> list[Text]:
        old, new = (self._texts(a, scope, depth + 1)[0].text for a in args)
        found = self._texts(base, scope, depth + 1)
        return (
            [Text(t.text.replace(old, new)[:MAX_TEXT], t.origin) for t in found] if old and HOLE not in old else found
        )

    def _environment(self, node: ast.Call, scope: Scope, depth: int) -> list[Text]:
        names = [text.text for text in self._texts(node.args[0], scope, depth + 1)]
        found = [text for name in names for text in self._outside.variable(name)]
        defaults = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "default")]
        for default in defaults:
            found += [t for t in self._texts(default, scope, depth + 1) if t is not UNKNOWN]
        if not found and isinstance(node.func, ast.Attribute) and not _is_environment(node.func.value):
            kept = self._inside("", node.func.value, scope, depth + 1)
            found = [text for key, text in kept if key in names]
        return found[:MAX_VALUES]

    def _inside(self, key: str, node: ast.expr, scope: Scope, depth: int) -> Iterator[tuple[str, Text]]:
        """The texts in a value: of a list each, of a dict each with its key."""
        if self._spent(depth):
            return
        match node:
            case ast.List() | ast.Tuple() | ast.Set():
                for one in node.elts:
                    yield from self._inside(key, one, scope, depth + 1)
            case ast.Dict():
                for name, value in zip(node.keys, node.values, strict=True):
                    said = self._texts(name, scope, depth + 1)[0].text if name is not None else key
                    yield from self._inside(said, value, scope, depth + 1)
            case ast.Name() if self._nested(node.id, scope):
                for value, at in self._nested(node.id, scope):
                    yield from self._inside(key, value, at, depth + 1)
            case ast.Attribute() if nested := [v for v in self._attribute(node, scope, depth) if _is_nested(v[0])]:
                for value, at in nested:
                    yield from self._inside(key, value, at, depth + 1)
            case ast.BinOp(op=ast.BitOr()):
                for one in (node.left, node.right):
                    yield from self._inside(key, one, scope, depth + 1)
            case ast.Call(func=ast.Name(id="dict")):
                for keyword in node.keywords:
                    yield from self._inside(keyword.arg or key, keyword.value, scope, depth + 1)
            case ast.Call(func=ast.Attribute(attr="split"), args=[ast.Constant(value=str() as between)]) if between:
                for text in self._texts(node, scope, depth + 1):
                    yield from ((key, text._replace(text=part)) for part in text.text.split(between))
            case ast.Call() if not self._dotted(node.func, scope, depth + 1) and (
                nested_call := self._returned(node, scope)
            ):
                for value, at in nested_call:
                    yield from self._inside(key, value, at, depth + 1)
            case _:
                yield from ((key, text) for text in self._texts(node, scope, depth + 1))

    def _nested(self, name: str, scope: Scope) -> list[tuple[ast.expr, Scope]]:
        holder = scope.holder(name)
        if holder is None:
            return []
        values = holder.values.get(name, [])
        if not values and name in holder.imports:
            values = self._elsewhere(holder.imports[name])
        return [value for value in values if _is_nested(value[0])]

    def _returned(self, node: ast.Call, scope: Scope) -> list[tuple[ast.expr, Scope]]:
        called = self.function(node.func, scope)
        return [(v, called) for v in called.returns if _is_nested(v)] if called else []


def _above(path: str, levels: int) -> str:
    for _ in range(levels):
        path = posixpath.dirname(path)
    return path


def _is_nested(node: ast.expr) -> bool:
    call = isinstance(node, ast.Call) and last_of(node.func) in ("dict", "split")
    union = isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr)
    return call or union or isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict)


def _is_environment(node: ast.expr) -> bool:
    return last_of(node) in ("environ", "os", "env", "config")


def _constant(value: object) -> str:
    if isinstance(value, str):
        return value[:MAX_TEXT]
    if isinstance(value, bytes):
        return value[:MAX_TEXT].decode("latin-1")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**9:
        return str(value)
    return "" if value is None else HOLE


def _paths(joined: list[Text]) -> list[Text]:
    return [t._replace(text=posixpath.join(*parts) if len(parts := t.text.split("\1")) > 1 else t.text) for t in joined]


def _joined_urls(joined: list[Text]) -> list[Text]:
    def whole(parts: list[str]) -> str:
        return parts[-1] if "://" in parts[-1] else "/".join(part.strip("/") for part in parts)

    return [t._replace(text=whole(t.text.split("\1"))) for t in joined]
