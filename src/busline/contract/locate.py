"""Where in its file a finding's key stands: looked up only for findings that are shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from busline.contract.finding import Finding
from busline.contract.yaml_reader import Document, Path_, read_yaml


def located(findings: Iterable[Finding], folder: Path) -> list[Finding]:
    """With the line of each key, where it was not known; in order. folder: the workspace's."""
    documents: dict[str, Document | Finding] = {}

    def line(finding: Finding) -> int:
        if finding.line > 1 or not finding.key or not finding.file.endswith((".yaml", ".avsc")):
            return finding.line
        if finding.file not in documents:
            documents[finding.file] = read_yaml(folder / finding.file, finding.file)  # JSON is YAML, with lines
        document = documents[finding.file]
        return finding.line if isinstance(document, Finding) else _line(document, finding)

    return sorted({replace(finding, line=line(finding)) for finding in findings})


def _line(document: Document, finding: Finding) -> int:
    parts = finding.key.removeprefix("$").replace("[]", "").strip(".").split(".")
    if finding.file.endswith(".avsc"):
        return document.line(_schema_path(document.value, parts))
    return document.line(_yaml_path(document, parts))


def _yaml_path(document: Document, parts: list[str]) -> Path_:
    """Keys may hold a point themselves: a contract's name does."""
    path: Path_ = ()
    rest = parts
    while rest:
        size = next((n for n in range(len(rest), 0, -1) if (*path, ".".join(rest[:n])) in document.lines), 0)
        if not size:
            break
        path, rest = (*path, ".".join(rest[:size])), rest[size:]
    return path


def _schema_path(schema: Any, fields: list[str]) -> Path_:
    """From names of fields to the place of the last one in the schema's JSON."""
    named: dict[str, tuple[Any, Path_]] = {}
    _definitions(schema, (), named)
    node: Any = schema
    path: Path_ = ()
    for name in fields:
        record, at = _record(node, path, named)
        found = next(((i, f) for i, f in enumerate(_fields(record)) if f.get("name") == name), None)
        if found is None:
            break
        path, node = (*at, "fields", found[0]), found[1]
    return path


def _fields(record: Any) -> list[Mapping[str, Any]]:
    fields = record.get("fields", []) if isinstance(record, Mapping) else []
    return [field for field in fields if isinstance(field, Mapping)] if isinstance(fields, list) else []


def _record(node: Any, path: Path_, named: Mapping[str, tuple[Any, Path_]]) -> tuple[Any, Path_]:
    """The first record inside a type."""
    if isinstance(node, str):
        return named.get(node.rpartition(".")[2], (None, path))
    if isinstance(node, list):
        inside = (_record(one, (*path, i), named) for i, one in enumerate(node))
        return next((found for found in inside if found[0] is not None), (None, path))
    if not isinstance(node, Mapping):
        return None, path
    if isinstance(node.get("fields"), list):
        return node, path
    key = next((key for key in ("type", "items", "values") if isinstance(node.get(key), str | list | Mapping)), None)
    if node.get("type") in ("array", "map"):
        key = "items" if node["type"] == "array" else "values"
    return _record(node[key], (*path, key), named) if key else (None, path)


def _definitions(node: Any, path: Path_, named: dict[str, tuple[Any, Path_]]) -> None:
    """Records by their last name, first come. The reader has bounded the depth."""
    if isinstance(node, list):
        for i, one in enumerate(node):
            _definitions(one, (*path, i), named)
    elif isinstance(node, Mapping):
        if isinstance(node.get("fields"), list) and isinstance(node.get("name"), str):
            named.setdefault(node["name"].rpartition(".")[2], (node, path))
        for key, value in node.items():
            if isinstance(value, list | Mapping):
                _definitions(value, (*path, key), named)
