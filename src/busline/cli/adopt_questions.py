"""Whose the topics and users are, asked of who sits there: by what their names begin with, each with a suggestion."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

import click

from busline.cli.output import Output, clean
from busline.errors import ContractError
from busline.governance.adopt.adoption import Asked, adopt
from busline.governance.adopt.left import Left, Reason
from busline.governance.adopt.live import Live
from busline.governance.adopt.naming import words
from busline.governance.adopt.owners import USER, Owners, prefix_of
from busline.names import Team

_SHOWN = 3


def ask_owners(output: Output, live: Live, asked: Asked) -> Asked:
    """First of topics, then of users: whom to suggest for a user depends on whose topics it writes."""
    for reason, kind in ((Reason.NO_OWNER, "topic"), (Reason.USER, "user")):
        left = [one for one in adopt(live, asked).left if one.reason is reason]
        if left:
            output.note(f"Whose are these {kind}s? A team's name; empty: as suggested; -: nobody's yet.")
        asked = replace(asked, owners=_ask(left, asked.owners, kind))
    return asked


def _ask(left: Iterable[Left], owners: Owners, kind: str) -> Owners:
    for prefix, some in _by_prefix(left).items():
        team = _team(_question(prefix, some, kind), _suggestion(prefix, some))
        if team is not None:
            glob = f"{prefix}*" if len(some) > 1 else some[0].about
            owners = owners.and_also(f"{USER}{glob}" if kind == "user" else glob, team)
    return owners


def _by_prefix(left: Iterable[Left]) -> dict[str, list[Left]]:
    found: dict[str, list[Left]] = defaultdict(list)
    for one in left:
        found[prefix_of(one.about)].append(one)
    return dict(sorted(found.items()))


def _question(prefix: str, some: list[Left], kind: str) -> str:
    if len(some) == 1:
        return f"{some[0].about} ({some[0].why})" if kind == "user" else some[0].about
    shown = ", ".join(one.about for one in some[:_SHOWN]) + (", …" if len(some) > _SHOWN else "")
    return f"{len(some)} {kind}s {prefix}* ({shown})"


def _suggestion(prefix: str, some: list[Left]) -> str:
    """The team that a fix names already, else the prefix as a name of a team."""
    named = {one.fix.rpartition("=")[2].strip("'") for one in some}
    guess = named.pop() if len(named) == 1 else "TEAM"
    if guess != "TEAM":
        return guess
    return "-".join(words(prefix)) or "-"


def _team(question: str, suggestion: str) -> Team | None:
    while True:
        answer = click.prompt(f"  {clean(question)}", default=suggestion, err=True).strip()
        if answer == "-":
            return None
        try:
            return Team(answer)
        except ContractError as error:
            click.echo(f"    {error}", err=True)
