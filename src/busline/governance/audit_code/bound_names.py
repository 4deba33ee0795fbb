"""Names in a module looked up: what they were imported as, which class they are of, which function they call."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple, Protocol

from busline.governance.audit_code.endpoints import HOLE
from busline.governance.audit_code.scopes import Scope, last_of

MAX_DEPTH: Final = 24
MAX_STEPS: Final = 600


class Text(NamedTuple):
    """A text that an expression may be. origin: where it came from, if from the environment."""

    text: str
    origin: str = ""


_IMPORTS: Final = frozenset({"__import__", "import_module"})
UNKNOWN: Final = Text(HOLE)


class Outside(Protocol):
    """What a module does not say itself. file: where it is."""

    @property
    def file(self) -> str: ...
    def variable(self, name: str) -> Iterable[Text]: ...
    def scope_of(self, module: str) -> Scope | None: ...


class Names:
    """Dotted names, functions and attributes of expressions in one module. Bounded by depth and a budget of steps."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._steps = 0

    def dotted(self, node: ast.expr, scope: Scope) -> str:
        """`sqlalchemy.create_engine` whatever it was imported as; `httpx.Client().get` for a method; else empty."""
        self._steps = MAX_STEPS
        return self._dotted(node, scope, 0)

    def _spent(self, depth: int) -> bool:
        self._steps -= 1
        return depth > MAX_DEPTH or self._steps < 0

    def _dotted(self, node: ast.expr, scope: Scope, depth: int) -> str:
        if self._spent(depth):
            return ""
        match node:
            case ast.Name():
                return self._dotted_name(node.id, scope, depth)
            case ast.Attribute():
                base = self._dotted(node.value, scope, depth + 1)
                if base:
                    return f"{base}.{node.attr}"
                return next(
                    (d for v, s in self._attribute(node, scope, depth) if (d := self._dotted(v, s, depth + 1))), ""
                )
            case ast.Call(func=ast.Name(id="getattr"), args=[base_, ast.Constant(value=str(name_)), *_]):
                base = self._dotted(base_, scope, depth + 1)
                return f"{base}.{name_}" if base else ""
            case ast.Call(args=[ast.Constant(value=str(name_)), *_]) if last_of(node.func) in _IMPORTS:
                return name_
            case ast.Call():
                base = self._dotted(node.func, scope, depth + 1)
                return f"{base}()" if base else self._dotted_result(node, scope, depth)
            case ast.Await() | ast.NamedExpr() | ast.Starred():
                return self._dotted(node.value, scope, depth + 1)
            case ast.IfExp():
                return self._dotted(node.body, scope, depth + 1) or self._dotted(node.orelse, scope, depth + 1)
            case _:
                return ""

    def _dotted_name(self, name: str, scope: Scope, depth: int) -> str:
        holder = scope.holder(name)
        if holder is None:
            star = scope.holder("*")
            return f"{star.imports['*'].removesuffix('*')}{name}" if star is not None else ""
        for value, at in holder.values.get(name, ()):
            if found := self._dotted(value, at, depth + 1):
                return found
        if name in holder.classes:
            bases = (self._dotted(base, holder, depth + 1) for base in holder.classes[name].bases)
            return next((base for base in bases if base), "")
        if name in holder.types and (found := self._dotted_type(*holder.types[name], depth)):
            return found + "()"
        return holder.imports.get(name, "")

    def _dotted_type(self, node: ast.expr, scope: Scope, depth: int) -> str:
        """Of `X`, `X | None`, `Optional[X]`, "X"."""
        match node:
            case ast.BinOp(op=ast.BitOr()):
                return self._dotted_type(node.left, scope, depth + 1) or self._dotted_type(node.right, scope, depth + 1)
            case ast.Subscript():
                return self._dotted_type(node.slice, scope, depth + 1)
            case ast.Constant(value=str()):
                head, _, rest = str(node.value).partition(".")
                base = self._dotted_name(head, scope, depth + 1) if head.isidentifier() else ""
                return f"{base}.{rest}".rstrip(".") if base else ""
            case _:
                return self._dotted(node, scope, depth + 1)

    def _dotted_result(self, node: ast.Call, scope: Scope, depth: int) -> str:
        """What the module's own function returns."""
        called = self.function(node.func, scope)
        returns = called.returns if called else ()
        return next((d for value in returns if called and (d := self._dotted(value, called, depth + 1))), "")

    def function(self, func: ast.expr, scope: Scope) -> Scope | None:
        """The service's own function that a call means, here or in another of its modules."""
        if isinstance(func, ast.Name) and (holder := scope.holder(func.id)) is not None:
            found = holder.functions.get(func.id)
            if found is None and func.id in holder.imports:
                return self._imported(holder.imports[func.id], "functions")
            return found
        if isinstance(func, ast.Attribute):
            owner = self._class(func.value, scope, 0)
            return self._method(owner, func.attr, 0) if owner else None
        return None

    def _class(self, node: ast.expr, scope: Scope, depth: int) -> Scope | None:
        """The class that an expression is, or is an instance of; or the module that it is."""
        if self._spent(depth):
            return None
        if isinstance(node, ast.Call):
            return self._class(node.func, scope, depth + 1)
        if isinstance(node, ast.Attribute):
            owner = self._class(node.value, scope, depth + 1)
            if owner is None:
                return None
            return owner.classes.get(node.attr) or next(
                (c for v, s in owner.values.get(node.attr, ()) if (c := self._class(v, s, depth + 1))), None
            )
        if not isinstance(node, ast.Name):
            return None
        if node.id in ("self", "cls"):
            return scope.enclosing_class()
        holder = scope.holder(node.id)
        if holder is None:
            return None
        if node.id in holder.classes:
            return holder.classes[node.id]
        for value, at in holder.values.get(node.id, ()):
            if found := self._class(value, at, depth + 1):
                return found
        imported = holder.imports.get(node.id, "")
        if not imported:
            return None
        return (
            self._outside.scope_of(imported) or self._imported(imported, "classes") or self._instance(imported, depth)
        )

    def _imported(self, name: str, table: str) -> Scope | None:
        module, _, last = name.rpartition(".")
        there = self._outside.scope_of(module or ".") if last else None
        found: Mapping[str, Scope] = getattr(there, table) if there else {}
        return found.get(last)

    def _instance(self, name: str, depth: int) -> Scope | None:
        return next((c for value, at in self._elsewhere(name) if (c := self._class(value, at, depth + 1))), None)

    def _elsewhere(self, name: str) -> list[tuple[ast.expr, Scope]]:
        """What another of the service's modules says of a dotted name."""
        module, _, last = name.rpartition(".")
        there = self._outside.scope_of(module or ".") if last else None
        return there.values.get(last, []) if there else []

    def _member(self, owner: Scope, name: str, depth: int) -> list[tuple[ast.expr, Scope]]:
        """What a class, or one that it is derived from, says of an attribute."""
        if name in owner.values or self._spent(depth):
            return owner.values.get(name, [])
        bases = (self._class(base, owner.parent or owner, depth + 1) for base in owner.bases)
        return next((found for base in bases if base and (found := self._member(base, name, depth + 1))), [])

    def _method(self, owner: Scope, name: str, depth: int) -> Scope | None:
        if name in owner.functions or self._spent(depth):
            return owner.functions.get(name)
        bases = (self._class(base, owner.parent or owner, depth + 1) for base in owner.bases)
        return next((found for base in bases if base and (found := self._method(base, name, depth + 1))), None)

    def _attribute(self, node: ast.Attribute, scope: Scope, depth: int) -> Iterator[tuple[ast.expr, Scope]]:
        owner = self._class(node.value, scope, depth + 1)
        if owner is None:
            return
        yield from self._member(owner, node.attr, depth)
        method = self._method(owner, node.attr, depth)
        if method is not None and method.is_property:
            yield from ((value, method) for value in method.returns)
