"""`busline can SERVICE ACTION CONTRACT`: yes or no, and which line says so."""

from __future__ import annotations

import click

from busline.bus.notices import today
from busline.cli import options
from busline.cli.failures import Exit
from busline.cli.known import Known, known
from busline.cli.options import Where, json_option, run_async, where_options
from busline.cli.output import Output
from busline.contract.access import Decision, decide
from busline.contract.model import Action
from busline.names import ContractName, Service


@click.command(epilog="Example: busline can billing/invoicing subscribe orders.order-placed --env prod")
@click.argument("service", type=options.service)
@click.argument("action", type=click.Choice([action.value for action in Action]))
@click.argument("contract", type=options.contract)
@where_options
@json_option
def can(output: Output, service: Service, action: str, contract: ContractName, where: Where) -> int:
    """Say whether a service may publish, subscribe or read; exit code 5 if not.

    As the workspace says; with --env or --url, as it is applied there. The answer names the rule, its file and line,
    and what would change it.
    """
    found = run_async(known(where, contract))
    decision = answer(found, service, Action(action), contract)
    output.result(
        {
            "service": service,
            "action": action,
            "contract": contract,
            "allowed": decision.allowed,
            "rule": decision.rule,
            "why": decision.why,
            "file": decision.source.file if decision.source else None,
            "line": decision.source.line if decision.source else None,
            "pii": decision.pii,
            "ask": decision.ask or None,
            "change": decision.change or None,
        },
        "\n".join(lines(decision)),
    )
    return Exit.OK if decision else Exit.NOT_ALLOWED


def answer(found: Known, service: Service, action: Action, name: ContractName) -> Decision:
    return decide(
        service=service,
        action=action,
        contract=found.contracts.get(name, name),
        declared=found.services.get(service),
        team=found.teams.get(name.team),
        today=today(),
    )


def lines(decision: Decision) -> list[str]:
    word = click.style("yes", fg="green") if decision else click.style("no", fg="red")
    place = f", {decision.source}" if decision.source else ""
    shown = [f"{word}: {decision.why}", f"  rule {decision.rule}{place}"]
    if decision.change:
        shown.append(f"  {decision.change}")
    return [*shown, f"  Ask {decision.ask}."] if decision.ask else shown
