"""The environment that a folder's files give its service: what `os.environ["DB_HOST"]` may be."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from busline.governance.audit_code.bound_names import Text
from busline.governance.audit_code.configuration import Setting
from busline.governance.audit_code.endpoints import HOLE, MAX_TEXT

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_USE: Final = re.compile(
    r"\$\{([A-Za-z_]\w*)(?::?[-=]([^{}]*))?(?::?[?+][^{}]*)?\}|\$\(([A-Za-z_]\w*)\)|\$([A-Za-z_]\w*)"
)
MAX_VALUES: Final = 8


class Environment:
    """Variables by name. What differs between files (.env.dev, .env.prod) is all possible."""

    def __init__(self) -> None:
        self._values: dict[str, list[Text]] = {}

    def take(self, setting: Setting, shown: str) -> None:
        if not _VARIABLE.fullmatch(setting.name):
            return
        known = self._values.setdefault(setting.name, [])
        if len(known) < MAX_VALUES:
            known.append(Text(setting.value[:MAX_TEXT], f"{setting.name} in {shown}:{setting.line}"))

    def variable(self, name: str) -> Iterable[Text]:
        return [text._replace(text=self.filled(text.text)) for text in self._values.get(name, ())]

    def filled(self, value: str, rounds: int = 3) -> str:
        """With `${NAME:-default}`, `$NAME` and `$(NAME)` put in; what is not known is a hole."""

        def one(match: re.Match[str]) -> str:
            known = self._values.get(match[1] or match[3] or match[4])
            return known[0].text if known else match[2] if match[2] is not None else HOLE

        for _ in range(rounds):
            if "$" not in value:
                break
            value = _USE.sub(one, value)[:MAX_TEXT]
        return value
