"""What a service installs: requirements files, pyproject.toml of pip, poetry, uv and pdm, Pipfile, setup.cfg."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from busline.contract.finding import Severity
from busline.contract.yaml_scan import NotYaml, scan
from busline.governance.audit_code.endpoints import masked
from busline.governance.audit_code.sighting import RAW, Note, Sighting
from busline.governance.audit_code.territory import Hit, Territory, normal
from busline.governance.audit_code.words import words

_REQUIREMENTS: Final = re.compile(r"(?i)(.*[-_.])?(requirements|constraints|reqs|deps)([-_.].*)?\.(txt|in|pip)")
_FILES: Final = words("pyproject.toml Pipfile setup.cfg environment.yml environment.yaml conda.yml conda.yaml")
_IN_FOLDER: Final = re.compile(r"(?i)(^|/)requirements/[^/]+\.(txt|in)$")
_NAME: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?")
_EGG: Final = re.compile(r"[#&]egg=([A-Za-z0-9._-]+)")
_RAW: Final = words("kafka-python kafka-python-ng confluent-kafka faust faust-streaming pykafka quixstreams kafkit")
_OF_BUSLINE: Final = words("aiokafka kafka-python")
"""busline installs them: where a file lists it, they are there for its sake."""


class Requirement(NamedTuple):
    """name: of the distribution, as far as it is said. where: a URL or path that it is taken from."""

    line: int
    text: str
    name: str = ""
    where: str = ""


def is_requirements(shown: str) -> bool:
    name = shown.rpartition("/")[2]
    known = name in _FILES or _REQUIREMENTS.fullmatch(name)
    return bool(known or _IN_FOLDER.search(shown))


def audit_requirements(data: bytes, shown: str, here: Path, territory: Territory) -> list[Sighting | Note]:
    name = shown.rpartition("/")[2]
    text = data.decode("utf-8", "replace")
    if name in ("pyproject.toml", "Pipfile"):
        try:
            found = [*_of_toml(tomllib.loads(text), text)]
        except (ValueError, RecursionError) as error:
            return [Note(shown, 1, f"not TOML: {error}"[:200])]
    elif name.endswith((".yml", ".yaml")):
        found = [*_of_conda(text)]
    elif name == "setup.cfg":
        found = [*_of_setup_cfg(text)]
    else:
        found = [one for line, said in _lines(text) if (one := requirement(line, said))]
    if any(normal(one.name) == "busline" for one in found):
        found = [one for one in found if normal(one.name) not in _OF_BUSLINE]
    return [sighting for one in found for sighting in judged(one, shown, here, territory)]


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Logical lines: comments away, continued lines joined."""
    held, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        first = first or number
        line = re.sub(r"(^|\s)#.*$", "", line)
        if line.endswith("\\"):
            held += line[:-1]
            continue
        yield first, (held + line).strip()
        held, first = "", 0
    if held:
        yield first, held.strip()


def requirement(line: int, text: str) -> Requirement | None:
    """One line of a requirements file, or one PEP 508 text."""
    said = re.sub(r"^(-e|--editable)[\s=]+", "", text).strip().strip("'\"")
    if not said or said.startswith("-"):
        return None
    egg = _EGG.search(said)
    if "://" in said.split(" @ ")[0] or said.startswith(("git@", ".", "/", "~")) or said.endswith((".whl", ".tar.gz")):
        return Requirement(line, text, egg[1] if egg else _of_place(said), said)
    found = _NAME.match(said)
    if found is None:
        return None
    after = said[found.end() :].lstrip()
    return Requirement(line, text, found[1], after[1:].strip() if after.startswith("@") else "")


def _of_place(place: str) -> str:
    """The distribution's name, as a URL or path ends: `…/orders-service.git@v1`, `orders_service-1.0-py3.whl`."""
    path = re.split(r"[?#;]", place, maxsplit=1)[0].rstrip("/")
    last = re.sub(r"(\.git)?(@[^/]*)?$", "", path.rpartition("/")[2].rpartition(":")[2])
    return re.split(r"-\d", last, maxsplit=1)[0] if last.endswith((".whl", ".gz", ".zip")) else last


def judged(one: Requirement, shown: str, here: Path, territory: Territory) -> Iterator[Sighting]:
    hit = None
    for name in (one.name, _of_place(one.where) if one.where else ""):
        hit = hit or (territory.distribution(name) if name else None)
    if hit is None and one.where and "://" not in one.where.removeprefix("file://"):
        hit = territory.path(one.where.removeprefix("file://").split(";")[0].strip(), here)
    if hit is not None:
        yield Sighting(shown, one.line, f"requires {masked(one.text)}", hit)
    elif normal(one.name) in _RAW or (
        normal(one.name) == "faststream" and re.search(r"\[.*(kafka|confluent)", one.text)
    ):
        yield Sighting(
            shown, one.line, f"requires {masked(one.text)}", Hit(RAW, "", normal(one.name)), Severity.WARNING
        )


def _of_conda(text: str) -> Iterator[Requirement]:
    try:
        for leaf in scan(text):
            if "dependencies" in leaf.path and (
                one := requirement(leaf.line, re.sub(r"(?<![=<>!~])=(?!=)", "==", leaf.value))
            ):
                yield one
    except NotYaml:
        return


def _of_setup_cfg(text: str) -> Iterator[Requirement]:
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if line and not line[0].isspace():
            inside = re.match(r"(install_requires|tests_require|setup_requires|\w+)\s*=", line) is not None
            line = line.partition("=")[2]
        if inside and (one := requirement(number, line.strip())):
            yield one


def _of_toml(value: Mapping[str, Any], text: str) -> Iterator[Requirement]:
    lines = text.splitlines()

    def line_of(word: str) -> int:
        return next((n for n, line in enumerate(lines, 1) if word and word in line), 1)

    for said in _texts_of(value):
        if one := requirement(line_of(said), said):
            yield one
    for name, given in _tables_of(value):
        place = ""
        for one in given if isinstance(given, list) else [given]:
            if isinstance(one, Mapping):
                place = str(one.get("git") or one.get("path") or one.get("url") or one.get("file") or place)
        shown = f"{name} = {place}" if place else f"{name} {given if isinstance(given, str) else ''}".strip()
        number = next(
            (n for n, line in enumerate(lines, 1) if re.match(rf"[\s\"']*{re.escape(name)}[\"']?\s*=", line)), 0
        )
        yield Requirement(number or line_of(name), shown, name, place)


def _get(value: Any, *path: str) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _flat(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (one for one in value if isinstance(one, str))
    elif isinstance(value, Mapping):
        for inner in value.values():
            if isinstance(inner, list):
                yield from (one for one in inner if isinstance(one, str))


def _texts_of(value: Mapping[str, Any]) -> Iterator[str]:
    """Lists of PEP 508 texts: project, dependency groups, uv, pdm, hatch, the build system."""
    for path in (
        ("project", "dependencies"), ("project", "optional-dependencies"), ("dependency-groups",),
        ("tool", "uv", "dev-dependencies"), ("tool", "pdm", "dev-dependencies"), ("build-system", "requires"),
    ):  # fmt: skip
        yield from _flat(_get(value, *path))
    for environment in (_get(value, "tool", "hatch", "envs") or {}).values():
        yield from _flat(_get(environment, "dependencies"))


def _tables_of(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Tables of name to what is wanted: poetry and its groups, uv's sources, a Pipfile."""
    poetry = _get(value, "tool", "poetry") or {}
    groups = _get(poetry, "group")
    tables = [_get(poetry, "dependencies"), _get(poetry, "dev-dependencies"), _get(value, "tool", "uv", "sources")]
    tables += [_get(group, "dependencies") for group in groups.values()] if isinstance(groups, Mapping) else []
    tables += [value.get("packages"), value.get("dev-packages")]
    for table in tables:
        if isinstance(table, Mapping):
            yield from ((str(name), given) for name, given in table.items())
