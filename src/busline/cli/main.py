"""`busline`: the command table, what every command has in common, and how a process of it ends.

A command's module is imported when it is run, so that `busline --help` and shell completion stay fast.
"""

from __future__ import annotations

import difflib
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

import click

from busline.cli.failures import Exit, describe
from busline.cli.output import Output, clean, to_json

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "init": ("busline.cli.init:init", "Make a workspace and a service that runs."),
    "declare": ("busline.cli.declare:declare", "Write contracts and the service file from the code."),
    "check": ("busline.cli.check:check", "Check contracts: files, rules, versions, readers."),
    "diff": ("busline.cli.diff:diff", "Show two versions of a contract side by side, and who would be hurt."),
    "codegen": ("busline.cli.codegen:codegen", "Write typed models from published contracts."),
    "adopt": ("busline.cli.adopt:adopt", "Write contracts for what is on a cluster already."),
    "plan": ("busline.cli.plan:plan", "Show what apply would change, and change nothing."),
    "apply": ("busline.cli.apply:apply", "Bring an environment to what the workspace says."),
    "audit": ("busline.cli.audit:audit", "Find what goes around the contracts: on the engine, in code."),
    "can-i-deploy": ("busline.cli.can_i_deploy:can_i_deploy", "Say whether a service or a contract may go live now."),
    "find": ("busline.cli.find:find", "Find contracts by words, best first."),
    "show": ("busline.cli.show:show", "Show a contract: what it is, its fields, who uses it, whether you may."),
    "can": ("busline.cli.can:can", "Say whether a service may publish, subscribe or read."),
    "request": ("busline.cli.request:request", "Ask for access: the one line in the owner's file."),
    "run": ("busline.cli.run:run", "Run a service: module:bus."),
    "publish": ("busline.cli.publish:publish", "Publish events from stdin, or made-up ones."),
    "read": ("busline.cli.read:read", "Read a contract's events from a start to an end."),
    "tail": ("busline.cli.read:tail", "Follow a contract's events as they come."),
    "lag": ("busline.cli.lag:lag", "Show how far a service is behind."),
    "dlq": ("busline.cli.dlq:dlq", "List, show, replay and purge dead letters."),
    "settings": ("busline.cli.settings:settings", "Show each setting and where it came from."),
    "doctor": ("busline.cli.doctor:doctor", "Look whether everything fits together here."),
    "explain": ("busline.cli.explain:explain", "Explain an error code, or a rule of check."),
    "completion": ("busline.cli.completion:completion", "Print the completion script of a shell."),
    "demo": ("busline.cli.demo:demo", "Run three services of three teams and prove that nothing is lost."),
}
"""Command: where it is, and its line in `busline --help`."""


class LazyGroup(click.Group):
    """A group that knows its commands' names and summaries, and imports a command when it is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            near = difflib.get_close_matches(cmd_name, COMMANDS, n=1)
            if near:
                raise click.UsageError(f"No such command '{cmd_name}'. Did you mean {near[0]}?", ctx)
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        found: click.Command = getattr(importlib.import_module(module), name)
        return found

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # here, since click would end the process with 1
            raise click.exceptions.Exit(_reader_gone()) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 ok, 1 failed, 2 usage, 3 changes pending, 4 findings, 5 not allowed, 6 unreachable, "
    "130 interrupted, 141 nobody reads the output.",
)
@click.version_option(package_name="busline", prog_name="busline", message="%(prog)s %(version)s")
def cli() -> None:
    """Published event contracts: typed, owned, enforced."""


def main(args: Sequence[str] | None = None) -> NoReturn:
    """The console script. Ends the process with the exit code of what happened."""
    sys.exit(run(sys.argv[1:] if args is None else args))


def run(args: Sequence[str]) -> int:
    """Run one command line and return its exit code; a failure is shown on stderr, as JSON where --json is given."""
    as_json = "--json" in args
    colour = False if os.environ.get("NO_COLOR") else None
    try:
        code = cli.main(list(args), prog_name="busline", standalone_mode=False, color=colour)
        sys.stdout.flush()
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except BrokenPipeError:
        return _reader_gone()
    except click.exceptions.NoArgsIsHelpError as asked:
        click.echo(asked.format_message(), err=True)
        return Exit.USAGE
    except (Exception, KeyboardInterrupt) as error:
        return _fail(error, as_json, colour)
    return code if isinstance(code, int) else Exit.OK


def _fail(error: BaseException, as_json: bool, colour: bool | None) -> int:
    failure = describe(error)
    if failure.exit is Exit.INTERRUPTED and not as_json:
        Output().note("interrupted")
        return Exit.INTERRUPTED
    try:
        if as_json:
            click.echo(to_json(failure.as_json()), err=True)
        else:
            head, *rest = failure.lines()
            click.echo("\n".join([click.style(clean(head), fg="red"), *map(clean, rest)]), err=True, color=colour)
    except BrokenPipeError:
        return _reader_gone()
    return failure.exit


def _reader_gone() -> int:
    """Nobody reads any more: keep the interpreter's last flush from complaining, and say what the shell expects."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 128 + signal.SIGPIPE


if __name__ == "__main__":
    main()
