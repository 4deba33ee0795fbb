"""Configuration files as settings with their places: .env, .ini, .toml, .yaml, .json, compose, Kubernetes, Docker."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from busline.contract.yaml_scan import NotYaml, scan
from busline.governance.audit_code.sighting import Note

MAX_DEPTH: Final = 64
_LINES: Final = (".ini", ".cfg", ".conf", ".properties", ".env", ".envrc", ".cnf", ".service")
_ASSIGN: Final = re.compile(
    r"\s*(?:export\s+|set\s+|ENV\s+|ARG\s+)?[\"']?([A-Za-z_][\w.\[\]-]*)[\"']?\s*(?:=|:(?=\s|$))\s*(.*)"
)
_DOCKER: Final = re.compile(r"\s*(?:ENV|ARG)\s+([A-Za-z_]\w*)(?:\s+|=)(.*)", re.I)
_RUN: Final = re.compile(r"\s*(?:(?:RUN|CMD|ENTRYPOINT)\s+|&&\s*)(.*)", re.I)
_DOCKER_PAIR: Final = re.compile(r"([A-Za-z_]\w*)=(\"[^\"]*\"|'[^']*'|\S+)")
_SECTION: Final = re.compile(r"\s*\[([^\]]+)\]\s*$")


class Setting(NamedTuple):
    """path: keys and indices that lead to it; the last word is its name."""

    path: tuple[str | int, ...]
    value: str
    line: int

    @property
    def name(self) -> str:
        return next((part for part in reversed(self.path) if isinstance(part, str)), "")


def reader_of(shown: str) -> Callable[[str, str], Iterator[Setting | Note]] | None:
    """How a file of this name is read; None: it is no configuration."""
    name = shown.rpartition("/")[2].lower()
    suffix = name[name.rfind(".") :] if "." in name else ""
    if name.startswith((".env", "env.")) or suffix in _LINES or name in ("procfile", "makefile", "justfile"):
        return of_lines
    if suffix in (".yaml", ".yml"):
        return of_yaml
    if suffix == ".json":
        return of_json
    if suffix == ".toml":
        return of_toml
    if name.startswith("dockerfile") or suffix == ".dockerfile" or name == "containerfile":
        return of_dockerfile
    return of_shell if suffix in (".sh", ".bash") else None


def of_lines(text: str, shown: str) -> Iterator[Setting | Note]:
    """`KEY=value` or `key: value`, one a line, in sections or not; a value goes on in lines that are indented."""
    section, last = "", ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith(("#", ";", "//")):
            continue
        if found := _SECTION.match(line):
            section = found[1]
        elif line[0].isspace() and last and not _ASSIGN.match(line):
            yield Setting((section, last), _plain(line), number)
        elif found := _ASSIGN.match(line):
            last = found[1]
            yield Setting((section, last), _plain(found[2]), number)


def of_shell(text: str, shown: str) -> Iterator[Setting | Note]:
    """`export KEY=value`, and each command line whole."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.match(r"\s*(?:export\s+|readonly\s+|local\s+)?([A-Za-z_]\w*)=(.*)", line):
            yield Setting((found[1],), _plain(found[2]), number)
        elif line.strip() and not line.lstrip().startswith("#"):
            yield Setting(("command",), line.strip(), number)


def of_dockerfile(text: str, shown: str) -> Iterator[Setting | Note]:
    for number, line in enumerate(text.splitlines(), 1):
        if found := _DOCKER.match(line):
            pairs = _DOCKER_PAIR.findall(line) or [(found[1], found[2])]
            yield from (Setting((name,), _plain(value), number) for name, value in pairs)
        elif found := _RUN.match(line):
            yield Setting(("command",), found[1], number)


def of_yaml(text: str, shown: str) -> Iterator[Setting | Note]:
    """Text that is no YAML (a template, say) is read line by line."""
    try:
        leaves = list(scan(text))
    except NotYaml as error:
        yield Note(shown, error.line, f"not YAML ({error.what}): read line by line")
        yield from of_lines(text, shown)
        return
    yield from _with_pairs(Setting(leaf.path, leaf.value, leaf.line) for leaf in leaves)


def of_json(text: str, shown: str) -> Iterator[Setting | Note]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return (yield Note(shown, getattr(error, "lineno", 1), "not JSON"))
    yield from _with_pairs(_located(value, text))


def of_toml(text: str, shown: str) -> Iterator[Setting | Note]:
    try:
        value = tomllib.loads(text)
    except (ValueError, RecursionError):
        return (yield Note(shown, 1, "not TOML"))
    yield from _with_pairs(_located(value, text))


def _located(value: Any, text: str) -> Iterator[Setting]:
    """Each text with its line, looked for in the order of the file."""
    at = 0
    for path, found in _walk(value):
        written = json.dumps(found, ensure_ascii=False)[1:-1]
        place = max(text.find(written, at), text.find(found, at) if written != found else -1)
        at = place if place >= 0 else at
        place = place if place >= 0 else max(text.find(written), 0)
        yield Setting(path, found, text.count("\n", 0, place) + 1)


def _walk(value: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    stack: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    while stack:
        path, one = stack.pop()
        if isinstance(one, str):
            yield path, one
        elif len(path) < MAX_DEPTH and isinstance(one, dict | list):
            items = one.items() if isinstance(one, dict) else enumerate(one)
            stack.extend(((*path, key), inner) for key, inner in reversed(list(items)))


def _with_pairs(settings: Iterator[Setting]) -> Iterator[Setting]:
    """`- KEY=value` as Compose's lists have it, and `{name: KEY, value: …}` as Kubernetes' do, are settings KEY."""
    names: dict[tuple[str | int, ...], str] = {}
    waiting: dict[tuple[str | int, ...], Setting] = {}
    for one in settings:
        above, last = one.path[:-1], one.path[-1] if one.path else ""
        pair = re.fullmatch(r"([A-Za-z_]\w*)=(.*)", one.value, re.S) if isinstance(last, int) else None
        if pair:
            yield Setting((*above, pair[1]), pair[2], one.line)
            continue
        if last == "name":
            names[above] = one.value
            if held := waiting.pop(above, None):
                yield held._replace(path=(*above, one.value))
        if last == "value" and above in names:
            yield one._replace(path=(*above, names[above]))
        elif last == "value":
            waiting[above] = one
        else:
            yield one
    yield from waiting.values()


def _plain(value: str) -> str:
    value = value.strip()
    if len(value) > 1 and value[0] in "\"'" and value[0] in value[1:]:
        return value[1 : value.index(value[0], 1)]
    return re.sub(r"\s[#;].*$", "", value).strip()
