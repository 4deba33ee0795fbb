"""What a team holds beside its contracts, so that ways around them can be told; and what is let be, until a day."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from busline.contract.model import Source
from busline.names import Service, Team


@dataclass(frozen=True, kw_only=True)
class Store:
    """A place where a team keeps data: all that is given has to fit.

    kind: postgres, redis, kafka, s3…; host: with or without a port; name: database, bucket, table, topic or queue;
    prefix: of the keys, topics or tables in a store that several teams share; path: of a file or folder.
    """

    kind: str = ""
    host: str = ""
    name: str = ""
    prefix: str = ""
    path: str = ""
    source: Source | None = None

    def __str__(self) -> str:
        place = "/".join(part for part in (self.host, self.name) if part) or self.path
        shown = f"{place} ({self.prefix}…)" if place and self.prefix else place or f"{self.prefix}…"
        return f"{self.kind} {shown}".strip()


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """packages: Python packages; hosts: of the team's own services; paths: folders and files that only it uses."""

    team: Team
    stores: tuple[Store, ...] = ()
    packages: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """A finding of `busline audit code` that is let be until a day. what: as the finding names it."""

    service: Service
    rule: str
    what: str
    why: str
    until: dt.date
    source: Source
