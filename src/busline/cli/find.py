"""`busline find WORDS`: which contracts there are about something."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

import click

from busline.bus.settings import Settings
from busline.cli.options import Where, json_option, run_async, where_options
from busline.cli.output import Output, clean
from busline.cli.workspace_path import find_workspace
from busline.contract.search import MAX_PARSED, Hit, Raw, search
from busline.contract.search_folder import OWN, raw_contracts
from busline.errors import ConfigurationError
from busline.names import ContractName

_FIELDS: Final = 3


@click.command(epilog="Example: busline find user statistics")
@click.argument("words", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Show the best so many.")
@where_options
@json_option
def find(output: Output, words: tuple[str, ...], limit: int, where: Where) -> None:
    """Find contracts by words: in names, descriptions, tags, fields and their docs. Best first.

    Plurals and hyphens make no difference. It looks in the workspace; with --env or --url at what is applied there.
    """
    hits = search(" ".join(words), _raws(where))
    for hit in hits[:limit]:
        output.result(
            {
                "contract": hit.page.name,
                "score": round(hit.score, 2),
                "description": hit.page.description.strip(),
                "tags": list(hit.page.tags),
                "fields": [{"name": field.path, "doc": field.doc} for field in hit.fields],
                "deprecated": hit.page.gone,
            },
            "\n".join(_lines(hit)),
        )
    if not hits:
        output.note("nothing found; try fewer or other words")
    elif len(hits) > limit:
        many = " or more" if len(hits) == MAX_PARSED else ""
        output.note(f"{len(hits) - limit}{many} others; say more words, or --limit {len(hits)}")
    else:
        output.note(f"more about one: busline show {hits[0].page.name}")


def _lines(hit: Hit) -> Iterator[str]:
    mark = click.style(" (deprecated)", fg="yellow") if hit.page.gone else ""
    yield click.style(hit.page.name, bold=True) + mark
    if hit.page.description.strip():
        yield f"  {clean(hit.page.description.strip().splitlines()[0])}"
    for field in hit.fields[:_FIELDS]:
        doc = clean(field.doc.partition("\n")[0])
        yield click.style(f"  {clean(field.path)}", dim=True) + (click.style(f": {doc}", dim=True) if doc else "")


def _raws(where: Where) -> Iterable[Raw]:
    if where.env is not None or where.url is not None:
        return _applied(where)
    path = find_workspace(where.workspace, Settings.load())
    if path is None:
        raise ConfigurationError("there is no workspace here", fix="Name one: --workspace, or an engine: --env, --url.")
    return chain(raw_contracts(path), raw_contracts(OWN))


def _applied(where: Where) -> Iterator[Raw]:
    from busline.cli.known import applied  # here: a search of files needs no engine, and no second for its modules
    from busline.cli.target import find_target

    log = run_async(applied(find_target(where)))
    latest: dict[str, int] = {}
    for key in log.records:
        kind, _, rest = key.decode(errors="replace").partition("/")
        name, _, number = rest.partition("/")
        if kind == "version" and number.isdigit():
            latest[name] = max(latest.get(name, 0), int(number))
    for known in log.catalog.names():
        version = f"version/{known}/{latest.get(known, 0)}".encode()
        yield Raw(ContractName(known), log.records[f"contract/{known}".encode()], log.records.get(version, b""))
