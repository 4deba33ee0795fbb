"""How a command fails: one mapping from errors to exit codes, and one way to show an error.

Exit codes: 0 ok, 1 failed, 2 usage, 3 changes pending, 4 findings, 5 not allowed, 6 unreachable, 130 interrupted.
"""

from __future__ import annotations

import os
import traceback
from enum import IntEnum
from typing import Final, NamedTuple

import click

from busline import errors


class Exit(IntEnum):
    """What a command's exit code says."""

    OK = 0
    FAILED = 1
    USAGE = 2
    PENDING = 3
    FINDINGS = 4
    NOT_ALLOWED = 5
    UNREACHABLE = 6
    INTERRUPTED = 130


UNEXPECTED_CODE: Final = "BL0000"
USAGE_CODE: Final = "BL0002"

EXIT_OF: Final[dict[type[errors.BuslineError], Exit]] = {
    errors.BuslineError: Exit.FAILED,
    errors.ConfigurationError: Exit.USAGE,
    errors.MissingExtra: Exit.FAILED,
    errors.WorkspaceInvalid: Exit.FINDINGS,
    errors.ContractStale: Exit.PENDING,
    errors.ReadersHurt: Exit.FINDINGS,
    errors.AccessDenied: Exit.NOT_ALLOWED,
    errors.AuthenticationFailed: Exit.NOT_ALLOWED,
    errors.NotAuthorized: Exit.NOT_ALLOWED,
    errors.RegistryForbidden: Exit.NOT_ALLOWED,
    errors.Unreachable: Exit.UNREACHABLE,
    errors.RegistryUnreachable: Exit.UNREACHABLE,
}
"""The nearest class in an error's line of descent decides."""


class Failure(NamedTuple):
    """An error as it is shown: in lines for people, as one JSON object for programs."""

    code: str
    exit: Exit
    what: str
    where: str | None = None
    why: str | None = None
    fix: str | None = None
    retryable: bool = False
    details: tuple[str, ...] = ()
    trace: str | None = None

    def lines(self) -> list[str]:
        named = (("where", self.where), ("why", self.why), ("fix", self.fix))
        shown = [f"  {name + ':':<7}{_indented(text)}" for name, text in named if text]
        details = [f"  {_indented(detail, 4)}" for detail in self.details]
        return [f"error[{self.code}]: {self.what}", *details, *shown, *([self.trace] if self.trace else [])]

    def as_json(self) -> dict[str, object]:
        return {"error": {**self._asdict(), "exit": int(self.exit), "details": list(self.details)}}


def exit_of(error: errors.BuslineError) -> Exit:
    """The exit code of an error; a publish that failed for a known reason exits as that reason does."""
    if isinstance(error, errors.NotPublished) and error.cause is not None:
        return exit_of(error.cause)
    return next(EXIT_OF[kind] for kind in type(error).__mro__ if kind in EXIT_OF)


def describe(error: BaseException) -> Failure:
    """Any exception as a Failure. The traceback rides along when BUSLINE_DEBUG is set."""
    trace = "".join(traceback.format_exception(error)).rstrip() if os.environ.get("BUSLINE_DEBUG") else None
    match error:
        case errors.BuslineError():
            return _busline(error)._replace(trace=trace)
        case click.ClickException():
            return _usage(error)
        case KeyboardInterrupt() | click.Abort():
            return Failure(UNEXPECTED_CODE, Exit.INTERRUPTED, "interrupted", trace=trace)
    return Failure(
        UNEXPECTED_CODE,
        Exit.FAILED,
        f"{type(error).__name__}: {error}" if str(error) else type(error).__name__,
        why="an error that busline did not foresee",
        fix="Run it again with BUSLINE_DEBUG=1 for the traceback; if it is busline's own, report it with that.",
        trace=trace,
    )


def _busline(error: errors.BuslineError) -> Failure:
    details: tuple[str, ...] = ()
    if isinstance(error, errors.WorkspaceInvalid):
        details = tuple(str(finding) for finding in error.findings)
    if isinstance(error, errors.ApplyError):
        details = error.conflicts
    if isinstance(error, errors.PublishFailed):
        details = tuple(str(outcome) for outcome in error.outcomes if isinstance(outcome, errors.PublishError))[:20]
    return Failure(error.code, exit_of(error), error.what, error.where, error.why, error.fix, error.retryable, details)


def _usage(error: click.ClickException) -> Failure:
    context = getattr(error, "ctx", None)
    fix = f"See `{context.command_path} --help`." if context else None
    return Failure(USAGE_CODE, Exit.USAGE, error.format_message().rstrip(), fix=fix)


def _indented(text: str, columns: int = 9) -> str:
    return text.strip("\n").replace("\n", "\n" + " " * columns)
