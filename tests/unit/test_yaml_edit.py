"""One more grant in a file as people write it: one line changes, comments and order stay."""

import difflib

import pytest

from busline.contract.finding import Finding
from busline.contract.yaml_edit import add_grant
from busline.contract.yaml_reader import parse_yaml
from busline.errors import ContractError

HEAD = "# mine\ndescription: X   # said\nkey: id\n"
TAIL = "\n# what follows\ntags: [a]\n"
LAYOUTS = {
    "no access": "",
    "empty access": "access:\n",
    "empty mapping": "access: {}\n",
    "empty list": "access: {read: []}\n",
    "other key in flow": "access: {subscribe: [everyone]}   # why\n",
    "flow list": "access: {read: [a, b/c]}\n",
    "flow list, comma behind": "access: {read: [a, b/c, ]}\n",
    "flow list of several lines": "access:\n  read: [a,  # first\n         b/c]\n",
    "flow of mappings": "access: {read: [{to: a, pii: true}]}\n",
    "block list": "access:\n  read:\n    - a   # first\n    - b/c # second\n",
    "block list, not indented": "access:\n  read:\n  - a\n",
    "block list of mappings": "access:\n  read:\n    - to: a\n      pii: true\n",
    "block mapping, other key": "access:\n  subscribe:\n    - a  # one\n",
    "block mapping, empty key": "access:\n  read:\n  subscribe: [a]\n",
    "quoted": "\"access\": {'read': ['a']}\n",
    "everyone": "access: {read: [everyone]}\n",
}


@pytest.mark.parametrize("tail", ["", TAIL], ids=["last", "followed"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("pii", [False, True], ids=["", "pii"])
def test_one_line_is_written_and_nothing_else_moves(layout: str, tail: str, pii: bool) -> None:
    text = HEAD + LAYOUTS[layout] + tail
    made = add_grant(text, "read", "marketing/people", pii=pii, why="for the\ncampaign")
    lines = list(difflib.ndiff(text.splitlines(), made.splitlines()))
    assert sum(line.startswith("+ ") for line in lines) == 1
    assert sum(line.startswith("- ") for line in lines) <= 1
    for comment in ("# mine", "# said", "# first", "# second", "# why", "# one", "# what follows"):
        assert text.count(comment) == made.count(comment)
    document = parse_yaml(made.encode(), "x")
    assert not isinstance(document, Finding)
    assert isinstance(document.value, dict)
    access = document.value["access"]
    assert isinstance(access, dict) and isinstance(access["read"], list)
    assert access["read"][-1] == ({"to": "marketing/people", "pii": True} if pii else "marketing/people")


def test_the_reason_stands_beside_the_line() -> None:
    assert add_grant(HEAD, "read", "a/people", why="Why not.").endswith("access: {read: [a/people]}  # Why not.\n")
    block = add_grant(HEAD + LAYOUTS["block list"], "read", "a/people", why="Why not.")
    assert "    - a/people  # Why not.\n" in block


@pytest.mark.parametrize(
    ("layout", "made"),
    [
        ("access: {read: [a/people, b]}\n", "access: {read: [{to: a/people, pii: true}, b]}  # Mails.\n"),
        ("access: {read: [b, 'a/people']}  # first\n", "access: {read: [b, {to: a/people, pii: true}]}  # first\n"),
        (
            "access:\n  read:\n    - a/people\n    - b\n",
            "access:\n  read:\n    - {to: a/people, pii: true}  # Mails.\n    - b\n",
        ),
    ],
    ids=["flow", "quoted", "block"],
)
def test_a_grant_that_is_there_is_widened_and_not_repeated(layout: str, made: str) -> None:
    assert add_grant(HEAD + layout, "read", "a/people", pii=True, why="Mails.") == HEAD + made


def test_line_endings_stay() -> None:
    made = add_grant((HEAD + "access: {read: [a]}\n").replace("\n", "\r\n"), "read", "b")
    assert made.count("\r\n") == made.count("\n") == 4


@pytest.mark.parametrize("text", ["[a]\n", "access: [a\n", "access: text\n", "access: {read: text}\n"])
def test_what_is_not_understood_is_not_written(text: str) -> None:
    with pytest.raises((ContractError, ValueError)):
        add_grant(text, "read", "a/people")
