"""The listeners of a cluster, as the brokers' settings name them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_ADVERTISED: Final = re.compile(r"([A-Za-z0-9_.-]+)://(.*):(\d+)")
_MEMBER: Final = re.compile(r"(?:(\d+)@)?(.+):(\d+)")
_STANDARD: Final = {name: name for name in ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")}
DEFAULT_MECHANISM: Final = "GSSAPI"


@dataclass(frozen=True, kw_only=True)
class Listener:
    """protocol: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL. mechanisms: of SASL. controller: of the quorum."""

    broker: int
    name: str
    host: str
    port: int
    protocol: str
    mechanisms: tuple[str, ...] = ()
    controller: bool = False

    def offers(self, mechanism: str) -> bool:
        return mechanism in self.mechanisms

    def __str__(self) -> str:
        whose = "" if self.broker < 0 else f" ({'controller' if self.controller else 'broker'} {self.broker})"
        return f"{self.name}://{self.host}:{self.port}{whose}"


def listeners_of(broker: int, settings: Mapping[str, str]) -> list[Listener]:
    """Those that clients are told of: `advertised.listeners`, else `listeners` without the controller's."""
    protocols = _STANDARD | _pairs(settings.get("listener.security.protocol.map", ""))
    text = settings.get("advertised.listeners") or settings.get("listeners", "")
    controllers = {name.strip() for name in settings.get("controller.listener.names", "").split(",")}
    found = []
    for part in text.split(","):
        if (match := _ADVERTISED.fullmatch(part.strip())) is None or match[1] in controllers:
            continue
        name, protocol = match[1], protocols.get(match[1].upper(), "")
        found.append(
            Listener(
                broker=broker,
                name=name,
                host=match[2].strip("[]"),
                port=int(match[3]),
                protocol=protocol,
                mechanisms=_mechanisms(settings, name) if protocol.startswith("SASL") else (),
            )
        )
    return found


def controllers_of(settings: Mapping[str, str]) -> list[Listener]:
    """The quorum's members, as a broker's settings name them (KIP-595, KIP-853)."""
    name = settings.get("controller.listener.names", "").partition(",")[0].strip()
    protocol = (_STANDARD | _pairs(settings.get("listener.security.protocol.map", ""))).get(name.upper(), "")
    text = settings.get("controller.quorum.bootstrap.servers") or settings.get("controller.quorum.voters", "")
    found = []
    for part in text.split(",") if name else ():
        if match := _MEMBER.fullmatch(part.strip()):
            number = int(match[1]) if match[1] else -1
            host, port = match[2].strip("[]"), int(match[3])
            found.append(Listener(broker=number, name=name, host=host, port=port, protocol=protocol, controller=True))
    return found


def _pairs(text: str) -> dict[str, str]:
    pairs = (part.strip().partition(":") for part in text.split(",") if part.strip())
    return {name.upper(): protocol.upper() for name, _, protocol in pairs}


def _mechanisms(settings: Mapping[str, str], listener: str) -> tuple[str, ...]:
    key = "sasl.enabled.mechanisms"
    text = settings.get(f"listener.name.{listener.lower()}.{key}") or settings.get(key) or DEFAULT_MECHANISM
    return tuple(mechanism.strip() for mechanism in text.split(",") if mechanism.strip())
