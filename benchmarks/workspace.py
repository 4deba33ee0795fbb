"""A large workspace, made up and always the same: python -m benchmarks.workspace DIR

Contracts of one to five versions that are compatible evolutions, services that publish and subscribe to them with the
fields that they read, and the grants for that, in files as long as people write them.
"""

import argparse
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from benchmarks.workspace_fields import ADDED, REQUIRED, UUID, Template
from benchmarks.workspace_words import AREAS, DOMAINS, EVENTS, PLACES, STATES, THINGS

SERVICES_A_TEAM: Final = 20
MOST_VERSIONS: Final = 5
SUBSCRIPTIONS: Final = (0, 1, 2, 3, 4, 6, 9)
SYMBOLS: Final = ("MAIL", "KIOSK", "FAX", "AGENT")
ROLES: Final = ("writer", "keeper", "desk", "feed")


@dataclass(frozen=True, kw_only=True)
class Size:
    contracts: int = 10_000
    versions: int = 30_000
    services: int = 2_000


@dataclass(kw_only=True)
class Stream:
    """A contract as it will be written. schemas: one a version. subscribe, read: whom they are granted."""

    team: str
    name: str
    thing: str
    state: bool
    audience: str
    schemas: list[dict[str, Any]] = field(default_factory=list)
    example: dict[str, Any] = field(default_factory=dict)
    pii: list[str] = field(default_factory=list)
    subscribe: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        return "".join(word.capitalize() for word in self.name.split("-"))


def write_workspace(folder: Path, size: Size, *, seed: int = 1) -> None:
    """Into a folder that is new or empty: the same for the same size and seed. Raises ValueError for no such size."""
    pick = random.Random(seed)
    teams = _teams(max(1, size.services // SERVICES_A_TEAM))
    streams = list(_streams(teams, size, pick))
    files = {"busline.yaml": 'company: acme\nenvironments:\n  local: {url: "sqlite:///local.db"}\n'}
    files |= {f"{team}/team.yaml": _team_yaml(team) for team in teams}
    files |= _service_files(teams, streams, size, pick)
    for stream in streams:
        files |= {f"{stream.team}/{stream.name}/{name}": text for name, text in _stream_files(stream, pick)}
    for path in {(folder / path).parent for path in files}:
        path.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def _teams(count: int) -> list[str]:
    names = [f"{domain}-{area}" for area in AREAS for domain in DOMAINS]
    if count > len(names):
        raise ValueError(f"at most {len(names)} teams, of {SERVICES_A_TEAM} services each")
    return names[:count]


def _streams(teams: Sequence[str], size: Size, pick: random.Random) -> Iterator[Stream]:
    names = [(thing, word, place) for place in PLACES for word in (*EVENTS, *STATES) for thing in THINGS]
    each = -(-size.contracts // len(teams))
    if each > len(names):
        raise ValueError(f"at most {len(names)} contracts a team")
    for number, count in enumerate(_version_counts(size, pick)):
        team, place = divmod(number, each)
        thing, word, where = names[(place + team * 37) % len(names)]
        stream = Stream(
            team=teams[team],
            name="-".join(filter(None, (thing, word, where))),
            thing=thing,
            state=word in STATES,
            audience=pick.choices(("company", "team", "partner", "public"), (80, 12, 6, 2))[0],
        )
        _evolve(stream, count, pick)
        yield stream


def _version_counts(size: Size, pick: random.Random) -> list[int]:
    """One to MOST_VERSIONS for each contract, in the sum size.versions."""
    if not size.contracts <= size.versions <= size.contracts * MOST_VERSIONS:
        raise ValueError(f"versions: from one to {MOST_VERSIONS} a contract")
    counts = [1] * size.contracts
    rest = [number for number in range(size.contracts) for _ in range(MOST_VERSIONS - 1)]
    for number in pick.sample(rest, size.versions - size.contracts):
        counts[number] += 1
    return counts


def _evolve(stream: Stream, versions: int, pick: random.Random) -> None:
    """The first schema, and for each further version one that it can read and be read by."""
    id_ = Template(f"{stream.thing}_id", UUID, "Names the {} for ever.", "5f0c8a52-9d3c-4f0a-8a51-0b2a8c9f6f10")
    chosen = pick.sample(REQUIRED, pick.randint(3, 9))
    schema = {
        "type": "record",
        "name": stream.title,
        "namespace": stream.team.replace("-", "_"),
        "doc": f"What {stream.team} says of each {stream.thing}: {stream.name.replace('-', ' ')}.",
        "fields": [_field(stream, one) for one in (id_, *chosen)],
    }
    stream.schemas.append(schema)
    stream.example = {one.name: one.example for one in (id_, *chosen)}
    stream.pii = [one.name for one in chosen if one.pii]
    more = pick.sample(ADDED, len(ADDED))
    for _ in range(1, versions):
        schema = deepcopy(schema)
        _change(stream, schema, more, pick.random())
        stream.schemas.append(schema)


def _field(stream: Stream, one: Template) -> dict[str, Any]:
    return {"name": one.name, "type": _named(one.type, stream), "doc": one.doc.format(stream.thing)}


def _named(given: Any, stream: Stream) -> Any:
    """A copy of a type; `{}` in its names and docs is what the contract is about."""
    if isinstance(given, list):
        return [_named(one, stream) for one in given]
    if isinstance(given, dict):
        return {key: _named(value, stream) for key, value in given.items()}
    return given.replace("{}", stream.title) if isinstance(given, str) else given


def _change(stream: Stream, schema: dict[str, Any], more: list[Template], chance: float) -> None:
    """Mostly one field more; else a symbol more, a field more in a nested record, or a better doc."""
    types = {one["name"]: one["type"] for one in schema["fields"]}
    if "channel" in types and chance < 0.15:
        symbols = types["channel"]["symbols"]
        symbols.append(next(symbol for symbol in SYMBOLS if symbol not in symbols))
    elif "place" in types and chance < 0.3:
        inner = types["place"]["fields"]
        doc = "Finer than the postcode; absent where nobody knows it."
        inner.append({"name": f"area_level_{len(inner)}", "type": ["null", "string"], "default": None, "doc": doc})
    elif chance < 0.4:
        schema["doc"] += " Once for each of them."
    else:
        one = more.pop()
        schema["fields"].append(_field(stream, one) | {"default": one.default})
        stream.example[one.name] = one.example


def _team_yaml(team: str) -> str:
    contact = f'{{mail: {team}@acme.example, chat: "#{team}"}}'
    return f"description: Answers for {team.replace('-', ' ')}.\ncontact: {contact}\n"


def _service_files(teams: Sequence[str], streams: Sequence[Stream], size: Size, pick: random.Random) -> dict[str, str]:
    """Each contract is published by one service of its team. Who subscribes is granted it: by name or by team."""
    names = [f"{teams[n * len(teams) // size.services]}/{_service_name(n)}" for n in range(size.services)]
    of_team = {team: list(group) for team, group in groupby(names, lambda name: name.partition("/")[0])}
    publishes: dict[str, list[Stream]] = {}
    for number, stream in enumerate(streams):
        if mine := of_team.get(stream.team):
            publishes.setdefault(mine[number % len(mine)], []).append(stream)
    open_ = [stream for stream in streams if stream.audience != "team"]
    popular = open_[:: max(1, len(open_) // 200)]
    files = {}
    for name in names:
        wanted = [pick.choice(popular if pick.random() < 0.4 else open_) for _ in range(pick.choice(SUBSCRIPTIONS))]
        subscribes = {id(stream): stream for stream in wanted}.values()
        files[f"{name}.service.yaml"] = _service_yaml(name, publishes.get(name, ()), list(subscribes), pick)
    return files


def _service_name(number: int) -> str:
    return f"{THINGS[number % len(THINGS)]}-{ROLES[number // len(THINGS) % len(ROLES)]}"


def _service_yaml(name: str, publishes: Sequence[Stream], subscribes: Sequence[Stream], pick: random.Random) -> str:
    lines = ["# Written by `busline declare` from the code. `start` and `accepts` are yours."]
    lines += ["publishes:" if publishes else "publishes: {}"]
    lines += [f"  {one.team}.{one.name}: {len(one.schemas)}" for one in publishes]
    lines += ["subscribes:" if subscribes else "subscribes: {}"]
    for one in subscribes:
        version = pick.randint(max(1, len(one.schemas) - 1), len(one.schemas))
        known = [inner["name"] for inner in one.schemas[version - 1]["fields"]]
        fields = ", ".join(sorted(pick.sample(known, pick.randint(2, len(known)))))
        lines.append(f"  {one.team}.{one.name}: {{version: {version}, fields: [{fields}], start: earliest}}")
        _grant(one, name, pick)
    return "\n".join([*lines, "accepts: []"]) + "\n"


def _grant(stream: Stream, service: str, pick: random.Random) -> None:
    team = service.partition("/")[0]
    granted = stream.subscribe
    if team == stream.team or team in granted or service in granted:
        return
    by_team = pick.random() < 0.3
    granted.append(team if by_team else service)
    if pick.random() < 0.1 and f"{team}/people" not in stream.read:
        stream.read.append(f"{team}/people")


def _stream_files(stream: Stream, pick: random.Random) -> Iterator[tuple[str, str]]:
    yield "contract.yaml", _contract_yaml(stream, pick)
    for number, schema in enumerate(stream.schemas, 1):
        yield f"{number}.avsc", json.dumps(schema, indent=2) + "\n"
    if pick.random() < 0.3:
        yield "example.json", json.dumps(stream.example, indent=2) + "\n"


def _contract_yaml(stream: Stream, pick: random.Random) -> str:
    """The least that stands in every contract, and by chance what else may."""
    chances: Mapping[str, float] = {"long": 0.25, "tags": 0.6, "storage": 0.3, "deprecated": 0.02, "field": 0.04}
    has = {name for name, chance in chances.items() if pick.random() < chance}
    said = f"About each {stream.thing} of {stream.team.replace('-', ' ')}, in the order in which it happened to it."
    lines = [f"description: {said}"]
    if "long" in has:
        lines = [
            "description: |",
            f"  {said}",
            "  Published once for each, when the system that owns it has it on disk.",
        ]
        lines += ["", f"  Who counts by {stream.thing} takes its id; events of one id stay in order."]
    lines += ["kind: state"] if stream.state else []
    lines += [f"key: {stream.thing}_id"]
    lines += [f"audience: {stream.audience}"] if stream.audience != "company" else []
    lines += _access(stream)
    lines += [f"tags: [{stream.thing}, {stream.team.partition('-')[0]}]"] if "tags" in has else []
    if "storage" in has:
        kept = "" if stream.state else f", retention: {pick.choice((7, 14, 30, 90))}d"
        lines += [f"storage: {{partitions: {pick.choice((3, 6, 12, 24))}{kept}}}"]
    return "\n".join([*lines, *_marks(stream, has)]) + "\n"


def _access(stream: Stream) -> list[str]:
    if not stream.subscribe and not stream.read:
        return []
    lines = ["access:"]
    if len(stream.subscribe) > 4:
        lines += ["  subscribe:", *(f"    - {to}" for to in stream.subscribe)]
    elif stream.subscribe:
        lines += [f"  subscribe: [{', '.join(stream.subscribe)}]"]
    return lines + ([f"  read: [{', '.join(stream.read)}]"] if stream.read else [])


def _marks(stream: Stream, has: set[str]) -> Iterator[str]:
    last = stream.schemas[-1]["fields"][-1]["name"]
    going = "field" in has and last not in stream.pii and len(stream.schemas) > 1
    if stream.pii or going:
        yield "fields:"
    yield from (f"  {name}: {{pii: true}}" for name in stream.pii)
    if going:
        yield f"  {last}: {{deprecated: {{since: 2026-06-01}}}}"
    if "deprecated" in has:
        yield "deprecation: {since: 2026-03-01, sunset: 2099-12-31}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workspace", description="A large workspace, made up.")
    parser.add_argument("folder", type=Path, metavar="DIR", help="new or empty")
    for name, default in vars(Size()).items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default: {default:,}")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.folder.exists() and any(given.folder.iterdir()):
        parser.error(f"{given.folder} is not empty")
    try:
        write_workspace(given.folder, Size(**{name: getattr(given, name) for name in vars(Size())}), seed=given.seed)
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
