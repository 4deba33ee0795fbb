"""A generated module as a file: which contracts are in it, so that the same file can be made again and compared.

The second line of the file says what it was made from; nothing else in it depends on anything but those contracts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from busline.contract.codegen import generate
from busline.contract.finding import Finding
from busline.contract.model import Contract, ServiceSpec
from busline.errors import ContractError, ContractUnknown
from busline.names import ContractName, Service

_SELECTION: Final = re.compile(
    r"^# busline codegen(?: --service (?P<service>\S+))?(?P<contracts>(?: [a-z][^ \n]*)*)$", re.M
)


class Published(Protocol):
    """The part of a workspace that models are made from."""

    @property
    def contracts(self) -> Mapping[ContractName, Contract]: ...

    @property
    def known(self) -> Mapping[ContractName, Contract]: ...

    @property
    def services(self) -> Mapping[Service, ServiceSpec]: ...


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What a module is made from: contracts by name, what a service declares, or (neither said) all that is in use."""

    contracts: tuple[ContractName, ...] = ()
    service: Service | None = None

    def __str__(self) -> str:
        service = (f"--service {self.service}",) if self.service else ()
        return " ".join(["# busline codegen", *service, *sorted(set(self.contracts))])


def module(published: Published, selection: Selection) -> str:
    """The module's text. Raises ContractUnknown, and ContractError for what Python's types cannot express."""
    wanted = dict(_wanted(published, selection))
    text = generate([published.known[name] for name in wanted], {n: v for n, v in wanted.items() if v is not None})
    head, _, body = text.partition("\n")
    return f"{head}\n{selection}\n{body}"


def selection_of(text: str) -> Selection | None:
    """What a generated file says that it was made from; None: it is no generated file, or its line was edited."""
    found = _SELECTION.search(text[:65_536])
    if found is None:
        return None
    try:
        service = Service(found["service"]) if found["service"] else None
        return Selection(contracts=tuple(ContractName(n) for n in found["contracts"].split()), service=service)
    except ContractError:
        return None


def check_generated(published: Published, file: Path) -> list[Finding]:
    """Whether a generated file is what the contracts say now; a file that was not generated has no findings."""
    text = file.read_text(encoding="utf-8")
    selection = selection_of(text)
    if selection is None:
        return []
    try:
        fresh = module(published, selection) == text
    except ContractError as error:
        return [Finding(file=str(file), line=2, what=error.what, fix=error.fix or "", rule="codegen-fresh")]
    what, fix = "the models are not what the contracts say", f"Run: busline codegen --out {file}"
    return [] if fresh else [Finding(file=str(file), what=what, fix=fix, rule="codegen-fresh")]


def _wanted(published: Published, selection: Selection) -> Iterator[tuple[ContractName, int | None]]:
    """Each contract with its version; None: the current one."""
    if not selection.contracts and selection.service is None:
        yield from ((name, None) for name, c in published.contracts.items() if c.versions and not c.retired)
    for name in selection.contracts:
        yield _known(published, name), None
    if selection.service is not None:
        spec = published.services.get(selection.service)
        if spec is None:
            fix = "Run `busline declare`, or name the contracts."
            raise ContractUnknown(f"{selection.service} is no service of the workspace", fix=fix)
        yield from ((name, None) for name in spec.reads)
        yield from ((s.contract, s.version) for s in spec.subscribes)
        yield from ((p.contract, p.version) for p in spec.publishes)


def _known(published: Published, name: ContractName) -> ContractName:
    if name not in published.known:
        raise ContractUnknown(f"{name} is no contract of the workspace", fix=f"busline find {name.stream}")
    return name
