"""Owners: somebody answers for a team's contracts, and somebody guards its folder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from busline.contract.model import Audience, TeamSpec
from busline.contract.rules.codeowners import owners_of
from busline.contract.rules.rule import Found, Page, error, warning
from busline.contract.workspace import Workspace

_OUTSIDE: Final = (Audience.PARTNER, Audience.PUBLIC)


def _reachable(workspace: Workspace, team: TeamSpec) -> Iterable[Found]:
    if team.source is None:  # its file is missing or cannot be read: that is found, and is all that is known
        return
    if not (team.mail or team.chat):
        yield Found("nobody can be reached", "Write `contact: {mail: …, chat: …}`.", "contact")
    elif not team.mail:
        outside = next(
            (c for c in workspace.contracts.values() if _is_outside(c.audience) and c.owner == team.name), None
        )
        if outside:
            what = (
                f"no mail address, and {outside.name} is for {outside.audience.value}: outsiders are not in your chat"
            )
            yield Found(what, "Write `contact: {mail: …}`.", "contact")


def _is_outside(audience: Audience) -> bool:
    return audience in _OUTSIDE


def _guarded(workspace: Workspace, team: TeamSpec) -> Iterable[Found]:
    owners = owners_of(workspace.path)
    if owners is None:
        return
    if owners.file and not owners.has(team.name):
        fix = f"Add to {owners.file}: {owners.line(team.name, team.codeowners)}"
        yield Found(f"no line of {owners.file} names an owner of this folder", fix, "codeowners")
    elif not owners.file and team.name == min(workspace.teams):  # said once
        what = "the repository has no CODEOWNERS: nobody has to review what is granted or accepted in a team's name"
        yield Found(
            what, "Write one: `busline init --ci github` (or gitlab) makes it from the team files.", "codeowners"
        )


REACHABLE: Final = error(
    "owner-reachable",
    "A team can be reached: by chat or mail; by mail where outsiders read.",
    Page(
        why="Who is refused, who is hurt by a change and who finds wrong data is told to ask the owner. Without an"
        " address they ask the platform team.",
        bad="contact: {}",
        good='contact: {mail: orders@acme.example, chat: "#orders"}',
        mend="Write it in team.yaml. An address of the team outlives its members.",
    ),
    owner=_reachable,
)
GUARDED: Final = warning(
    "codeowners",
    "Each team's folder has an owner line in CODEOWNERS.",
    Page(
        why="A merge is consent only when the one who consents has to review it. Without a line of its own anybody may"
        " grant access to a team's contracts, or accept a break in its name.",
        bad="*  @acme/everybody",
        good="/schemas/orders/  @acme/orders",
        mend='Write `codeowners: "@acme/orders"` in team.yaml; `busline init --ci github` writes the file from that.',
    ),
    owner=_guarded,
)
