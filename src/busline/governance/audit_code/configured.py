"""Ways around in configuration: settings that lead to another team's stores, hosts and folders."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from busline.governance.audit_code.configuration import Setting
from busline.governance.audit_code.endpoints import Endpoint, endpoints, masked
from busline.governance.audit_code.environment import Environment
from busline.governance.audit_code.settings_like import names_a_place, only_talks
from busline.governance.audit_code.sighting import Sighting
from busline.governance.audit_code.territory import FILE, STORE, Hit, Territory

_DATABASE: Final = re.compile(r"(?i)^(.*?)[_.-]?(database|name|db|keyspace|catalog)$")
_STEM: Final = re.compile(
    r"(?i)^(.*?)[_.-]?(host|hostname|server|url|uri|dsn|addr|address|endpoint|servers|brokers?)s?$"
)
_BY_NAME: Final = re.compile(r"(?i)(bucket|table|keyspace|queue|topic|stream|collection)(_?name)?s?$")
_OWN: Final = re.compile(r"(?i)^busline(_|$)")


def audit_settings(
    settings: Sequence[Setting], shown: str, here: Path, around: tuple[Territory, Environment]
) -> list[Sighting]:
    """Of one file. around: what belongs to whom, and the variables that values use."""
    territory, environment = around
    beside = _databases(settings)
    found = []
    for one in settings:
        if not _OWN.match(one.name) and not only_talks(one.name):
            value = environment.filled(one.value)
            names = beside[_group(one)]
            found += [
                Sighting(shown, one.line, evidence, hit)
                for evidence, hit in _judged(one, value, here, territory, names)
            ]
    return sorted({(s.line, s.hit): s for s in reversed(found)}.values())


def _judged(one: Setting, value: str, here: Path, territory: Territory, names: list[str]) -> Iterator[tuple[str, Hit]]:
    said = f"{one.name}: {masked(value)}"
    for endpoint in _places(value):
        if endpoint.path and not endpoint.host and not endpoint.name:
            if hit := territory.path(endpoint.path, here):
                yield said, hit
            continue
        for hit in territory.endpoint(endpoint, "", names):
            if not endpoint.bare or _plainly(one, endpoint, hit):
                yield said, hit
    if _BY_NAME.search(one.name) and (hit := territory.named(value, _kind(one.name))):
        yield said, hit


def _places(value: str) -> list[Endpoint]:
    """Also of a volume, `/srv/orders:/data`, and within a command line."""
    found = endpoints(value)
    if value.startswith(("/", "./", "../", "~")) and ":" in value:
        found = [Endpoint(path=value.partition(":")[0])]
    elif " " in value and not found:
        found = [
            one
            for word in value.split()[:200]
            for one in endpoints(word.strip("'\"=,"))
            if not one.bare or "." in one.host
        ]
    return found


def _plainly(one: Setting, endpoint: Endpoint, hit: Hit) -> bool:
    """A bare host is one under a name that says so; a word without a dot only where nothing else can be meant."""
    if hit.rule == FILE:
        return True
    named = names_a_place(one.name) or any(isinstance(p, str) and names_a_place(p) for p in one.path[-2:])
    return named and (
        "." in endpoint.host or bool(endpoint.port) or hit.rule == STORE or _STEM.match(one.name) is not None
    )


def _kind(name: str) -> str:
    lowered = name.lower()
    return next(
        (kind for word, kind in (("bucket", "s3"), ("topic", "kafka"), ("dynamo", "dynamodb")) if word in lowered), ""
    )


def _group(one: Setting) -> tuple[object, ...]:
    """Settings that belong together: of one mapping, and with names that begin alike (DB_HOST, DB_NAME)."""
    stem = _STEM.match(one.name)
    return (*one.path[:-1], stem[1].upper() if stem else one.name.upper())


def _databases(settings: Sequence[Setting]) -> defaultdict[tuple[object, ...], list[str]]:
    names: defaultdict[tuple[object, ...], list[str]] = defaultdict(list)
    for one in settings:
        if found := _DATABASE.match(one.name):
            for stem in {found[1].upper(), "" if found[1].lower() == "db" else found[1].upper()}:
                names[(*one.path[:-1], stem)].append(one.value)
    return names
