"""The files of what is adopted, as text: the same for the same cluster."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from busline.contract.duration import duration_text
from busline.contract.model import Kind, Storage
from busline.contract.nodes import Record
from busline.governance.adopt.services import User
from busline.governance.adopt.streams import Stream
from busline.names import ContractName

_HEAD: Final = "# Adopted by `busline adopt` as it was there. From now on it is yours.\n"
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9/_.-]*")
_WORDS: Final = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))
_ESCAPED: Final = {c: f"\\u{c:04x}" for c in (*range(0x7F, 0xA0), 0x2028, 0x2029, 0xFEFF)}
"""What YAML takes for a line's end, or for nothing that can be shown, and JSON does not."""
_AVRO_KEYS: Final = (
    "# Keys are framed Avro in this topic, and busline's are text: the events of one key go to another partition when\n"
    "# their publisher moves to busline. Let its readers finish first.\n"
)


@dataclass(frozen=True, kw_only=True)
class Grants:
    """The services of other teams that may subscribe, or read without a group."""

    subscribe: tuple[str, ...] = ()
    read: tuple[str, ...] = ()


def contract_text(stream: Stream, grants: Grants, off: Mapping[str, str]) -> str:
    """off: reasons by rule that does not hold."""
    topic = stream.topic
    lines = [f"description: {_quoted(_description(stream))}"]
    if stream.key:
        lines += _about_key(stream)
        lines.append(f"key: {stream.key[0] if len(stream.key) == 1 else _listed(stream.key)}")
    if stream.kind is not Kind.EVENT:
        lines.append(f"kind: {stream.kind.value}")
    lines.append(f"compatibility: {stream.subject.level.lower().replace('_', '-')}")
    lines += _access(grants)
    lines.append(f"storage: {{{', '.join(_storage(stream))}}}")
    timestamps = "append" if topic.append_time else "create"
    subject = f", subject: {_quoted(stream.subject.name)}, timestamps: {timestamps}"
    lines.append(f"kafka: {{topic: {_quoted(topic.name)}{subject}}}")
    return _HEAD + "\n".join([*lines, *_rules(off)]) + "\n"


def service_text(user: User, versions: Mapping[ContractName, int]) -> str:
    """versions: the current one by contract, to which everything is pinned."""
    lines = [f"publishes: {{{', '.join(f'{name}: {versions[name]}' for name in user.publishes)}}}"]
    if user.subscribes:
        lines.append("subscribes:")
        lines += [f"  {name}: {{version: {versions[name]}, fields: []}}" for name in user.subscribes]
    else:
        lines.append("subscribes: {}")
    if user.reads:
        lines.append(f"reads: {_listed(user.reads)}")
    lines.append(f"kafka: {{user: {_quoted(user.name)}, groups: {_listed(user.groups)}}}")
    return _HEAD + "\n".join(lines) + "\n"


def team_text(team: str, off: Mapping[str, str]) -> str:
    """Without a user for its persons, as there was none."""
    lines = [f"description: {_quoted(f'The team {team}.')}", "contact: {}", "people: false", *_rules(off)]
    return "\n".join(lines) + "\n"


def version_text(text: str) -> str:
    """The schema as it is, one value a line."""
    return json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"


def _description(stream: Stream) -> str:
    """What the newest schema says of itself."""
    root = stream.schemas[-1].root
    doc = " ".join(root.doc.split()) if isinstance(root, Record) else ""
    return doc or f"Adopted from the topic {stream.topic.name}, whose owner has not described it yet."


def _about_key(stream: Stream) -> Iterator[str]:
    if stream.sampled:
        yield f"# Read off its {stream.sampled} newest records, whose keys are the text of this field."
    elif stream.avro_keys:
        yield from _AVRO_KEYS.splitlines()


def _storage(stream: Stream) -> Iterator[str]:
    topic, usual = stream.topic, Storage()
    yield f"partitions: {topic.partitions}"
    if not topic.compacted:
        yield f"retention: {duration_text(topic.retention)}"
    if topic.max_record != usual.max_record:
        yield f"max_record: {topic.max_record}"


def _access(grants: Grants) -> Iterator[str]:
    if not grants.read and len(grants.subscribe) < 3:
        yield f"access: {{subscribe: {_listed(grants.subscribe)}}}"
        return
    yield "access:"
    for key, services in (("subscribe", grants.subscribe), ("read", grants.read)):
        if services:
            yield f"  {key}:"
            yield from (f"    - {_quoted(service)}" for service in services)


def _rules(off: Mapping[str, str]) -> Iterable[str]:
    return ["rules:", *(f"  {rule}: {{off: {_quoted(why)}}}" for rule, why in sorted(off.items()))] if off else []


def _listed(names: Sequence[str]) -> str:
    return f"[{', '.join(_quoted(name) for name in names)}]"


def _quoted(text: str) -> str:
    """As a YAML scalar: plain where that is surely text, else in JSON's quotes, which are YAML's."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if plain else json.dumps(text, ensure_ascii=False).translate(_ESCAPED)
