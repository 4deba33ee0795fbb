"""How `busline adopt` says what it did: what was adopted, what was left and why, what comes next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

import click

from busline.cli.output import Output, clean, wrapped
from busline.cli.report.report import counted
from busline.governance.adopt.adoption import Adoption
from busline.governance.adopt.left import Left, Reason
from busline.governance.adopt.live import Live
from busline.governance.adopt.owners import by_first_word
from busline.governance.adopt.services import User

_SHOWN: Final = 10
"""Of each reason; all of them with --json."""
_SOME: Final = 3
_LONG: Final = 60


def show(output: Output, adoption: Adoption, live: Live, env: str, *, written: bool) -> None:
    for what in live.unseen:
        output.warn(f"not looked at: {what}")
    if not live.complete:
        output.warn("the registry lists no more than 1,000 subjects, and there may be more: their topics are left")
    output.result(
        {
            "environment": env,
            "written": written,
            "files": sorted(adoption.files),
            "streams": [
                {"contract": name, "topic": stream.topic.name, "versions": len(stream.schemas)}
                for name, stream in adoption.streams.items()
            ],
            "services": [
                {
                    "service": user.service,
                    "user": user.name,
                    "publishes": user.publishes,
                    "subscribes": user.subscribes,
                    "reads": user.reads,
                    "groups": user.groups,
                }
                for user in adoption.users
            ],
            "left": [one.as_json() for one in adoption.left],
        },
        "\n".join(_lines(adoption, written=written)),
    )
    if adoption.files:
        again = "" if written else "without --dry-run; then "
        output.note(f"next: {again}busline check, then busline plan --env {env}")


def _lines(adoption: Adoption, *, written: bool) -> Iterator[str]:
    for reason, left in groupby(adoption.left, key=lambda one: one.reason):
        yield from _left(reason, list(left))
    yield from _some(
        f"+ {name}  {shortened([stream.topic.name])}, {counted(len(stream.schemas), 'version')}"
        for name, stream in adoption.streams.items()
    )
    yield from _some(f"+ {user.service}  {clean(user.name)}: {_does(user)}" for user in adoption.users)
    did = "adopted" if written else "would adopt"
    streams, users = counted(len(adoption.streams), "stream"), counted(len(adoption.users), "service")
    yield f"{did} {streams} and {users}; left {len(adoption.left):,}"


def _some(lines: Iterable[str]) -> Iterator[str]:
    every = list(lines)
    yield from (click.style(line, fg="green") for line in every[:_SHOWN])
    if len(every) > _SHOWN:
        yield f"  and {len(every) - _SHOWN:,} more: --json lists all"


def _does(user: User) -> str:
    verbs = ((user.publishes, "publishes"), (user.subscribes, "subscribes to"), (user.reads, "reads"))
    return ", ".join(f"{verb} {len(some)}" for some, verb in verbs if some)


def _left(reason: Reason, left: list[Left]) -> Iterator[str]:
    colour = "yellow" if reason.to_decide else None
    yield click.style(reason.counted(len(left)), bold=True, fg=colour)
    if reason is Reason.NO_OWNER and len(left) > _SHOWN:
        for names in by_first_word(one.about for one in left).values():
            yield f"  {len(names):,}: {clean(shortened(names))}"
        yield "  say whose: --owner 'GLOB=TEAM', or a file of them by --owners; on a terminal you are asked"
        return
    for one in left[:_SHOWN]:
        fix = f"  ({clean(one.fix)})" if one.fix else ""
        yield wrapped(f"  {clean(shortened([one.about]))}: {clean(one.why)}{fix}", 4)
    if len(left) > _SHOWN:
        yield f"  and {len(left) - _SHOWN:,} more: --json lists all"


def shortened(names: Sequence[str]) -> str:
    """Some of many names, each in a line's room."""
    some = (name if len(name) <= _LONG else f"{name[: _LONG - 1]}…" for name in names[:_SOME])
    return ", ".join(some) + (", …" if len(names) > _SOME else "")
