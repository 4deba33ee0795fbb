"""`busline codegen`: typed models from published contracts, as one module."""

from __future__ import annotations

from pathlib import Path

import click

from busline.cli import options
from busline.cli.declare import write_files
from busline.cli.options import json_option, workspace_option
from busline.cli.output import Output
from busline.cli.target import load_workspace
from busline.contract.generated import Selection, module, selection_of
from busline.errors import ConfigurationError, ContractStale
from busline.names import ContractName, Service


@click.command(epilog="Example: busline codegen --service billing/invoicing --out src/invoicing/contracts.py")
@click.argument("contracts", metavar="[CONTRACT]...", nargs=-1, type=options.contract)
@click.option("--service", type=options.service, metavar="TEAM/SERVICE", help="What this service's file declares.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The module to write; else stdout.")
@click.option("--check", is_flag=True, help="Write nothing; exit code 3 if the file is not what the contracts say.")
@workspace_option
@json_option
def codegen(
    output: Output,
    contracts: tuple[ContractName, ...],
    service: Service | None,
    out: Path | None,
    check: bool,
    workspace: Path | None,
) -> None:
    """Write models from published contracts: one readable, typed module, always the same for the same contracts.

    Named contracts, or a service's own (in the versions that its file pins); without either, what the file says that
    it was made from, else every contract in use. A file that was not generated is never overwritten.
    """
    if check and out is None:
        raise ConfigurationError("--check compares a file", fix="Name it: --out FILE.")
    there = _text(out) if out else None
    selection = _selection(contracts, service, there, out)
    text = module(load_workspace(workspace), selection)
    if check and text != there:
        command = str(selection).removeprefix("# ")
        raise ContractStale(f"{out} is not what the contracts say", fix=f"{command} --out {out}")
    if out is None:
        return output.result({"module": text, "written": None}, text.rstrip("\n"))
    changed = text != there
    if changed:
        write_files(out.parent, {out.name: text})
    shown = {"module": text, "written": str(out) if changed else None}
    return output.result(shown, f"wrote {out}" if changed else f"{out} is as the contracts say")


def _text(file: Path) -> str | None:
    """None: there is no such file."""
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError("the file cannot be read", where=str(file), why=str(error)) from None


def _selection(
    contracts: tuple[ContractName, ...], service: Service | None, there: str | None, out: Path | None
) -> Selection:
    before = selection_of(there) if there else None
    if there and before is None:
        fix = "Name another file, or remove this one."
        raise ConfigurationError("the file was not made by `busline codegen`", where=str(out), fix=fix)
    if contracts or service is not None or before is None:
        return Selection(contracts=contracts, service=service)
    return before
