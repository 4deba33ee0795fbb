"""docs/contract-reference.md describes exactly the keys that the files take, with their defaults."""

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from busline.contract.files import FILES, FileModel

TEXT = (Path(__file__).parents[2] / "docs" / "contract-reference.md").read_text()


def rows(title: str) -> dict[str, str]:
    """Key to default, of the table under a heading."""
    section = TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]
    cells = [line.split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return {row[0].strip("|` "): row[1].strip() for row in cells}


def inner(annotation: Any) -> tuple[type[FileModel] | None, str]:
    """The model inside an annotation, and `.*` where it is in a mapping or list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""  # type: ignore[return-value]
    star = ".*" if get_origin(annotation) in (dict, tuple) else ""
    for argument in get_args(annotation):
        model, deeper = inner(argument)
        if model is not None:
            return model, star + deeper
    return None, ""


def keys(model: type[FileModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, info in model.model_fields.items():
        yield prefix + name, info
        below, star = inner(info.annotation)
        if below is not None:
            yield from keys(below, f"{prefix}{name}{star}.")


@pytest.mark.parametrize("title", FILES)
def test_every_key_is_described_and_no_other(title: str) -> None:
    assert [*rows(title)] == [key for key, _ in keys(FILES[title])]


@pytest.mark.parametrize("title", FILES)
def test_what_is_required_is_said_and_plain_defaults_are_right(title: str) -> None:
    documented = rows(title)
    for key, info in keys(FILES[title]):
        assert info.is_required() == (documented[key] == "required"), key
        default = info.default.value if isinstance(info.default, Enum) else info.default
        if isinstance(default, bool) or (isinstance(default, str) and default):
            assert documented[key] == f"`{str(default).lower()}`", key


def test_defaults_with_units_are_right() -> None:
    storage = dict(keys(FILES["contract.yaml"]))
    assert storage["storage.retention"].default == 7 * 86_400_000
    assert storage["storage.max_record"].default == 1024**2
    assert rows("contract.yaml")["storage.partitions"] == f"`{storage['storage.partitions'].default}`"
