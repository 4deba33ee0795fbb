"""`busline completion SHELL`: the script that completes commands, options and contract names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from busline.cli.options import json_option
from busline.cli.output import Output


@click.command(epilog='Example: eval "$(busline completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@json_option
def completion(output: Output, shell: str) -> None:
    """Print the completion script of a shell.

    bash and zsh: eval "$(busline completion bash)" in the shell's start file; fish: busline completion fish | source.
    Contracts are completed from the names of the workspace's folders; no engine is asked.
    """
    from busline.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None  # click brings all three
    script = kind(cli, {}, "busline", "_BUSLINE_COMPLETE").source()
    output.result({"shell": shell, "script": script}, script.rstrip("\n"))
