"""The names of one module: what they are assigned, imported or given, by scope and without regard to order."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from busline.governance.audit_code.words import words

Function: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda"
MAX_VALUES: Final = 16
"""Of one name: what is assigned more often counts with its first so many."""


@dataclass
class Scope:
    """A module, class or function. values: what a name may be, each with the scope in which it is to be looked at."""

    parent: Scope | None = None
    kind: str = "module"
    name: str = ""
    values: dict[str, list[tuple[ast.expr, Scope]]] = field(default_factory=dict)
    types: dict[str, tuple[ast.expr, Scope]] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    functions: dict[str, Scope] = field(default_factory=dict)
    classes: dict[str, Scope] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()
    returns: list[ast.expr] = field(default_factory=list)
    is_property: bool = False
    bases: list[ast.expr] = field(default_factory=list)

    def bind(self, name: str, value: ast.expr, scope: Scope | None = None) -> None:
        known = self.values.setdefault(name, [])
        if len(known) < MAX_VALUES:
            known.append((value, scope or self))

    def holder(self, name: str) -> Scope | None:
        """The scope that knows the name: classes are not seen from the functions in them (Python's rule)."""
        scope: Scope | None = self
        while scope is not None:
            if scope is self or scope.kind != "class":
                if name in scope.values or name in scope.imports or name in scope.functions or name in scope.classes:
                    return scope
                if name in scope.types or name in scope.parameters:
                    return scope
            scope = scope.parent
        return None

    def enclosing_class(self) -> Scope | None:
        scope: Scope | None = self
        while scope is not None and scope.kind != "class":
            scope = scope.parent
        return scope


@dataclass
class Module:
    """order: imports, calls, assignments, dicts and functions, each with its scope, and whether it is only said: in
    docs, logs, comparisons."""

    root: Scope
    order: list[tuple[ast.AST, Scope, bool]]


_LOOKED_AT: Final = frozenset(
    {ast.Import, ast.ImportFrom, ast.Call, ast.Assign, ast.AnnAssign, ast.Dict, ast.FunctionDef, ast.AsyncFunctionDef}
)
_BARREN: Final = frozenset({ast.Name, ast.Constant, ast.Load, ast.Store, ast.Del, ast.Pass, ast.Import, ast.ImportFrom})
"""Nothing that counts is in them."""
_DEFINES: Final = frozenset({ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda})
_MAY_SAY: Final = frozenset({ast.Compare, ast.Raise, ast.Assert, ast.Expr, ast.Call})


def read_module(tree: ast.Module) -> Module:
    """By an explicit stack: no nesting of the source recurses here."""
    module = Module(Scope(), [])
    stack: list[tuple[ast.AST, Scope, bool]] = [(tree, module.root, False)]
    while stack:
        node, scope, said = stack.pop()
        kind = type(node)
        if kind in _LOOKED_AT:
            module.order.append((node, scope, said))
        inner, outside = scope, _NOTHING
        if kind in _ENTERED:
            inner = _enter(node, scope)
        if kind in _DEFINES:
            outside = _outside(node)
        if kind in _MAY_SAY:
            said = said or _only_said(node)
        for value in node.__dict__.values():
            for child in value if type(value) is list else (value,):
                if isinstance(child, ast.AST):
                    at = scope if outside and id(child) in outside else inner
                    if type(child) not in _BARREN:
                        stack.append((child, at, said))
                    elif type(child) in _LOOKED_AT:
                        _enter(child, at)
                        module.order.append((child, at, said))
    _give_arguments(module)
    return module


_NOTHING: Final[frozenset[int]] = frozenset()


def _outside(node: ast.AST) -> frozenset[int]:
    """What stands at a definition and is evaluated around it: decorators, bases, defaults, annotations."""
    if isinstance(node, ast.ClassDef):
        return frozenset(map(id, (*node.decorator_list, *node.bases, *node.keywords)))
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return frozenset(map(id, (*node.decorator_list, node.args, node.returns)))
    return frozenset({id(node.args)}) if isinstance(node, ast.Lambda) else _NOTHING


def _enter(node: ast.AST, scope: Scope) -> Scope:
    """Take what a node binds; the scope of what is in it."""
    match node:
        case ast.ClassDef():
            scope.classes[node.name] = Scope(scope, "class", node.name, bases=node.bases)
            return scope.classes[node.name]
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            scope.functions[node.name] = _function(node, scope)
            return scope.functions[node.name]
        case ast.Import():
            for alias in node.names:
                scope.imports[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        case ast.ImportFrom():
            base = "." * node.level + (node.module or "")
            for alias in node.names:
                joint = "" if base.endswith(".") or not base else "."
                scope.imports[alias.asname or alias.name] = f"{base}{joint}{alias.name}"
        case _:
            _bind(node, scope)
    return scope


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> Scope:
    args = node.args
    plain = [*args.posonlyargs, *args.args]
    made = Scope(scope, "function", node.name, parameters=tuple(a.arg for a in plain))
    pairs = [*zip(reversed(plain), reversed(args.defaults), strict=False)]
    pairs += [(a, d) for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True) if d is not None]
    for parameter, default in pairs:
        made.bind(parameter.arg, default, scope)
    for parameter in (*plain, *args.kwonlyargs):
        if parameter.annotation is not None:
            made.types[parameter.arg] = (parameter.annotation, scope)
    made.is_property = any(
        isinstance(d, ast.Name | ast.Attribute) and last_of(d).endswith("property") for d in node.decorator_list
    )
    return made


def last_of(node: ast.expr) -> str:
    """The name, or an attribute's own."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _bind(node: ast.AST, scope: Scope) -> None:
    match node:
        case ast.Assign():
            for target in node.targets:
                _assign(target, node.value, scope)
        case ast.AnnAssign():
            if isinstance(node.target, ast.Name):
                scope.types[node.target.id] = (node.annotation, scope)
            if node.value is not None:
                _assign(node.target, node.value, scope)
        case ast.AugAssign(op=ast.Add()) if isinstance(node.target, ast.Name):
            whole = ast.BinOp(ast.Name(node.target.id, ast.Load()), ast.Add(), node.value)
            scope.bind(node.target.id, ast.copy_location(whole, node))
        case ast.NamedExpr():
            _assign(node.target, node.value, scope)
        case ast.withitem() if node.optional_vars is not None:
            _assign(node.optional_vars, node.context_expr, scope)
        case ast.For() | ast.AsyncFor() | ast.comprehension():
            _each(node.target, node.iter, scope)
        case ast.Return() if node.value is not None and len(scope.returns) < MAX_VALUES:
            scope.returns.append(node.value)
        case _:
            pass


def _assign(target: ast.expr, value: ast.expr, scope: Scope) -> None:
    if isinstance(target, ast.Name):
        scope.bind(target.id, value)
    elif (
        isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id in ("self", "cls")
    ):
        owner = scope.enclosing_class()
        if owner is not None:
            owner.bind(target.attr, value, scope)
    elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
        entry = ast.copy_location(ast.Dict([target.slice], [value]), value)
        (scope.holder(target.value.id) or scope).bind(target.value.id, entry, scope)
    elif isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
        for inner, one in zip(target.elts, value.elts, strict=False):
            if isinstance(inner, ast.Name):
                scope.bind(inner.id, one)


def _each(target: ast.expr, value: ast.expr, scope: Scope) -> None:
    """A loop over a list that is written out: its variable may be each of them."""
    if isinstance(target, ast.Name) and isinstance(value, ast.Tuple | ast.List | ast.Set):
        for one in value.elts:
            scope.bind(target.id, one)


def _give_arguments(module: Module) -> None:
    """What a call of the module's own function gives its parameters."""
    for node, scope, _ in module.order:
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Attribute) and node.func.attr == "update":
            _update(node, node.func.value, scope)
        called = _called(node.func, scope)
        if called is None:
            continue
        skip = (
            1
            if called.parent is not None
            and called.parent.kind == "class"
            and called.parameters[:1] in (("self",), ("cls",))
            else 0
        )
        for name, value in zip(called.parameters[skip:], node.args, strict=False):
            called.bind(name, value, scope)
        for keyword in node.keywords:
            if keyword.arg:
                called.bind(keyword.arg, keyword.value, scope)


def _update(call: ast.Call, target: ast.expr, scope: Scope) -> None:
    """`settings.update({…}, name=…)`: more of what a dict may hold."""
    if isinstance(target, ast.Name) and (holder := scope.holder(target.id)) is not None:
        pairs = [(ast.Constant(k.arg), k.value) for k in call.keywords if k.arg]
        named = ast.Dict([key for key, _ in pairs], [value for _, value in pairs])
        for value in (*call.args[:1], ast.copy_location(named, call)):
            holder.bind(target.id, value, scope)


def _called(func: ast.expr, scope: Scope) -> Scope | None:
    """The module's own function (or a class's __init__) that a call means."""
    if isinstance(func, ast.Name):
        holder = scope.holder(func.id)
        if holder is None:
            return None
        made = holder.classes.get(func.id)
        return made.functions.get("__init__") if made else holder.functions.get(func.id)
    if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id in ("self", "cls"):
        owner = scope.enclosing_class()
        return owner.functions.get(func.attr) if owner else None
    return None


_ENTERED: Final = frozenset(
    {
        *(ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign),
        *(ast.AugAssign, ast.NamedExpr, ast.withitem, ast.For, ast.AsyncFor, ast.comprehension, ast.Return),
    }
)
_TALK: Final = words(
    "debug info warning warn error exception critical log print echo secho fail skip xfail "
    "startswith endswith removeprefix removesuffix count index find rfind match fullmatch search sub"
)


def only_talks(call: ast.Call) -> bool:
    """A log line, an error, a question about a text."""
    return last_of(call.func) in _TALK


def _only_said(node: ast.AST) -> bool:
    """Texts below are told or compared, not used: log lines, errors, comparisons, docstrings, patterns."""
    match node:
        case ast.Compare() | ast.Raise() | ast.Assert():
            return True
        case ast.Expr(value=ast.Constant() | ast.JoinedStr()):
            return True
        case ast.Call():
            return only_talks(node)
        case _:
            return False
