"""Domain values as the contract log's records: as `entry_formats` reads them, without models, which cost ten times.

What says nothing (a default) is left out; `test_entries` holds that each record reads back as what it was made of.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from busline.contract.entry_formats import FORMAT
from busline.contract.model import (
    Acceptance,
    Audience,
    Contract,
    Deprecation,
    Grant,
    Kind,
    Publication,
    ServiceSpec,
    Source,
    Storage,
    Subscription,
    TeamSpec,
    Version,
)

_encoder: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def contract_bytes(c: Contract, commit: str | None) -> bytes:
    return _bytes(
        {
            **_head(commit, c.source),
            "versions": len(c.versions) or None,
            "description": c.description or None,
            "kind": None if c.kind is Kind.EVENT else c.kind.value,
            "audience": None if c.audience is Audience.COMPANY else c.audience.value,
            "key": c.key or None,
            "compatibility": c.compatibility,
            "grants": [_grant(grant) for grant in c.grants] or None,
            "storage": _storage(c.storage),
            "tags": c.tags or None,
            "pii": sorted(c.pii) or None,
            "deprecated": {field: said.use for field, said in sorted(c.deprecated.items())} or None,
            "deprecated_since": {f: str(said.since) for f, said in sorted(c.deprecated.items()) if said.since} or None,
            "quota": dict(sorted(c.quota.items())) or None,
            "deprecation": _deprecation(c.deprecation) if c.deprecation else None,
            "retired": str(c.retired) if c.retired else None,
            "topic": None if c.topic == c.name else c.topic,
            "subject": None if c.subject == f"{c.topic}-value" else c.subject,
            "append_time": None if c.append_time else False,
            "example": c.example,
        }
    )


def version_bytes(version: Version, commit: str | None) -> bytes:
    """The schema's text is JSON already."""
    head = f'{{"v":{FORMAT}'
    if commit is not None:
        head += f',"commit":{_encoder.encode(commit)}'
    if (place := version.source) is not None:
        line = "" if place.line == 1 else f',"line":{place.line}'
        head += f',"source":{{"file":{_encoder.encode(place.file)}{line}}}'
    number = "" if version.registry_id is None else f',"registry_id":{version.registry_id}'
    return f'{head},"schema":{version.schema.text}{number}}}'.encode()


def service_bytes(s: ServiceSpec, commit: str | None) -> bytes:
    return _bytes(
        {
            **_head(commit, s.source),
            "publishes": [_publication(one) for one in s.publishes] or None,
            "subscribes": [_subscription(one) for one in s.subscribes] or None,
            "reads": s.reads or None,
            "groups": s.groups or None,
            "transactional": s.transactional or None,
            "accepts": [_acceptance(one) for one in s.accepts] or None,
            "kafka_user": s.kafka_user,
            "kafka_groups": s.kafka_groups or None,
        }
    )


def team_bytes(t: TeamSpec, commit: str | None) -> bytes:
    return _bytes({**_head(commit, t.source), "description": t.description or None, "mail": t.mail, "chat": t.chat})


def _head(commit: str | None, source: Source | None) -> dict[str, Any]:
    return {"v": FORMAT, "commit": commit, "source": _place(source)}


def _bytes(values: Mapping[str, Any]) -> bytes:
    return _encoder.encode(_said(values)).encode()


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _place(source: Source | None) -> dict[str, Any] | None:
    if source is None:
        return None
    return {"file": source.file} if source.line == 1 else {"file": source.file, "line": source.line}


def _grant(g: Grant) -> dict[str, Any]:
    return _said({"to": g.to, "read_only": g.read_only or None, "pii": g.pii or None, "source": _place(g.source)})


def _storage(s: Storage) -> dict[str, Any]:
    """A retention of None is for ever, and is said."""
    found = {"partitions": s.partitions, "retention": s.retention, "max_record": s.max_record}
    return found if s.replicas is None else {**found, "replicas": s.replicas}


def _deprecation(d: Deprecation) -> dict[str, Any]:
    sunset = str(d.sunset) if d.sunset else None
    return _said({"since": str(d.since), "sunset": sunset, "replacement": d.replacement})


def _publication(p: Publication) -> dict[str, Any]:
    return _said({"contract": p.contract, "version": p.version, "source": _place(p.source)})


def _subscription(s: Subscription) -> dict[str, Any]:
    fields = [{"name": f.name, "optional": True} if f.optional else {"name": f.name} for f in s.fields]
    start = None if s.start == "earliest" else s.start
    return _said(
        {
            "contract": s.contract,
            "version": s.version,
            "fields": fields or None,
            "start": start,
            "source": _place(s.source),
        }
    )


def _acceptance(a: Acceptance) -> dict[str, Any]:
    return {"contract": a.contract, "version": a.version, "why": a.why, "until": str(a.until)}
