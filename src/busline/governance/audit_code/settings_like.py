"""Which names say where something is, and which only talk of it: allow lists, links to docs, proxies left out."""

from __future__ import annotations

import re
from typing import Final

_PLACE: Final = re.compile(
    r"(host|server|url|uri|dsn|broker|addr|endpoint|connection|conn_str|conninfo|bootstrap|database|backend|target|"
    r"upstream|api|service|base|remote|node|jdbc|location|path|dir|folder|file|root|mount|"
    r"(^|[_.-])(db|redis|pg|mq|nats|kafka|mongo|es)([_.-]|$))",
    re.I,
)
_TALK: Final = re.compile(
    r"(allow|deny|block|origin|cors|csrf|referer|referrer|(^|[_.-])docs?([_.-]|$)|Docs|documentation|help|homepage|"
    r"home_page|support|link|no_proxy|noproxy|redirect|issuer|audience|csp|license|author|description|title|comment|"
    r"message|label|example|sample|pattern|regex|schema|xmlns|namespace|exclude|ignore|skip|forbid|banned|foreign|"
    r"robots|contact|e?mail|trusted|permitted|known_hosts|image|registry_image|repository|changelog|tracker|issues)",
    re.I,
)


def names_a_place(name: str) -> bool:
    return _PLACE.search(name) is not None and _TALK.search(name) is None


def only_talks(name: str) -> bool:
    return _TALK.search(name) is not None
