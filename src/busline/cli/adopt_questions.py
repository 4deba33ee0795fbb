"""Whose the topics and users are, asked of who sits there: by what their names begin with, each with a suggestion."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import click

from busline.cli.adopt_view import shortened
from busline.cli.output import Output, clean
from busline.errors import ContractError
from busline.governance.adopt.adoption import Asked, adopt, unowned
from busline.governance.adopt.left import Left, Reason
from busline.governance.adopt.live import Live
from busline.governance.adopt.owners import USER, by_first_word, patterns_for
from busline.names import Team

NOBODY: Final = "-"


def ask_owners(output: Output, live: Live, asked: Asked) -> Asked:
    """First of topics, then of users: whom to suggest for a user depends on whose topics it writes."""
    asked, topics = _ask(output, unowned(live, asked), [*live.topics], asked)
    users = [left for left in adopt(live, asked).left if left.reason is Reason.USER]
    asked, more = _ask(output, users, [*live.users, *(acl.user or "" for acl in live.acls)], asked, USER)
    if lines := [*topics, *more]:
        said = "\n".join(f"  {json.dumps(glob, ensure_ascii=False)}: {team}" for glob, team in lines)
        output.note(f"To say so again, as lines of a file for --owners:\n{said}")
    return asked


def _ask(
    output: Output, left: Sequence[Left], every: Sequence[str], asked: Asked, mark: str = ""
) -> tuple[Asked, list[tuple[str, Team]]]:
    """every: all names that there are. mark: what stands before the patterns that come of it."""
    if not left:
        return asked, []
    output.note(f"Whose are these {'users' if mark else 'topics'}? A team's name; {NOBODY}: nobody's yet.")
    by_name = {one.about: one for one in left}
    all_names = by_first_word(every)
    said: list[tuple[str, Team]] = []
    for word, names in by_first_word(by_name).items():
        if (team := _team(_question(names, by_name), _suggestion(word, names, by_name))) is not None:
            globs = patterns_for(names, [name for other, some in all_names.items() if other != word for name in some])
            said += [(f"{mark}{glob}", team) for glob in globs]
    return replace(asked, owners=asked.owners.and_also(said)), said


def _question(names: Sequence[str], left: Mapping[str, Left]) -> str:
    if len(names) == 1:
        one = left[names[0]]
        return shortened(names) + (f": {one.why}" if one.reason is Reason.USER else "")
    return f"{len(names):,}: {shortened(names)}"


def _suggestion(word: str, names: Sequence[str], left: Mapping[str, Left]) -> str:
    """The team that the fixes name already, else the first word where that may be a team's name."""
    named = {left[name].fix.rpartition("=")[2].strip("'") for name in names}
    guess = named.pop() if len(named) == 1 else word
    try:
        return Team(word if guess == "TEAM" else guess)
    except ContractError:
        return NOBODY


def _team(question: str, suggestion: str) -> Team | None:
    while True:
        answer = click.prompt(f"  {clean(question)}", default=suggestion, err=True).strip()
        if answer == NOBODY:
            return None
        try:
            return Team(answer)
        except ContractError as error:
            click.echo(f"    {error.what}. {error.fix or ''}", err=True)
