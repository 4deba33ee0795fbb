"""What a finding says, whom to ask, and how to mend it."""

from __future__ import annotations

from typing import Final

from busline.contract.model import TeamSpec
from busline.contract.workspace import Workspace
from busline.governance.audit_code.sighting import RAW, Sighting
from busline.governance.audit_code.territory import BUS, FILE, HOST, PACKAGE, STORE, Hit
from busline.names import Team

_IS: Final = {STORE: "a store", HOST: "a host", FILE: "a folder", PACKAGE: "a package"}
_SHOWN: Final = 3


def what_of(one: Sighting) -> str:
    """The evidence, what it reaches, and in round brackets what an exception would name."""
    hit = one.hit
    if hit.rule == BUS:
        return f"{one.evidence}: a raw client of the company's bus ({hit.what})"
    if hit.rule == RAW:
        return f"{one.evidence}: a raw Kafka client, and where it leads is not known ({hit.what})"
    return f"{one.evidence}: {_IS[hit.rule]} of team {hit.team} ({hit.what})"


def fix_of(hit: Hit, workspace: Workspace) -> str:
    if hit.rule == BUS:
        return "Publish and subscribe with busline: no right on the bus comes without a contract."
    if hit.rule == RAW:
        return "Use busline for the company's bus; list the team's own Kafka under its `stores` in busline.yaml."
    team = Team(hit.team)
    spec = workspace.teams.get(team) or TeamSpec(name=team)
    streams = sorted(name for name in workspace.contracts if name.team == team)
    owner = f"{spec.contact} (team {team})" if spec.contact != f"team {team}" else spec.contact
    if not streams:
        return f"Ask {owner} for a contract that publishes what you need."
    more = f" and {len(streams) - _SHOWN} more" if len(streams) > _SHOWN else ""
    listed = ", ".join(streams[:_SHOWN]) + more
    return f"Subscribe to what it publishes ({listed}): `busline find {team}`; or ask {owner} for what is missing."
