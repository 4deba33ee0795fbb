"""docs/cli.md says what --help says: every command, every argument, every option, in the same words."""

import re
from pathlib import Path

import click
import pytest

from busline.cli.main import COMMANDS, cli

TEXT = (Path(__file__).parents[2] / "docs/cli.md").read_text()
SECTIONS = {
    found[1]: found[2] for found in re.finditer(r"^## `busline ([a-z -]+)[^\n]*`\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)
}


def _parts(group: click.Group, context: click.Context) -> list[tuple[str, click.Command]]:
    found = ((name, group.get_command(context, name)) for name in group.list_commands(context))
    return [(name, command) for name, command in found if command is not None]


def commands() -> dict[str, click.Command]:
    """Every command by its words, those of a group too."""
    context = click.Context(cli)
    found: dict[str, click.Command] = {}
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        parts = _parts(command, context) if isinstance(command, click.Group) else [("", command)]
        found |= {f"{name} {part}".strip(): one for part, one in parts}
        if isinstance(command, click.Group) and command.invoke_without_command:
            found[name] = command
    return found


def test_every_command_has_a_section_and_every_section_a_command() -> None:
    assert sorted(name.strip() for name in SECTIONS) == sorted(commands())


@pytest.mark.parametrize("name", sorted(commands()))
def test_a_section_has_the_commands_usage_and_options(name: str) -> None:
    command = commands()[name]
    section = next(text for heading, text in SECTIONS.items() if heading.strip() == name)
    context = click.Context(command)
    usage = " ".join(
        ["busline", name, *(p.make_metavar(context) for p in command.params if p.param_type_name == "argument")]
    )
    assert f"`{usage}`" in TEXT
    rows = re.findall(r"^\| `(--[a-z-]+)[^`]*` \| (.*) \|$", section, re.M)
    expected = [(p.opts[0], p.help) for p in command.params if isinstance(p, click.Option)]
    assert rows == expected


def test_every_command_is_listed_with_its_line() -> None:
    for name, (_, summary) in COMMANDS.items():
        assert f"`busline {name}` | {summary} |" in TEXT


def test_every_command_says_how_it_is_used() -> None:
    for name, command in commands().items():
        if name != "demo":
            assert command.epilog and command.epilog.startswith("Example: "), name
        assert all(p.help for p in command.params if isinstance(p, click.Option)), name
