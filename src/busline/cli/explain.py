"""`busline explain CODE|RULE`: why an error or a finding is one, and the way out."""

from __future__ import annotations

import difflib

import click

from busline.cli.error_pages import ERROR_PAGES
from busline.cli.options import json_option
from busline.cli.output import Output, columns
from busline.contract.rules.catalogue import ALL_RULES
from busline.contract.rules.rule import Rule
from busline.errors import ConfigurationError


@click.command(epilog="Example: busline explain money-not-float")
@click.argument("name", metavar="[CODE|RULE]", required=False)
@json_option
def explain(output: Output, name: str | None) -> None:
    """Explain an error code (BL0204) or a rule of `busline check`; without one, list them all."""
    if name is None:
        return _list(output)
    code = name.upper()
    if code in ERROR_PAGES:
        return _error(output, code)
    if name.lower() in ALL_RULES:
        return _rule(output, ALL_RULES[name.lower()])
    near = difflib.get_close_matches(name.lower(), [*ALL_RULES, *(code.lower() for code in ERROR_PAGES)], n=3)
    fix = f"Did you mean {' or '.join(near)}?" if near else "`busline explain` lists them all."
    raise ConfigurationError(f"{name!r:.80} is no error code and no rule", fix=fix)


def _list(output: Output) -> None:
    rules = [(rule.id, rule.severity.value, rule.reason) for rule in ALL_RULES.values()]
    errors = [(code, "error", page.title) for code, page in ERROR_PAGES.items()]
    if not output.as_json:
        output.result({}, columns([*rules, *errors]))
        output.note("next: busline explain RULE, or busline explain CODE")
        return
    for name, severity, text in [*rules, *errors]:
        output.result({"name": name, "severity": severity, "text": text})


def _error(output: Output, code: str) -> None:
    page = ERROR_PAGES[code]
    text = f"{click.style(f'{code} {page.title}', bold=True)}\n\ncause  {page.cause}\n\nfix    {page.fix}"
    output.result({"code": code, **page._asdict()}, _wrapped(text))


def _rule(output: Output, rule: Rule) -> None:
    page = rule.page
    said = {
        "rule": rule.id,
        "severity": rule.severity.value,
        "outside": rule.outside.value,
        "may_be_off": not rule.always,
    }
    off = (
        "It cannot be off."
        if rule.always
        else f'Off, in the file that it is off for: rules: {{{rule.id}: {{off: "why"}}}}'
    )
    parts = [
        f"{click.style(rule.id, bold=True)}  ({_severity(rule)})",
        rule.reason,
        f"why    {page.why}",
        f"bad    {_code(page.bad)}",
        f"good   {_code(page.good)}",
        f"mend   {page.mend}",
        off,
    ]
    output.result({**said, "reason": rule.reason, **page._asdict()}, _wrapped("\n\n".join(parts)))


def _severity(rule: Rule) -> str:
    outside = f"; {rule.outside.value} for partner and public" if rule.outside is not rule.severity else ""
    return rule.severity.value + outside


def _code(text: str) -> str:
    return text.replace("\n", "\n       ")


def _wrapped(text: str) -> str:
    """Long paragraphs broken at words, under their own beginning; examples stay as they are."""
    shown = []
    for part in text.split("\n\n"):
        head = part[:7] if part[:7] in ("why    ", "mend   ", "cause  ", "fix    ") else ""
        example = part.startswith(("bad ", "good "))
        wrapped = click.wrap_text(part[len(head) :], 100, head, " " * len(head))
        shown.append(part if example else wrapped)
    return "\n\n".join(shown)
