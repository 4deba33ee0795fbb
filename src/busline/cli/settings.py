"""`busline settings`: each value and where it came from."""

from __future__ import annotations

import re

import click

from busline.bus.settings import KNOWN, Settings
from busline.cli.options import json_option
from busline.cli.output import Output, clean, columns


@click.command(epilog="Example: busline settings --json")
@json_option
def settings(output: Output) -> None:
    """Show each setting, its value and where it came from. Secrets are masked."""
    found = Settings.load()
    rows: list[tuple[str, ...]] = [("setting", "value", "from", "what it is")]
    for name, known in KNOWN.items():
        setting = found.found.get(name)
        value = without_password(setting.shown) if setting else None
        rows.append((name, clean(value or "-"), found.origin(name), known.about))
        if output.as_json:
            output.result({"name": name, "value": value, "origin": setting.origin if setting else None})
    if not output.as_json:
        output.result({}, columns(rows))


def without_password(url: str) -> str:
    """A password within a URL is masked."""
    return re.sub(r"(?<=://)([^/@\s:]*):[^/\s]*@", r"\1:********@", url)
