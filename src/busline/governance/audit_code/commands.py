"""Command lines, as scripts, Dockerfiles, compose files and subprocesses have them: where to, what is installed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from busline.governance.audit_code.endpoints import Endpoint, endpoints
from busline.governance.audit_code.requirements import Requirement, requirement
from busline.governance.audit_code.words import words

MAX_WORDS: Final = 500
_TALK: Final = words("echo printf grep egrep rg sed awk # : test [ LABEL MAINTAINER COPY ADD")
_KAFKA: Final = re.compile(r"(?:^|[\s/;|&(\"'])(kcat|kafkacat|kafkactl|kaf|rpk|(?:kafka|connect)-[a-z-]+(?:\.sh)?)\b")
_INSTALL: Final = re.compile(r"\b(?:pip3?\s+install|uv\s+add|poetry\s+add|pdm\s+add|pipx\s+install)\s+([^;|\n]*)")
_OPTION: Final = re.compile(r"--?[A-Za-z][\w-]*=")


def only_tells(command: str) -> bool:
    """It prints or searches the words that it names."""
    return command.split(maxsplit=1)[0] in _TALK if command.split() else True


def places(command: str) -> Iterator[Endpoint]:
    """What its words name: URLs, hosts with a dot or a port, paths; `--host=x` too."""
    for word in command.split()[:MAX_WORDS]:
        plain = _OPTION.sub("", word.strip("'\"`,;()"), count=1)
        for one in endpoints(plain):
            if not one.bare or "." in one.host or one.port:
                yield one


def is_kafka(command: str) -> bool:
    """A Kafka tool is called."""
    return _KAFKA.search(command) is not None


def installed(command: str, line: int) -> Iterator[Requirement]:
    for match in _INSTALL.finditer(command):
        for word in match[1].split()[:MAX_WORDS]:
            if found := requirement(line, word.strip("'\"")):
                yield found
