"""The pages say what the code says: settings, tables made from it, links that lead somewhere."""

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

from busline import Bus
from busline.bus.options import Batch, Concurrency, DeadLetter, Retry
from busline.bus.settings import KNOWN, Settings
from busline.errors import ConfigurationError
from busline.transport.base import Features
from busline.transport.security import Security
from scripts import docs

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
SETTINGS = (ROOT / "docs/settings.md").read_text()
SOURCE = "\n".join(path.read_text() for path in sorted((ROOT / "src").rglob("*.py")))
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.M | re.S)


def rows(page: str, first: str) -> list[list[str]]:
    """The cells of the table rows whose first cell is `first`."""
    found = (line for line in page.splitlines() if line.startswith(f"| `{first}` |"))
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in found]


@pytest.mark.parametrize("name", KNOWN)
def test_a_setting_is_described_as_it_is(name: str) -> None:
    known = KNOWN[name]
    [row] = rows(SETTINGS, name)
    _, argument, variable, in_file, secret, _, about = row
    assert argument == ("yes" if name in inspect.signature(Bus).parameters else "no")
    assert variable == f"`BUSLINE_{name.upper()}`"
    assert (in_file, secret) == ("yes" if known.file else "no", "yes" if known.secret else "no")
    assert about.replace("`", "") == known.about


@pytest.mark.parametrize("name", KNOWN)
def test_a_setting_is_taken_from_where_the_page_says(name: str, tmp_path: Path) -> None:
    found = Settings.load(environ={f"BUSLINE_{name.upper()}": "there"}, folder=tmp_path)
    assert found.get(name) == "there"
    (tmp_path / "pyproject.toml").write_text(f'[tool.busline]\n{name} = "here"\n')
    if KNOWN[name].file:
        assert (Settings.load(environ={}, folder=tmp_path).get(name) or "").endswith("here")
    else:
        with pytest.raises(ConfigurationError, match="does not belong here"):
            Settings.load(environ={}, folder=tmp_path)


def test_every_environment_variable_that_is_read_is_on_the_page_and_no_other() -> None:
    of_tests = re.findall(r"BUSLINE_TEST_[A-Z_]+", (ROOT / "tests/conftest.py").read_text())
    literal = set(re.findall(r"\"(BUSLINE_[A-Z_]*[A-Z])\"", SOURCE))
    secrets = {f"{name}_FILE" for name in re.findall(r"_secret\(\"(BUSLINE_[A-Z_]+)\"", SOURCE)}
    read = literal | secrets | {f"BUSLINE_{name.upper()}" for name in KNOWN} | set(of_tests)
    assert set(re.findall(r"BUSLINE_[A-Z_]*[A-Z]", SETTINGS)) == read


def test_every_part_of_security_has_a_variable() -> None:
    section = SETTINGS.partition("## Signing in to Kafka")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `BUSLINE_\w+` \| `(\w+)`", section, re.M)) == {
        field.name for field in dataclasses.fields(Security)
    }


@pytest.mark.parametrize("name", docs.TABLES)
def test_a_generated_table_is_up_to_date(name: str) -> None:
    file, make = docs.TABLES[name]
    text = (docs.DOCS / file).read_text()
    assert docs.written(text, name, make()) == text, "write it anew: python scripts/docs.py"


def test_the_generated_tables_leave_nothing_out() -> None:
    features = (docs.DOCS / "guarantees.md").read_text()
    assert all(f"| `{field.name}` |" in features for field in dataclasses.fields(Features))
    for kind in (Retry, Concurrency, Batch, DeadLetter):
        assert all(f"`{kind.__name__}({field.name}=)`" in SETTINGS for field in dataclasses.fields(kind))


def headings(page: Path) -> set[str]:
    """Anchors, as GitHub makes them."""
    found = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") for text in found}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(CODE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or target.suffix != ".md" or anchor in headings(target), f"{link}: no such heading"


def test_the_changelog_tells_of_this_version() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)
    assert version is not None and f"## {version[1]}" in (ROOT / "CHANGELOG.md").read_text()
