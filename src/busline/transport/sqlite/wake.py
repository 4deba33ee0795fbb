"""Waking the other processes of a file: a unix datagram after each commit.

Every process binds one socket in a folder that follows from the file's path. A lost datagram is harmless: a full
queue holds one already, and a slow poll is the net. (inotify on the WAL would fire before the commit is visible.)
"""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
import time
import uuid
from pathlib import Path
from threading import Lock

from busline.transport.log import Change

_LONGEST = 90  # a unix socket's path has at most 104 bytes (macOS; Linux 108)
_SETTLED_NS = 200_000_000
_CODES: dict[Change, bytes] = {"records": b"r", "groups": b"g"}
_CHANGES: dict[bytes, Change] = {code: change for change, code in _CODES.items()}


def wake_folder(path: str) -> Path:
    """`FILE.wake`, or a folder of the temporary directory where that is too long for a socket's name."""
    real = os.path.realpath(path)
    if len(os.fsencode(real)) + len(".wake/") + 32 <= _LONGEST + 14:
        return Path(f"{real}.wake")
    digest = hashlib.sha256(os.fsencode(real)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"busline-{os.getuid()}-{digest}"


class Wake:
    """One process's socket, and what it knows of the others'. `send` may be called from any thread."""

    def __init__(self, path: str) -> None:
        self._folder = wake_folder(path)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._mine = uuid.uuid4().hex
        self._peers: list[str] = []
        self._listed: int | None = None
        self._lock = Lock()
        self._outgoing = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._outgoing.setblocking(False)
        self.incoming = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.incoming.setblocking(False)
        self.incoming.bind(str(self._folder / self._mine))

    def send(self, change: Change) -> None:
        with self._lock:
            for peer in self._others():
                self._send(peer, _CODES[change])

    def _others(self) -> list[str]:
        """Listed anew when the folder changed; its time stamp is coarse, so a young one proves nothing."""
        try:
            changed = os.stat(self._folder).st_mtime_ns
        except FileNotFoundError:
            return []
        if changed != self._listed:
            self._listed = changed if time.time_ns() - changed > _SETTLED_NS else None
            self._peers = [str(self._folder / name) for name in os.listdir(self._folder) if name != self._mine]
        return self._peers

    def _send(self, peer: str, code: bytes) -> None:
        try:
            self._outgoing.sendto(code, peer)
        except BlockingIOError:
            pass
        except (ConnectionRefusedError, FileNotFoundError):  # its process has died
            try:
                os.unlink(peer)
            except FileNotFoundError:
                pass
        except OSError:  # the poll is the net
            pass

    def receive(self) -> set[Change]:
        """What has come, without waiting."""
        changes: set[Change] = set()
        try:
            while True:
                changes.add(_CHANGES.get(self.incoming.recv(8), "records"))
        except OSError:
            return changes

    def close(self) -> None:
        with self._lock:
            self.incoming.close()
            self._outgoing.close()
            self._peers, self._folder = [], self._folder
            try:
                os.unlink(self._folder / self._mine)
            except FileNotFoundError:
                pass
