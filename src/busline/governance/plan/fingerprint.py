"""One line that is the same as long as a plan would do the same, from the same commit on the same state."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

SIZE = 16


def fingerprint(lines: Iterable[object]) -> str:
    """Of the plan's own inputs; each is told from its neighbours."""
    digest = hashlib.blake2b(digest_size=SIZE)
    for line in lines:
        digest.update(line if isinstance(line, bytes) else repr(line).encode())
        digest.update(b"\n")
    return digest.hexdigest()
