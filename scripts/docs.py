"""Write the generated tables into docs/: `python scripts/docs.py`. A test fails while they are not what this writes.

A table stands between `<!-- NAME -->` and `<!-- end NAME -->`.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from busline.bus.options import Batch, Concurrency, DeadLetter, Retry
from busline.contract.rules.catalogue import AUDIT_RULES, RULES
from busline.transport.base import Features
from busline.transport.resolve import resolve

DOCS = Path(__file__).resolve().parents[1] / "docs"
ENGINES = {"memory://": "memory://", "sqlite://": "sqlite:///bus.db", "kafka://": "kafka://127.0.0.1:9092"}
MEANINGS = {
    "partitions": "a stream is split by key, and its parts are handled side by side",
    "groups": "members of one group share the work",
    "order": "what keeps its order",
    "replay": "read again from a time, or from a position",
    "headers": "header values may be any bytes",
    "durable": "where an event is when `publish()` has returned",
    "enforced": "the engine itself can refuse who is not granted, also a foreign client (P8)",
    "tombstones": "a state can be deleted",
    "rebalance": "eager: all partitions pause when a member joins or leaves; cooperative: those that move",
}


def features() -> str:
    """One row a field of Features, one column an engine."""
    engines = {name: resolve(url).features for name, url in ENGINES.items()}
    rows = [["", *(f"`{name}`" for name in engines), "meaning"], ["---"] * (len(engines) + 2)]
    for field in dataclasses.fields(Features):
        values = (_shown(getattr(found, field.name)) for found in engines.values())
        rows.append([f"`{field.name}`", *values, MEANINGS[field.name]])
    return _table(rows)


def options() -> str:
    """One row a field of what a subscription may be told."""
    rows = [["argument", "default"], ["---", "---"]]
    for kind in (Retry, Concurrency, Batch, DeadLetter):
        for field in dataclasses.fields(kind):
            rows.append([f"`{kind.__name__}({field.name}=)`", f"`{field.default!r}`"])
    return _table(rows)


def rules() -> str:
    """One row a rule of `busline check`, with its severity for the audiences company, and partner and public."""
    rows = [["rule", "severity", "partner, public", "may be off", "what it holds"], ["---"] * 5]
    for rule in RULES.values():
        severity, outside = rule.severity.value, rule.outside.value
        rows.append([f"`{rule.id}`", severity, outside, "no" if rule.always else "yes", rule.reason])
    return _table(rows)


def audit_rules() -> str:
    """One row a rule of `busline audit` and `busline audit code`."""
    rows = [["rule", "severity", "what it holds"], ["---"] * 3]
    rows += [[f"`{rule.id}`", rule.severity.value, rule.reason] for rule in AUDIT_RULES.values()]
    return _table(rows)


TABLES = {
    "features": ("guarantees.md", features),
    "options": ("settings.md", options),
    "rules": ("check.md", rules),
    "audit-rules": ("audit.md", audit_rules),
}


def written(text: str, name: str, table: str) -> str:
    """The page's text with the table in its place."""
    pattern = rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)"
    found, count = re.subn(pattern, lambda place: place[1] + table + place[2], text, flags=re.S)
    if count != 1:
        raise ValueError(f"the page has no single place for {name}")
    return found


def _table(rows: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _shown(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def main() -> None:
    for name, (file, make) in TABLES.items():
        page = DOCS / file
        page.write_text(written(page.read_text(), name, make()))


if __name__ == "__main__":
    main()
