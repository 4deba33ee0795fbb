"""From busline.yaml's `teams` and `exceptions` to values, each with its line; wrong names become findings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from busline.contract.files import BuslineFile
from busline.contract.finding import Finding
from busline.contract.holdings import Holdings, Store, Waiver
from busline.contract.model import Source
from busline.contract.yaml_reader import Document
from busline.errors import ContractError
from busline.names import Service, Team


class Held(NamedTuple):
    """wrong: what names no team or service."""

    holdings: dict[Team, Holdings]
    waivers: tuple[Waiver, ...]
    wrong: list[Finding]


def holdings(file: BuslineFile, document: Document) -> Held:
    held = Held({}, (), [])
    for name, given in file.teams.items():
        try:
            team = Team(name)
        except ContractError as error:
            held.wrong.append(_finding(document, ("teams", name), error))
            continue
        stores = tuple(_stores(file, document, name))
        held.holdings[team] = Holdings(
            team=team, stores=stores, packages=given.packages, hosts=given.hosts, paths=given.paths
        )
    return held._replace(waivers=tuple(_waivers(file, document, held.wrong)))


def _stores(file: BuslineFile, document: Document, team: str) -> Iterator[Store]:
    for index, one in enumerate(file.teams[team].stores):
        source = Source(file=document.file, line=document.line(("teams", team, "stores", index)))
        yield Store(**{key: value or "" for key, value in one.model_dump().items()}, source=source)


def _waivers(file: BuslineFile, document: Document, wrong: list[Finding]) -> Iterator[Waiver]:
    for index, one in enumerate(file.exceptions):
        path = ("exceptions", index)
        try:
            service = Service(one.service)
        except ContractError as error:
            wrong.append(_finding(document, (*path, "service"), error))
            continue
        source = Source(file=document.file, line=document.line(path))
        yield Waiver(service=service, rule=one.rule, what=one.what, why=one.why, until=one.until, source=source)


def _finding(document: Document, path: tuple[str | int, ...], error: ContractError) -> Finding:
    key = ".".join(map(str, path))
    return Finding(file=document.file, line=document.line(path), key=key, what=error.what, fix=error.fix or "")
