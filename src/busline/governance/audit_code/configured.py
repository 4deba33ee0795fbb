"""Ways around in configuration: settings that lead to another team's stores, hosts and folders."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from busline.governance.audit_code import commands
from busline.governance.audit_code.configuration import Setting
from busline.governance.audit_code.endpoints import Endpoint, endpoints, masked
from busline.governance.audit_code.environment import Environment
from busline.governance.audit_code.requirements import judged
from busline.governance.audit_code.settings_like import names_a_place, only_talks
from busline.governance.audit_code.sighting import Sighting
from busline.governance.audit_code.territory import FILE, HOST, STORE, Hit, Territory
from busline.governance.audit_code.words import words

_DATABASE: Final = re.compile(r"(?i)^(.*?)[_.-]?(database|name|db|keyspace|catalog)$")
_STEM: Final = re.compile(
    r"(?i)^(.*?)[_.-]?(host|hostname|server|url|uri|dsn|addr|address|endpoint|servers|brokers?)s?$"
)
_BY_NAME: Final = re.compile(r"(?i)(bucket|table|keyspace|queue|topic|stream|collection)(_?name)?s?$")
_CLIENT: Final = re.compile(
    r"(?i)^bootstrap\.servers$|\.bootstrap\.servers$|^(connect|ksql|kafka_rest|mirror|debezium|flink)\w*_bootstrap_servers$"
)
"""Settings that only a Kafka client that is not busline's has."""
_CONTENT: Final = re.compile(r"(?i)(^|[_.-])(source|subject|id|title|type|callback|webhook)$")
_COMMANDS: Final = words("command args run script entrypoint cmd")
_DSN: Final = re.compile(r"(?i)\b(host|server|data source)\s*=")
_KINDS: Final = {"bucket": "s3", "topic": "kafka", "dynamo": "dynamodb", "keyspace": "cassandra"}
_ROUTE: Final = words("http paths rules routes ingress route match pathPrefix")
_OWN: Final = re.compile(r"(?i)^busline(_|$)")


def audit_settings(
    settings: Sequence[Setting], shown: str, here: Path, around: tuple[Territory, Environment]
) -> list[Sighting]:
    """Of one file. around: what belongs to whom, and the variables that values use."""
    territory, environment = around
    beside = _databases(settings)
    found = []
    for one in settings:
        if not _OWN.match(one.name) and not any(isinstance(p, str) and only_talks(p) for p in one.path[-2:]):
            value = environment.filled(one.value)
            names = beside[_group(one)]
            found += [
                Sighting(shown, one.line, evidence, hit)
                for evidence, hit in _judged(one, value, here, territory, names)
            ]
    return sorted({(s.line, s.hit): s for s in reversed(found)}.values())


def _judged(one: Setting, value: str, here: Path, territory: Territory, names: list[str]) -> Iterator[tuple[str, Hit]]:
    said = f"{one.name}: {masked(value)}"
    for endpoint in _places(one, value):
        if (hit := territory.bus(endpoint)) and (_CLIENT.search(one.name) or commands.is_kafka(value)):
            yield said, hit
            continue
        if endpoint.path and not endpoint.host and not endpoint.name:
            if not _ROUTE.intersection(map(str, one.path)) and (hit := territory.path(endpoint.path, here)):
                yield said, hit
            continue
        for hit in territory.endpoint(endpoint, "", names):
            if _plainly(one, endpoint, hit) if endpoint.bare else hit.rule != HOST or not _CONTENT.search(one.name):
                yield said, hit
    for wanted in commands.installed(value, one.line):
        yield from ((f"installs {masked(wanted.text)}", s.hit) for s in judged(wanted, "", here, territory))
    if _BY_NAME.search(one.name) and (hit := territory.named(value, _kind(one.name))):
        yield said, hit


def _places(one: Setting, value: str) -> list[Endpoint]:
    """Also of a volume, `/srv/orders:/data`, and within a command line."""
    found = endpoints(value)
    if value.startswith(("/", "./", "../", "~")) and ":" in value:
        found = [Endpoint(path=value.partition(":")[0])]
    elif " " in value and not (commands.only_tells(value) or _DSN.search(value)):
        found = [*commands.places(value)]
    return found


def _plainly(one: Setting, endpoint: Endpoint, hit: Hit) -> bool:
    """A bare host is one under a name that says so; a word without a dot only where nothing else can be meant."""
    if hit.rule == FILE or one.name in _COMMANDS:
        return True
    named = names_a_place(one.name) or any(isinstance(p, str) and names_a_place(p) for p in one.path[-2:])
    return named and (
        "." in endpoint.host or bool(endpoint.port) or hit.rule == STORE or _STEM.match(one.name) is not None
    )


def _kind(name: str) -> str:
    lowered = name.lower()
    return next((kind for word, kind in _KINDS.items() if word in lowered), "any")


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
