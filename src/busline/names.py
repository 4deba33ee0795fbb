"""The names of contracts, teams, services and groups: validated once, then plain strings.

The grammar is narrow on purpose: `team/service` is, without any mapping, the SCRAM user, the Kafka principal, the
quota entity, the consumer group and the transactional id, and no two topics collide (Kafka holds `a_b` and `a.b`
for one).
"""

from __future__ import annotations

import re
from typing import Self

from busline.errors import ContractError

TEAM_LENGTH = 40
NAME_LENGTH = 60
RESERVED_TEAM = "busline"
CONTRACT_LOG = "busline.contracts"
DEAD_LETTERS = "busline.dlq."
"""What the topics of dead letters begin with."""
PEOPLE = "people"
_WORD = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_FORM = "lower-case letters and digits, in words joined by single hyphens, beginning with a letter"


def _checked(kind: str, text: str, limit: int) -> str:
    if not isinstance(text, str) or not _WORD.fullmatch(text):
        raise ContractError(f"{text!r} is not a {kind} name", fix=f"Use {_FORM}.")
    if len(text) > limit:
        raise ContractError(
            f"the {kind} name {text!r} has {len(text)} characters", fix=f"Use at most {limit} characters."
        )
    return text


class Team(str):
    """A team's folder name: at most 40 characters."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        return super().__new__(cls, _checked("team", text, TEAM_LENGTH))


class ContractName(str):
    """`<team>.<stream>`, e.g. `orders.order-placed`. Also the topic's name unless the contract says otherwise."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        team, dot, stream = text.partition(".")
        if not dot:
            raise ContractError(
                f"{text!r} is not a contract name", fix="Write <team>.<stream>, e.g. orders.order-placed."
            )
        _checked("team", team, TEAM_LENGTH)
        _checked("stream", stream, NAME_LENGTH)
        return super().__new__(cls, text)

    @property
    def team(self) -> Team:
        return str.__new__(Team, self.partition(".")[0])  # was validated with the whole

    @property
    def stream(self) -> str:
        return self.partition(".")[2]


class Service(str):
    """`<team>/<name>`: the principal that publishes and subscribes. `<team>/people` are the team's persons."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        team, slash, name = text.partition("/")
        if not slash:
            raise ContractError(f"{text!r} is not a service name", fix="Write <team>/<service>, e.g. orders/checkout.")
        _checked("team", team, TEAM_LENGTH)
        _checked("service", name, NAME_LENGTH)
        return super().__new__(cls, text)

    @property
    def team(self) -> Team:
        return str.__new__(Team, self.partition("/")[0])  # was validated with the whole

    @property
    def name(self) -> str:
        return self.partition("/")[2]

    @property
    def is_people(self) -> bool:
        return self.name == PEOPLE

    @property
    def dead_letters(self) -> str:
        """The topic of this service's dead letters."""
        return f"{DEAD_LETTERS}{self.team}.{self.name}"


class Group(str):
    """A consumer group: `<team>/<service>`, `<team>/<service>/<name>`, or busline's own `<team>/<service>/~<name>`."""

    __slots__ = ()

    @classmethod
    def of(cls, service: Service, name: str | None = None) -> Self:
        if name is None:
            return super().__new__(cls, service)
        own = name.removeprefix("~")
        return super().__new__(cls, f"{service}/{name[: len(name) - len(own)]}{_checked('group', own, NAME_LENGTH)}")
