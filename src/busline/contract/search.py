"""Finding contracts by words: in names, descriptions, tags, fields and their docs; plural and hyphen blind, best first.

Two steps, so that ten thousand contracts take less than a second: raw text that cannot match is passed over without
being parsed; what is left is read and scored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import Any, Final, NamedTuple

from busline.contract.finding import Finding
from busline.contract.yaml_reader import parse_yaml
from busline.names import RESERVED_TEAM, ContractName

_WORD: Final = re.compile(r"[^\W_]+")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LOWER: Final = bytes(range(65)) + bytes(range(97, 123)) + bytes(range(91, 256))
_BETWEEN: Final = b" -_./\r\n\t"
_NAME, _TAG, _FIELD, _DESCRIPTION, _DOC = 10.0, 6.0, 4.0, 3.0, 1.0
_PART: Final = 0.6
_GONE: Final = 0.3
MAX_DEPTH: Final = 32
MAX_PARSED: Final = 200
"""Contracts that are parsed for one answer: words that are in more of them say little."""


class FieldText(NamedTuple):
    """A field by its path (`address.city`), with its doc."""

    path: str
    doc: str


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a contract is found by. gone: deprecated or retired, so it comes behind others."""

    name: ContractName
    description: str = ""
    tags: tuple[str, ...] = ()
    fields: tuple[FieldText, ...] = ()
    gone: bool = False


class Raw(NamedTuple):
    """A contract not yet parsed: its settings (YAML or JSON) and its current version's schema (JSON), as bytes."""

    name: ContractName
    settings: bytes
    schema: bytes


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A page with its score; fields: those that were found, best first."""

    page: Page
    score: float
    fields: tuple[FieldText, ...] = ()


def words(text: str) -> list[str]:
    """The stems of a text's words: lower case, singular, apart at hyphens, underscores and capitals."""
    return [stem(word.lower()) for word in _WORD.findall(_CAMEL.sub(" ", text))]


def stem(word: str) -> str:
    """English plurals off: statistics, categories, addresses."""
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if len(word) > 4 and word.endswith(("sses", "xes", "zes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def search(query: str, raws: Iterable[Raw]) -> list[Hit]:
    """Contracts that have every word; where there is none, those that have some. Best first, then by name;
    busline's own after all others."""
    asked = list(dict.fromkeys(words(query)))
    if not asked:
        return []
    sifted = list(_sifted(asked, raws))
    hits = _scored(asked, [(rank, raw) for found, rank, raw in sifted if found == len(asked)], every=True)
    hits = hits or _scored(asked, [(found * 100 + rank, raw) for found, rank, raw in sifted], every=False)
    own = f"{RESERVED_TEAM}."
    return sorted(hits, key=lambda hit: (hit.page.name.startswith(own), -hit.score, hit.page.name))


def score(asked: Sequence[str], page: Page, *, every: bool = True) -> Hit | None:
    """None: a word (every=False: all words) is nowhere in the page."""
    name, description = words(page.name), words(page.description)
    tags = [word for tag in page.tags for word in words(tag)]
    fields = [(field, words(field.path), words(field.doc)) for field in page.fields]
    names, docs = [w for _, path, _ in fields for w in path], [w for _, _, doc in fields for w in doc]
    places = ((_NAME, name), (_TAG, tags), (_FIELD, names), (_DESCRIPTION, description), (_DOC, docs))
    scores = [max(weight * _match(word, have) for weight, have in places) for word in asked]
    if not any(scores) or (every and not all(scores)):
        return None
    total = sum(scores) + _NAME * ("".join(asked) in "".join(name)) + sum(_match(w, description) for w in asked) / 10
    ranked = [(sum(_FIELD * _match(w, path) + _DOC * _match(w, doc) for w in asked), f) for f, path, doc in fields]
    shown = [field for weight, field in sorted(ranked, key=lambda pair: -pair[0]) if weight]
    return Hit(page=page, score=total * (_GONE if page.gone else 1.0), fields=tuple(shown))


def page_of(raw: Raw) -> Page:
    """What cannot be read is left out: `busline check` says what is wrong with it."""
    settings, schema = _settings(raw), _json(raw.schema)
    tags = settings.get("tags")
    return Page(
        name=raw.name,
        description=str(settings.get("description") or ""),
        tags=tuple(map(str, tags)) if isinstance(tags, list) else (),
        fields=tuple(_fields(schema.get("schema", schema) if isinstance(schema, dict) else schema)),
        gone=bool(settings.get("deprecation") or settings.get("retired")),
    )


def _scored(asked: Sequence[str], ranked: list[tuple[float, Raw]], *, every: bool) -> list[Hit]:
    """Of those that may match; of very many, those that are likeliest."""
    if len(ranked) > MAX_PARSED:
        ranked = nlargest(MAX_PARSED, ranked, key=lambda one: one[0])
    return [hit for _, raw in ranked if (hit := score(asked, page_of(raw), every=every)) is not None]


def _sifted(asked: Sequence[str], raws: Iterable[Raw]) -> Iterator[tuple[int, float, Raw]]:
    """Those whose text may match: how many of the words it may hold, a rank by where, and the contract."""
    needles = [word.removesuffix("y").encode() for word in asked]
    for raw in raws:
        texts = [text.translate(_LOWER, _BETWEEN) for text in (raw.name.encode(), raw.settings, raw.schema)]
        places = [[needle in text for text in texts] for needle in needles]
        if found := sum(map(any, places)):
            rank = sum(_NAME * name + _TAG * settings + _DOC * schema for name, settings, schema in places)
            yield found, rank, raw


def _match(word: str, have: Sequence[str]) -> float:
    """1 for the word itself; less for a word that begins with it, or one that is written apart here."""
    if word in have:
        return 1.0
    if len(word) < 3:
        return 0.0
    return _PART if any(w.startswith(word) for w in have) or (len(word) > 4 and word in "".join(have)) else 0.0


def _settings(raw: Raw) -> Mapping[str, Any]:
    found = _json(raw.settings) if raw.settings.startswith(b"{") else None
    if found is None:
        document = parse_yaml(raw.settings, raw.name)
        found = None if isinstance(document, Finding) else document.value
    return found if isinstance(found, dict) else {}


def _json(data: bytes) -> Any:
    try:
        return json.loads(data) if data else None
    except (ValueError, RecursionError):
        return None


def _fields(schema: Any, prefix: str = "", depth: int = 0) -> Iterator[FieldText]:
    """Every field of a schema's JSON, through arrays, maps and unions."""
    if depth > MAX_DEPTH:
        return
    if isinstance(schema, list):
        for branch in schema:
            yield from _fields(branch, prefix, depth + 1)
    elif isinstance(schema, dict):
        for inner in ("items", "values"):
            yield from _fields(schema.get(inner), prefix, depth + 1)
        if isinstance(schema.get("type"), dict | list):
            yield from _fields(schema["type"], prefix, depth + 1)
        listed = schema.get("fields")
        for field in listed if isinstance(listed, list) else ():
            if isinstance(field, dict) and isinstance(field.get("name"), str):
                path = f"{prefix}{field['name']}"
                yield FieldText(path, str(field.get("doc") or ""))
                yield from _fields(field.get("type"), f"{path}.", depth + 1)
