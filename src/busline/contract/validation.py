"""A file's value against its pydantic model: every fault becomes a finding with its line."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from busline.contract.files import FileModel, keys_at
from busline.contract.finding import Finding
from busline.contract.yaml_reader import Document

M = TypeVar("M", bound=FileModel)


def validated(model: type[M], document: Document) -> M | list[Finding]:
    """The model's instance, or everything that is wrong."""
    try:
        return model.model_validate(document.value if document.value is not None else {})
    except ValidationError as error:
        return [_finding(model, document, fault) for fault in error.errors(include_url=False, include_input=False)]


def suggestion(given: str, known: Sequence[str]) -> str:
    """A fix for a name that is not one of the known ones."""
    close = difflib.get_close_matches(given, known, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known here: {', '.join(known)}." if 0 < len(known) <= 20 else ""


def _finding(model: type[FileModel], document: Document, fault: Any) -> Finding:
    path = tuple(part for part in fault["loc"] if part != "[key]")
    kind = fault["type"]
    what, fix = fault["msg"].removeprefix("Value error, "), ""
    if kind == "extra_forbidden":
        known = keys_at(model, path[:-1])
        what, fix = "unknown key", suggestion(str(path[-1]), known)
    elif kind == "missing":
        what, fix = "missing", f"Write `{path[-1]}:`."
    elif kind == "model_type":
        what, fix = "a mapping (key: value) is expected", f"Keys: {', '.join(keys_at(model, path))}."
    return Finding(
        file=document.file, line=document.line(path), key=".".join(map(str, path)), what=_lower(what), fix=fix
    )


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:] if text[:6] in ("Input ", "String", "Field ", "Value ") else text
