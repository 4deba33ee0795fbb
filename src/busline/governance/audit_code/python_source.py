"""Ways around in Python source: clients, imports, files, shared memory, settings. It is parsed, and never run."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Iterable
from itertools import zip_longest
from pathlib import Path
from typing import Final

from busline.contract.finding import Severity
from busline.governance.audit_code import commands, libraries
from busline.governance.audit_code.bound_names import Outside, Text
from busline.governance.audit_code.endpoints import HOLE, Endpoint, endpoints, masked
from busline.governance.audit_code.libraries import KAFKA, client_kind, raw_kafka
from busline.governance.audit_code.requirements import judged, requirement
from busline.governance.audit_code.scopes import Module, Scope, last_of, only_talks
from busline.governance.audit_code.settings_like import names_a_place
from busline.governance.audit_code.sighting import RAW, Note, Sighting
from busline.governance.audit_code.territory import STORE, Hit, Territory
from busline.governance.audit_code.values import Evaluator
from busline.governance.audit_code.words import words

_STORE_SCHEMES: Final = re.compile(
    r"(?i)(postgres|pgsql|mysql|mariadb|redis|valkey|mongodb|amqp|nats|kafka|mssql|oracle|cassandra|clickhouse|s3)"
)


def parse(data: bytes, file: str) -> ast.Module | Note:
    """The module's tree; a note where it is none: other syntax (Python 2, broken), too deep, another encoding."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(data)
    except SyntaxError as error:
        return Note(file, error.lineno or 1, f"not Python 3: {error.msg}")
    except (ValueError, RecursionError, MemoryError, LookupError) as error:
        return Note(file, 1, f"cannot be parsed: {type(error).__name__}")


class PythonAudit:
    """One module. file: as it is shown; here: its folder; local: whether a top module's name is the service's own."""

    def __init__(self, territory: Territory, outside: Outside, here: Path, local: Callable[[str], bool]) -> None:
        self._territory = territory
        self._values = Evaluator(outside)
        self._here = here
        self._local = local
        self._file = ""
        self._found: list[Sighting] = []
        self._settings: list[Sighting] = []
        self._kafka: list[tuple[int, str]] = []
        self._placed = False

    def audit(self, module: Module, file: str) -> list[Sighting]:
        """A setting that leads where a call of the same module goes, too, is told by the call alone."""
        self._file = file
        for node, scope, said in module.order:
            self._look(node, scope, said)
        if self._kafka and not self._placed:
            for line, name in self._kafka:
                self._say(line, f"import of {name}", Hit(RAW, "", name.partition(".")[0]), Severity.WARNING)
        reached = {one.hit for one in self._found}
        return _once([*self._found, *(one for one in self._settings if one.hit not in reached)])

    def _look(self, node: ast.AST, scope: Scope, said: bool) -> None:
        match node:
            case ast.Import():
                for alias in node.names:
                    self._import(alias.name, node.lineno)
            case ast.ImportFrom() if node.level == 0 and node.module:
                for alias in node.names:
                    self._import(f"{node.module}.{alias.name}", node.lineno)
            case ast.Call():
                self._call(node, scope, said)
            case ast.Assign() if not said:
                for target in node.targets:
                    self._setting(last_of(target), node.value, scope)
            case ast.AnnAssign() if node.value is not None and not said:
                self._setting(last_of(node.target), node.value, scope)
            case ast.Dict() if not said:
                self._mapping(node, scope)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                args = node.args
                plain = [*args.posonlyargs, *args.args]
                for name, default in zip(reversed(plain), reversed(args.defaults), strict=False):
                    self._setting(name.arg, default, scope)
            case _:
                pass

    def _say(self, line: int, evidence: str, hit: Hit, severity: Severity = Severity.ERROR) -> None:
        self._found.append(Sighting(self._file, line, evidence, hit, severity))

    def _import(self, name: str, line: int) -> None:
        if self._local(name.partition(".")[0]):
            return
        hit = self._territory.module(name)
        if hit is not None:
            self._say(line, f"import of {name}", hit)
        elif raw_kafka(name):
            self._kafka.append((line, name))

    def _call(self, node: ast.Call, scope: Scope, said: bool) -> None:
        last = last_of(node.func)
        dotted = self._values.dotted(node.func, scope)
        if dotted and self._local(dotted.partition(".")[0]):
            dotted = ""
        if last == "setup":
            self._requires(node, scope)
        named = dotted.rpartition(".")[2] or last
        if named in libraries.BY_NAME and node.args:
            self._by_name(node, scope, named)
        if last in ("exec", "eval") and node.args:
            self._executed(node, scope)
        if dotted in _VARIABLES and len(node.args) > 1:
            self._setting(self._values.texts(node.args[0], scope)[0].text, node.args[1], scope)
        if last in _OPTIONS and node.args:
            self._option(node, scope)
        kind = client_kind(dotted) if dotted else None
        if kind is None and last in _VERBS and not said:
            kind = "http" if _looks_http(node.func) else None
        if kind is not None:
            self._client(node, scope, dotted or last, kind)
        if libraries.FILES.match(dotted or last) or last in libraries.FILE_METHODS:
            self._files(node, scope, dotted or last)
        if dotted.partition(".")[0] in libraries.MEMORY_MODULES and libraries.MEMORY.search(dotted.replace("()", "")):
            self._memory(node, scope, dotted)
        elif kind is None and not said and not only_talks(node):
            for keyword in node.keywords:
                self._setting(keyword.arg or "", keyword.value, scope)
            called = self._values.function(node.func, scope)
            parameters = [p for p in called.parameters if p not in ("self", "cls")] if called else []
            for argument, name in zip_longest(node.args, parameters[: len(node.args)], fillvalue=""):
                if isinstance(argument, ast.expr):
                    self._setting(str(name), argument, scope) if name else self._literal(argument, scope)

    def _executed(self, node: ast.Call, scope: Scope) -> None:
        for text in self._values.texts(node.args[0], scope):
            for match in _IMPORT.finditer(text.text):
                self._import(match[1], node.lineno)

    def _option(self, node: ast.Call, scope: Scope) -> None:
        """A command line's option: its default is a setting under its name."""
        name = self._values.texts(node.args[0], scope)[0].text.strip("-")
        for keyword in node.keywords:
            if keyword.arg == "default":
                self._setting(name, keyword.value, scope)

    def _requires(self, node: ast.Call, scope: Scope) -> None:
        """setuptools' setup: what it installs."""
        for keyword in node.keywords:
            if keyword.arg in ("install_requires", "extras_require", "tests_require", "setup_requires"):
                for _, text in self._values.all_texts(keyword.value, scope):
                    one = requirement(node.lineno, text.text)
                    self._found += judged(one, self._file, self._here, self._territory) if one else ()

    def _by_name(self, node: ast.Call, scope: Scope, last: str) -> None:
        for text in self._values.texts(node.args[0], scope):
            module = text.text.replace(":", ".")
            hit = None if self._local(module.partition(".")[0]) else self._territory.module(module)
            if hit is not None:
                self._say(node.lineno, f"{last}({masked(text.text)!r})", hit)
            elif raw_kafka(module):
                self._kafka.append((node.lineno, module))

    def _client(self, node: ast.Call, scope: Scope, dotted: str, kind: str) -> None:
        said: list[tuple[str, Text]] = []
        for argument in node.args:
            said += self._values.all_texts(argument, scope)
        for keyword in node.keywords:
            if (keyword.arg or "") not in libraries.CONTENT:
                said += [(key or keyword.arg or "", t) for key, t in self._values.all_texts(keyword.value, scope)]
        names = [t.text for key, t in said if key.lower() in libraries.NAMES or not key]
        connects = libraries.CONNECTS.search(dotted.replace("()", "").rpartition(".")[2]) is not None
        for key, text in said:
            self._argument(node.lineno, dotted, kind, (key, text), (names, connects))

    def _argument(
        self, line: int, dotted: str, kind: str, given: tuple[str, Text], beside: tuple[list[str], bool]
    ) -> None:
        key, text = given
        names, connects = beside
        for endpoint in self._places_in(text.text, kind, dotted):
            if endpoint.kind == "http" and not (kind in _CALLS or connects or _host_key(key)):
                continue
            if endpoint.bare and not (
                endpoint.port or "." in endpoint.host or _host_key(key) or (connects and not key)
            ):
                continue
            shown = f"{_short(dotted)}({key + '=' if key else ''}{masked(text.text)!r})" + _from(text)
            self._endpoint(line, shown, endpoint, kind, names)
        narrow = libraries.narrowed(kind, key, dotted)
        exact = not key or key.lower() in libraries.NAMES
        if HOLE in text.text[:1] or not text.text or _host_key(key):
            return
        if hit := self._territory.named(text.text, narrow, exact):
            self._say(line, f"{_short(dotted)}({masked(text.text)!r})" + _from(text), hit)

    def _places_in(self, text: str, kind: str, dotted: str) -> list[Endpoint]:
        """Of a text; of a command line, in each of its words."""
        if kind == "" and " " in text and dotted.partition(".")[0] in libraries.PROCESSES:
            return [] if commands.only_tells(text) else [*commands.places(text)]
        return endpoints(text)

    def _endpoint(self, line: int, shown: str, endpoint: Endpoint, kind: str, names: Iterable[str]) -> None:
        if kind in (KAFKA, "sqlite", "sql", "queue", "") and (hit := self._territory.bus(endpoint)):
            if kind != "" or endpoint.path or commands.is_kafka(shown):
                self._placed = True
                self._say(line, shown, hit)
            return
        hits = list(self._territory.endpoint(endpoint, kind, names))
        for hit in hits:
            self._say(line, shown, hit)
        if kind == KAFKA and endpoint.host and HOLE not in endpoint.host:
            self._placed = self._placed or bool(hits) or self._territory.is_own(endpoint)

    def _files(self, node: ast.Call, scope: Scope, dotted: str) -> None:
        values: list[ast.expr] = [*node.args, *(k.value for k in node.keywords)]
        if isinstance(node.func, ast.Attribute):
            values.append(node.func.value)
        for value in values:
            for _, text in self._values.all_texts(value, scope):
                plain = "/" in text.text and (text.text[0] in "/.~" or "subprocess" not in dotted)
                if plain and (hit := self._path(text.text)):
                    self._say(node.lineno, f"{_short(dotted)}({masked(text.text)!r})" + _from(text), hit)

    def _path(self, text: str) -> Hit | None:
        for endpoint in endpoints(text) or [Endpoint(path=text)]:
            if endpoint.path and not endpoint.host and (hit := self._territory.path(endpoint.path, self._here)):
                return hit
        return self._territory.path(text, self._here) if "://" not in text and HOLE not in text[:1] else None

    def _memory(self, node: ast.Call, scope: Scope, dotted: str) -> None:
        values = [*node.args[:1], *(k.value for k in node.keywords if k.arg == "name")]
        for value in values:
            for text in self._values.texts(value, scope):
                place = f"/dev/shm/{text.text.lstrip('/')}"
                if text.text and (hit := self._territory.path(place)):
                    self._say(node.lineno, f"{_short(dotted)}({masked(text.text)!r})", hit)

    def _setting(self, name: str, value: ast.expr, scope: Scope) -> None:
        """A value under a name that says what it is: DB_HOST, orders_url."""
        written = isinstance(value, ast.Constant | ast.JoinedStr | ast.BinOp | ast.List | ast.Tuple)
        if isinstance(value, ast.Dict | ast.Lambda) or not (written or names_a_place(name)):
            return
        for key, text in self._values.all_texts(value, scope):
            self._place(value.lineno, key or name, text, [])

    def _literal(self, value: ast.expr, scope: Scope) -> None:
        """A store's URL handed to something unknown."""
        if isinstance(value, ast.Constant | ast.JoinedStr | ast.BinOp | ast.Name):
            for text in self._values.texts(value, scope):
                if "://" in text.text:
                    self._place(value.lineno, "", text, [])

    def _mapping(self, node: ast.Dict, scope: Scope) -> None:
        said = [(self._key(k, scope), v) for k, v in zip(node.keys, node.values, strict=True) if k is not None]
        names = [
            t.text
            for key, v in said
            if key.lower() in ("name", "database", "dbname", "db")
            for t in self._values.texts(v, scope)
        ]
        for key, value in said:
            if not isinstance(value, ast.Dict | ast.List | ast.Tuple | ast.Lambda):
                for text in self._values.texts(value, scope):
                    self._place(value.lineno, key, text, names)

    def _key(self, node: ast.expr, scope: Scope) -> str:
        return self._values.texts(node, scope)[0].text

    def _place(self, line: int, name: str, text: Text, names: list[str]) -> None:
        for endpoint in endpoints(text.text):
            store_url = bool(endpoint.kind and _STORE_SCHEMES.match(endpoint.kind))
            if not store_url and not names_a_place(name):
                continue
            for hit in self._territory.endpoint(endpoint, "", names):
                if store_url or hit.rule == STORE or "://" in text.text or not endpoint.bare or "." in endpoint.host:
                    shown = f"{name + ' = ' if name else ''}{masked(text.text)!r}" + _from(text)
                    self._settings.append(Sighting(self._file, line, shown, hit))


_CALLS: Final = words("http grpc aws elasticsearch") | {""}
_VARIABLES: Final = words("os.getenv os.putenv os.environ.get os.environ.setdefault os.environ.pop")
_OPTIONS: Final = words("add_argument option Option Argument")
_IMPORT: Final = re.compile(r"\b(?:import|from)\s+([A-Za-z_][\w.]*)")
_VERBS: Final = words("get post put patch delete head options request stream ws_connect fetch urlopen")
_HTTP_NAMES: Final = re.compile(r"(?i)(client|session|http|api|requests|_s$|^s$)")


def _looks_http(func: ast.expr) -> bool:
    return isinstance(func, ast.Attribute) and _HTTP_NAMES.search(last_of(func.value)) is not None


def _host_key(key: str) -> bool:
    return libraries.HOST_KEYS.search(key) is not None


def _short(dotted: str) -> str:
    parts = dotted.replace("()", "").split(".")
    return ".".join((parts[0], parts[-1])) if len(parts) > 2 else ".".join(parts)


def _from(text: Text) -> str:
    return f" from {text.origin}" if text.origin else ""


def _once(found: Iterable[Sighting]) -> list[Sighting]:
    """One a line and target; the first evidence stands."""
    seen: dict[tuple[int, Hit], Sighting] = {}
    for one in found:
        seen.setdefault((one.line, one.hit), one)
    return sorted(seen.values())
