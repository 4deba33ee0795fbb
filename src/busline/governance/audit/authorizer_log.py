"""Kafka's authorizer log: who was refused what, and who wrote where. No API says either.

    [2026-11-24 19:41:23,452] INFO Principal = User:a/b is Denied operation = WRITE from host = 10.0.0.7 on resource =
    Topic:LITERAL:orders.order-placed for request = Produce with resourceRefCount = 1 based on rule DefaultDeny (…)

What is refused is logged at INFO, what is allowed at DEBUG. Names of groups and topics are the client's: they may hold
the log's own words, and line ends where the layout does not write them out (`%enc{%m}{CRLF}`). So a line that can be
read in two ways is counted and not believed, and neither is what follows a line that was cut.

Source: org.apache.kafka.metadata.authorizer.StandardAuthorizerData, buildAuditMessage (Kafka 4.3).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, TypeVar

from busline.errors import ConfigurationError

MAX_LINE: Final = 65_536
MAX_NAME: Final = 1_000
"""Bytes of a name that are kept."""
MAX_KINDS: Final = 20_000
"""Different refusals, and different writers, that are kept apart; more are counted."""
DISTRUSTED: Final = 50
"""Lines that are not believed after one that was cut: what follows may be the rest of a name."""
_MARK: Final = b"Principal = "
_WORDS: Final = (b" operation = ", b" from host = ", b" on resource = ", b" for request = ", b" based on rule ")
_BEGIN: Final = re.compile(
    rb"\[?(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.,]\d{3} ?(?:Z|[+-]\d\d:?\d\d)?)\]? +"
    rb"\[?[A-Z]+\]? +(?:[\w.$:\[\]-]+ +){0,3}" + _MARK
)
_REST: Final = re.compile(
    rb"(.*) is (Allowed|Denied) operation = ([A-Z_]+) from host = (\S*) on resource = (\w+):([A-Z]+):(.*)"
    rb" for request = (\w+) with resourceRefCount = (\d+) based on rule .*",
    re.S,
)
K = TypeVar("K")
_CAPITALS: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


class Access(NamedTuple):
    """What somebody asked for. kind: TOPIC, GROUP, CLUSTER, TRANSACTIONAL_ID; operation and request: Kafka's words."""

    principal: str
    operation: str
    kind: str
    name: str
    request: str
    host: str


class Line(NamedTuple):
    """when: by the broker's clock; without an offset in the log, as UTC."""

    when: dt.datetime
    denied: bool
    access: Access


@dataclass(kw_only=True)
class Times:
    """How often, and when first and last."""

    first: dt.datetime
    last: dt.datetime
    count: int = 0

    def take(self, when: dt.datetime) -> None:
        self.count += 1
        self.first, self.last = min(self.first, when), max(self.last, when)


class Use(NamedTuple):
    """Somebody used a right on a topic, or read by a group."""

    principal: str
    operation: str
    name: str
    kind: str = "TOPIC"


@dataclass(kw_only=True)
class AuthorizerLog:
    """denied: by what was asked for. used: what was allowed of WRITE and READ, of topics and groups, if it is there.

    strange: lines that are not believed, or not understood; others: more than MAX_KINDS kept apart. allowed: whether
    the log says what was allowed at all. since: when its first line was written. told: what was refused up to then
    is not counted again.
    """

    denied: dict[Access, Times] = field(default_factory=dict)
    used: dict[Use, Times] = field(default_factory=dict)
    strange: int = 0
    others: int = 0
    lines: int = 0
    allowed: bool = False
    since: dt.datetime | None = None
    told: Mapping[Access, dt.datetime] = field(default_factory=dict)

    def take(self, line: Line) -> None:
        self.lines += 1
        self.since = line.when if self.since is None else min(self.since, line.when)
        if line.denied:
            told = self.told.get(line.access)
            if told is None or line.when > told:
                self._count(self.denied, line.access, line.when)
            return
        self.allowed = True
        if line.access.kind in ("TOPIC", "GROUP") and line.access.operation in ("READ", "WRITE"):
            use = Use(line.access.principal, line.access.operation, line.access.name, line.access.kind)
            self._count(self.used, use, line.when)

    def _count(self, counts: dict[K, Times], what: K, when: dt.datetime) -> None:
        times = counts.get(what)
        if times is None:
            if len(counts) >= MAX_KINDS:
                self.others += 1
                return
            times = counts[what] = Times(first=when, last=when)
        times.take(when)

    def who(self, name: str, *, operation: str = "WRITE", kind: str = "TOPIC") -> list[str]:
        """The principals that did so, as far as the log reaches back."""
        return sorted(one.principal for one in self.used if one[1:] == (operation, name, kind))


def read_logs(paths: Iterable[Path], told: Mapping[Access, dt.datetime] | None = None) -> AuthorizerLog:
    """Of all brokers and of all their files, together. Raises ConfigurationError for one that cannot be read."""
    log = AuthorizerLog(told=told or {})
    for path in paths:
        try:
            with path.open("rb") as file:
                for line in lines_of(file, log):
                    log.take(line)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise ConfigurationError("the authorizer's log cannot be read", where=str(path), why=why) from None
    return log


def lines_of(file: BinaryIO, log: AuthorizerLog) -> Iterator[Line]:
    """Those that are the authorizer's and can be believed; the others are counted in `log.strange`."""
    distrusted = 0
    for raw in _raw_lines(file, log):
        begun = _BEGIN.match(raw)
        line = _parsed(begun, raw) if begun else None
        if distrusted:
            distrusted -= 1
            log.strange += 1
            if begun is None and _ends(raw):
                distrusted = 0  # the rest of the line that was cut
        elif line is not None:
            yield line
        elif begun is not None:
            log.strange += 1
            if not _ends(raw):
                distrusted = DISTRUSTED
        elif _MARK in raw and _ends(raw):
            log.strange += 1


def _raw_lines(file: BinaryIO, log: AuthorizerLog) -> Iterator[bytes]:
    """Whole ones; what is written just now has no end yet, and is left out."""
    while raw := file.readline(MAX_LINE):
        if raw.endswith(b"\n"):
            yield raw.rstrip(b"\r\n")
            continue
        if len(raw) < MAX_LINE:
            return
        log.strange += 1
        while (rest := file.readline(MAX_LINE)) and not rest.endswith(b"\n"):
            pass


def _ends(raw: bytes) -> bool:
    return b" with resourceRefCount = " in raw


def _parsed(begun: re.Match[bytes], raw: bytes) -> Line | None:
    """None for what can be read in two ways, or not at all."""
    rest = raw[begun.end() :]
    said = rest.count(b" is Denied operation = ") + rest.count(b" is Allowed operation = ")
    if said != 1 or any(rest.count(word) != 1 for word in _WORDS) or _MARK in rest:
        return None
    found = _REST.fullmatch(rest)
    when = _when(begun[1].decode())
    if found is None or when is None:
        return None
    principal, verdict, operation, host, kind, _, name, request, _ = (
        part[:MAX_NAME].decode(errors="replace") for part in found.groups()
    )
    kind = _CAPITALS.sub("_", kind).upper()
    return Line(when, verdict == "Denied", Access(principal, operation, kind, name, request, host))


def _when(text: str) -> dt.datetime | None:
    try:
        found = dt.datetime.fromisoformat(text.replace(",", ".").replace(". ", ".").replace(" +", "+").strip())
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
