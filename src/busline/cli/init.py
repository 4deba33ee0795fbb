"""`busline init`: a workspace and a service that runs at once."""

from __future__ import annotations

from pathlib import Path

import click

from busline.cli.declare import busline_yaml, write_files
from busline.cli.options import json_option
from busline.cli.output import Output
from busline.cli.pipeline import HOSTS, PIPELINES, pipeline_files
from busline.cli.platform_init import Platform, platform_options
from busline.cli.target import load_workspace
from busline.cli.workspace_path import FILE, FOLDER
from busline.errors import ConfigurationError
from busline.names import Service

_MODULE = '''"""The service {service}: says that an order was placed, and hears it."""

from pydantic import Field

from busline import Bus, Event


class OrderPlaced(Event, contract="{team}.order-placed", key="order_id"):
    """An order was accepted and paid for. Emitted once per order."""

    order_id: str = Field(description="Unique for ever.")
    total: int = Field(description="What the customer pays, in cents, taxes included.")


bus = Bus()  # its engine, name and workspace: [tool.busline] in pyproject.toml, or BUSLINE_URL, BUSLINE_SERVICE, …


@bus.subscribe(OrderPlaced)
async def on_order_placed(order: OrderPlaced) -> None:
    print("order", order.order_id, "total", order.total, flush=True)


async def main() -> None:
    await bus.publish(OrderPlaced(order_id="o-1", total=42))
    await bus.caught_up()


if __name__ == "__main__":
    bus.run(main)
'''
_PROJECT = """[tool.busline]
url = "sqlite:///.busline/local.db"
service = "{service}"
workspace = "schemas"
app = "{module}:bus"
"""
_CONTRACT = """description: An order was accepted and paid for. Emitted once per order.
key: order_id
access: {subscribe: []}
"""
_SCHEMA = """{{
  "type": "record",
  "name": "OrderPlaced",
  "namespace": "{namespace}",
  "doc": "An order was accepted and paid for. Emitted once per order.",
  "fields": [
    {{
      "name": "order_id",
      "type": "string",
      "doc": "Unique for ever."
    }},
    {{
      "name": "total",
      "type": "long",
      "doc": "What the customer pays, in cents, taxes included."
    }}
  ]
}}
"""
_TEAM = """description: The team {team}.
contact: {{chat: "#{team}"}}
"""
_SERVICE = """# Written by `busline declare` from the code. `start` and `accepts` are yours.
publishes:
  {team}.order-placed: 1
subscribes:
  {team}.order-placed: {{version: 1, fields: [order_id, total], start: earliest}}
accepts: []
"""


@click.command(epilog="Example: busline init shop --service orders/checkout")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
@click.option(
    "--service", metavar="TEAM/SERVICE", default="orders/checkout", show_default=True, help="The first service's name."
)
@click.option("--company", default="example", show_default=True, help="For busline.yaml.")
@click.option(
    "--ci", type=click.Choice(HOSTS), help="Write the pipeline and CODEOWNERS of the workspace there instead."
)
@platform_options
@json_option
def init(
    output: Output, folder: Path, service: str, company: str, ci: str | None, platform: Platform | None
) -> int | None:
    """Make a workspace (schemas/) and a service that runs at once, in FOLDER or here.

    Nothing is overwritten: if one of the files is there already, none is written. With --ci, for the workspace that is
    there: a pipeline of `busline check` and `busline plan`, and of `busline apply` after a merge; and a CODEOWNERS from
    the team files, or the lines that one which is there lacks.

    With --platform, for the platform team: the users that busline itself works with on a guarded engine, and what each
    may do; written as a script, or with --create made there by an administrator's credentials (BUSLINE_USER).
    """
    if platform is not None:
        return platform.carry_out(output, folder)
    if ci:
        _pipeline(output, folder, ci)
        return None
    name = Service(service)
    module = name.name.replace("-", "_")
    files = _files(name, module, company)
    there = [path for path in files if (folder / path).exists()]
    if there:
        raise ConfigurationError(
            "there is something here already",
            where=", ".join(str(folder / path) for path in there),
            fix="Take an empty folder (busline init NAME); in a project that exists: busline declare module:bus.",
        )
    write_files(folder, files)
    written = [str(folder / path) for path in files]
    output.result({"service": name, "written": written}, "\n".join(f"wrote {path}" for path in written))
    output.note("next:")
    steps = ["busline run " + module + ":bus", f"busline publish {name.team}.order-placed --fake 3"]
    for step in [*([] if folder == Path() else [f"cd {folder}"]), *steps, f"busline lag {name}"]:
        output.note(f"  {step}")
    return None


def _pipeline(output: Output, folder: Path, host: str) -> None:
    there = folder / FOLDER if (folder / FOLDER / FILE).is_file() else None
    root, files, lacking = pipeline_files(load_workspace(there), host)
    write_files(root, files)
    written = [str(root / path) for path in files]
    lines = [f"wrote {path}" for path in written] or ["everything is there already"]
    lines += ["add to CODEOWNERS:", *(f"  {line}" for line in lacking)] if lacking else []
    output.result({"written": written, "codeowners": lacking}, "\n".join(lines))
    if host == "gitlab" and files:
        output.note(f"next: include it in .gitlab-ci.yml: include: {{local: {PIPELINES[host]}}}")


def _files(service: Service, module: str, company: str) -> dict[str, str]:
    team = service.team
    words = {"service": service, "team": team, "module": module, "namespace": team.replace("-", "_")}
    return {
        "pyproject.toml": _PROJECT.format(**words),
        f"{module}.py": _MODULE.format(**words),
        ".busline/.gitignore": "*\n!.gitignore\n",
        "schemas/busline.yaml": busline_yaml(company),
        f"schemas/{team}/team.yaml": _TEAM.format(team=team),
        f"schemas/{team}/{service.name}.service.yaml": _SERVICE.format(**words),
        f"schemas/{team}/order-placed/contract.yaml": _CONTRACT,
        f"schemas/{team}/order-placed/1.avsc": _SCHEMA.format(**words),
    }
