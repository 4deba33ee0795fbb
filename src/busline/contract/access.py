"""May this service do this? One pure function decides, for the bus, the tools and the engine's rules alike.

Publishing is for the owner team's services that declare it. Subscribing and reading take a grant in the contract (or
the owner's own team) and the service's own declaration. `<team>/people` read where they are granted; they declare
nothing, join no group and publish nothing.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from busline.contract.model import EVERYONE, Action, Audience, Contract, Grant, ServiceSpec, Source, TeamSpec
from busline.errors import AccessDenied
from busline.names import RESERVED_TEAM, ContractName, Service


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The answer with its reason.

    rule: owner-declares, owner-reads, grant-service, grant-team or grant-everyone allow; unknown, retired, sunset,
    people-read, not-owner, outside-audience, no-grant and not-declared deny. source: the line that decided. ask: whom.
    change: the one line that would allow it, with the file it goes to. pii: fields
    marked `pii` are shown as they are, not masked.
    """

    allowed: bool
    rule: str
    why: str
    source: Source | None = None
    ask: str = ""
    change: str = ""
    pii: bool = False

    def __bool__(self) -> bool:
        return self.allowed

    def error(self) -> AccessDenied:
        """A denial as the error to raise."""
        fix = " ".join(part for part in (self.change, self.ask and f"Ask {self.ask}.") if part)
        place = f"rule {self.rule}, {self.source}" if self.source else f"rule {self.rule}"
        return AccessDenied("not allowed", where=place, why=self.why, fix=fix or None)


def decide(
    *,
    service: Service,
    action: Action,
    contract: Contract | ContractName,
    declared: ServiceSpec | None,
    team: TeamSpec | None = None,
    today: dt.date | None = None,
) -> Decision:
    """contract: a bare name where there is no such contract. declared: the service's file. team: the owner's.

    today: from a deprecation's sunset on nobody may publish or subscribe; None: whatever the day, as in a file's check.
    """
    if not isinstance(contract, Contract):
        return _unknown(service, action, contract)
    question = _Question(service, action, contract, declared, team.contact if team else f"team {contract.owner}")
    if today is not None and action is not Action.READ and question.is_over(today):
        return question.over()
    return question.publish() if action is Action.PUBLISH else question.consume()


def shows_pii(service: Service, contract: Contract) -> bool:
    """Whether this reader is shown what is marked `pii` as it is: the owner's team, and whom a grant gives it.

    A mask is for eyes and for files that are passed on; it keeps no bytes from a program that may subscribe.
    """
    covering = {str(service), str(service.team), EVERYONE}
    return service.team == contract.owner or any(grant.pii and grant.to in covering for grant in contract.grants)


def _unknown(service: Service, action: Action, name: ContractName) -> Decision:
    return Decision(
        allowed=False,
        rule="unknown",
        why=f"{service} asks to {action} {name}, which is no contract here",
        ask=f"team {name.team}",
        change=f"Look at the name (`busline find {name.stream}`), or apply the contract.",
    )


@dataclass(frozen=True)
class _Question:
    service: Service
    action: Action
    contract: Contract
    declared: ServiceSpec | None
    owner: str

    def publish(self) -> Decision:
        if self.contract.retired:
            return self._retired()
        if self.service.is_people:
            return self._people()
        if self.service.team != self.contract.owner:
            why = f"{self.service} is not a service of {self.contract.owner}, and only the owner's services publish"
            change = f"Publish a contract of {self.service.team}, or let a service of {self.contract.owner} publish."
            return self._deny("not-owner", why, self.contract.source, self.owner, change)
        publication = self.declared.publication(self.contract.name) if self.declared else None
        if publication is None:
            return self._not_declared("publishes", f"{self.contract.name}: {len(self.contract.versions) or 1}")
        return self._allow("owner-declares", publication.source, "its team owns the contract and it declares it")

    def consume(self) -> Decision:
        if self.contract.retired:
            return self._retired()
        if self.service.is_people and self.action is not Action.READ:
            return self._people()
        own = self.service.team == self.contract.owner
        if not own and self.contract.audience is Audience.TEAM:
            why = f"{self.contract.name} has the audience `team`: nobody outside {self.contract.owner} may have it"
            change = "It takes a wider audience and a grant."
            return self._deny("outside-audience", why, self.contract.source, self.owner, change)
        grant = None if own else self._grant()
        if not own and grant is None:
            return self._no_grant()
        return self._declared(grant)

    def _grant(self) -> Grant | None:
        """The narrowest grant that covers the question."""
        covering = [g for g in self.contract.grants if self.action is Action.READ or not g.read_only]
        by_name = {g.to: g for g in reversed(covering)}
        return by_name.get(self.service) or by_name.get(self.service.team) or by_name.get(EVERYONE)

    def _declared(self, grant: Grant | None) -> Decision:
        if self.service.is_people:
            if grant is None:
                return self._allow("owner-reads", self.contract.source, "its team owns the contract")
            return self._granted(grant)
        declaration = self._declaration()
        if declaration is None:
            key = "subscribes" if self.action is Action.SUBSCRIBE else "reads"
            line = f"{self.contract.name}: {{version: {len(self.contract.versions) or 1}, fields: [...]}}"
            return self._not_declared(key, line if key == "subscribes" else self.contract.name)
        if grant is None:
            return self._allow("owner-declares", declaration, "its team owns the contract and it declares it")
        return self._granted(grant)

    def _declaration(self) -> Source | None:
        """Where the service says that it consumes: a subscription also allows reading."""
        if self.declared is None:
            return None
        here = self.declared.source or Source(file=f"{self.service}.service.yaml")
        subscription = self.declared.subscription(self.contract.name)
        if subscription is not None:
            return subscription.source or here
        reads = self.action is Action.READ and self.contract.name in self.declared.reads
        return here if reads else None

    def _granted(self, grant: Grant) -> Decision:
        rule = {EVERYONE: "grant-everyone", str(self.service): "grant-service"}.get(grant.to, "grant-team")
        return self._allow(rule, grant.source, f"the contract grants it to {grant.to}")

    def _no_grant(self) -> Decision:
        what = "no grant covers it" if self.contract.grants else "the contract grants nothing to anybody yet"
        key = "subscribe" if self.action is Action.SUBSCRIBE else "read"
        command = f": busline request {self.contract.name} --for {self.service} --why …"
        how = command if self.service.is_people else "."
        place = f"access.{key} in {self._contract_file()}{how}"
        if self.contract.owner == RESERVED_TEAM:
            place = f"events.{self.contract.name.stream}.{key} in busline.yaml."
        change = f"Add {self.service} to {place}"
        return self._deny("no-grant", what, self.contract.source, self.owner, change)

    def _not_declared(self, key: str, line: str) -> Decision:
        source = self.declared.source if self.declared else None
        file = source.file if source else f"{self.service}.service.yaml"
        why = f"{self.service} does not declare it under `{key}`"
        change = f"Run `busline declare`, or write `{line}` under `{key}` in {file}."
        return self._deny("not-declared", why, source, f"team {self.service.team}", change)

    def _retired(self) -> Decision:
        contract = self.contract
        replacement = contract.deprecation.replacement if contract.deprecation else None
        change = f"Use {replacement}." if replacement else ""
        return self._deny("retired", f"it was retired on {contract.retired}", contract.source, self.owner, change)

    def is_over(self, today: dt.date) -> bool:
        said = self.contract.deprecation
        return said is not None and said.sunset is not None and said.sunset <= today and not self.contract.retired

    def over(self) -> Decision:
        said = self.contract.deprecation
        assert said is not None
        change = f"Use {said.replacement}." if said.replacement else ""
        why = f"it is deprecated since {said.since}, and its sunset was {said.sunset}"
        return self._deny("sunset", why, said.source or self.contract.source, self.owner, change)

    def _people(self) -> Decision:
        why = "people read, with their own credentials and without a group; services publish and subscribe"
        return self._deny("people-read", why, None, f"team {self.service.team}", "Use `busline read`, or a service.")

    def _contract_file(self) -> str:
        name = self.contract.name
        return self.contract.source.file if self.contract.source else f"{name.team}/{name.stream}/contract.yaml"

    def _allow(self, rule: str, source: Source | None, why: str) -> Decision:
        pii = shows_pii(self.service, self.contract)
        return Decision(allowed=True, rule=rule, source=source, why=f"{self._what()}: {why}", pii=pii)

    def _deny(self, rule: str, why: str, source: Source | None, ask: str, change: str) -> Decision:
        return Decision(allowed=False, rule=rule, source=source, why=f"{self._what()}: {why}", ask=ask, change=change)

    def _what(self) -> str:
        return f"{self.service} to {self.action} {self.contract.name}"
