"""One more grant in a contract.yaml as people wrote it: the text is edited in place, nothing else in it moves.

The places come from YAML's own nodes; what comes out is parsed again and compared, so that no layout that is not
understood is written.
"""

from __future__ import annotations

import copy
from typing import Any, Final

import yaml

from busline.contract.finding import Finding
from busline.contract.yaml_reader import parse_yaml
from busline.errors import ContractError

_PLACE: Final = "access"


def add_grant(text: str, key: str, to: str, *, pii: bool = False, why: str = "") -> str:
    """The text with `to` under `access.<key>`, on a line of its own or at the end of the list that is there.

    With pii it takes the place of their grant without it. why becomes a comment where the line has none yet. Raises
    ContractError where the text is laid out in a way that cannot be edited safely.
    """
    ending = "\r\n" if "\r\n" in text else "\n"
    plain = text.replace("\r\n", "\n")
    item = f"{{to: {to}, pii: true}}" if pii else to
    before = _values(plain)
    made = _edited(plain, key, to, item, f"  # {' '.join(why.split())}" if why.strip() else "")
    if _values(made) != _expected(before, key, {"to": to, "pii": True} if pii else to):
        raise ContractError(
            "the file is laid out in a way that is not edited safely",
            fix=f"Add {item} under access.{key} by hand.",
        )
    return made.replace("\n", ending)


def _edited(text: str, key: str, to: str, item: str, comment: str) -> str:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    access = _value(root, _PLACE)
    if access is None:
        return f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}access: {{{key}: [{item}]}}{comment}\n"
    if isinstance(access, yaml.ScalarNode):  # `access:` with nothing behind it
        return _insert(text, _behind_key(text, root, _PLACE), f" {{{key}: [{item}]}}", comment)
    given = _value(access, key)
    if given is None:
        return _new_key(text, access, f"{key}: [{item}]", comment)
    if isinstance(given, yaml.ScalarNode):
        return _insert(text, _behind_key(text, access, key), f" [{item}]", comment)
    bare = next((one for one in given.value if isinstance(one, yaml.ScalarNode) and one.value == to), None)
    if bare is not None:
        start, end = bare.start_mark.index, bare.end_mark.index
        return _insert(text[:start] + text[end:], start, item, comment)
    if given.flow_style:
        return _into_flow(text, given, item, comment)
    return _line_after(text, given, f"{' ' * given.start_mark.column}- {item}{comment}")


def _new_key(text: str, access: Any, line: str, comment: str) -> str:
    if access.flow_style:
        return _into_flow(text, access, line, comment)
    return _line_after(text, access, f"{' ' * access.start_mark.column}{line}{comment}")


def _into_flow(text: str, node: Any, item: str, comment: str) -> str:
    """Behind the last member, or behind the bracket of an empty one."""
    if not node.value:
        return _insert(text, node.start_mark.index + 1, item, comment)
    return _insert(text, _end(node.value[-1]), f", {item}", comment)


def _insert(text: str, place: int, what: str, comment: str) -> str:
    made = text[:place] + what + text[place:]
    end = made.find("\n", place + len(what))
    end = len(made) if end < 0 else end
    rest = made[place + len(what) : end]
    return made if "#" in rest or '"' in rest or "'" in rest else f"{made[:end].rstrip()}{comment}{made[end:]}"


def _line_after(text: str, node: Any, line: str) -> str:
    """A line of its own behind the last one of the node's values; comments below stay below."""
    end = text.find("\n", _end(node.value[-1]))
    return f"{text}\n{line}\n" if end < 0 else f"{text[: end + 1]}{line}\n{text[end + 1 :]}"


def _end(value: Any) -> int:
    """Where a value's own text ends. A block's own mark lies behind the blank lines and comments that follow it."""
    node = value[1] if isinstance(value, tuple) else value
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    return _end(node.value[-1])


def _value(node: Any, key: str) -> Any:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _behind_key(text: str, node: Any, key: str) -> int:
    mark = next(name.end_mark.index for name, _ in node.value if name.value == key)
    return text.index(":", mark) + 1


def _values(text: str) -> Any:
    document = parse_yaml(text.encode(), "contract.yaml")
    if isinstance(document, Finding):
        raise ContractError("the contract's file is not YAML", why=str(document), fix="Mend it first: busline check.")
    return document.value


def _expected(value: Any, key: str, grant: object) -> Any:
    made = copy.deepcopy(value) if isinstance(value, dict) else {}
    access = made.get(_PLACE) or {}
    grants = list(access.get(key) or [])
    bare = grant["to"] if isinstance(grant, dict) else grant
    if bare in grants:
        grants[grants.index(bare)] = grant
    else:
        grants.append(grant)
    made[_PLACE] = {**access, key: grants}
    return made
