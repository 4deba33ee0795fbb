"""Waking the other processes of a file: a unix datagram after each commit.

Every process that listens binds one socket, in a folder that follows from the path. A lost datagram is harmless: a full
queue holds one already, and a slow poll is the net. (inotify on the WAL would fire before the commit is visible.)
"""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path
from threading import Lock

from busline.transport.log import Change

logger = logging.getLogger("busline.transport.sqlite")

_LONGEST = 103  # bytes of a unix socket's path (macOS; Linux has 107)
_FORGOTTEN = 3600.0
_SETTLED_NS = 200_000_000
_CODES: dict[Change, bytes] = {"records": b"r", "groups": b"g"}
_CHANGES: dict[bytes, Change] = {code: change for change, code in _CODES.items()}


def wake_folder(path: str) -> Path:
    """`FILE.wake`, or a folder of the temporary directory where that is too long for a socket's name."""
    real = os.path.realpath(path)
    if len(os.fsencode(real)) + len(".wake/") + 32 <= _LONGEST:
        return Path(f"{real}.wake")
    digest = hashlib.sha256(os.fsencode(real)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"busline-{os.getuid()}-{digest}"


class Wake:
    """What a process knows of the others' sockets, and its own once it listens. `send` may be called from any thread.

    A process that only publishes binds none: nobody has to wake it.
    """

    def __init__(self, path: str) -> None:
        self._folder = str(wake_folder(path))
        self.name = uuid.uuid4().hex
        self._peers: list[str] = []
        self._listed: int | None = None
        self._lock = Lock()
        self._outgoing = _socket()
        self._incoming: socket.socket | None = None

    def listen(self) -> socket.socket | None:
        """Bind the socket to wait on. None where sockets cannot be (some file systems): then there is the poll."""
        incoming = _socket()
        while True:
            try:
                os.makedirs(self._folder, mode=0o700, exist_ok=True)
                incoming.bind(f"{self._folder}/{self.name}")
                break
            except FileNotFoundError:  # the last one has just left, and taken the folder along
                continue
            except OSError as error:
                logger.warning("no wake-up by socket in %s, polling instead: %s", self._folder, error)
                incoming.close()
                return None
        self._incoming = incoming
        self._sweep()
        return incoming

    def _sweep(self) -> None:
        """Remove what crashed processes left, once nobody needs it any more to know that they are gone."""
        for name in os.listdir(self._folder):
            path = f"{self._folder}/{name}"
            with suppress(FileNotFoundError):
                if time.time() - os.stat(path).st_mtime > _FORGOTTEN and _abandoned(path):
                    os.unlink(path)

    def send(self, change: Change) -> None:
        with self._lock:
            for peer in self._others():
                self._send(peer, _CODES[change])

    def _others(self) -> list[str]:
        """Listed anew when the folder changed; its time stamp is coarse, so a young one proves nothing."""
        try:
            changed = os.stat(self._folder).st_mtime_ns
            if changed != self._listed:
                self._peers = [f"{self._folder}/{name}" for name in os.listdir(self._folder) if name != self.name]
                self._listed = changed if time.time_ns() - changed > _SETTLED_NS else None
        except OSError:  # somebody removed the folder: the poll is the net
            self._peers = []
        return self._peers

    def _send(self, peer: str, code: bytes) -> None:
        with suppress(OSError):  # its queue is full, so it wakes; or its process has ended
            self._outgoing.sendto(code, peer)

    def gone(self, name: str) -> bool:
        """Whether the process that bound this name has ended: its socket's file is there, and nobody behind it."""
        return _abandoned(f"{self._folder}/{name}")

    def receive(self) -> set[Change]:
        """What has come, without waiting."""
        changes: set[Change] = set()
        try:
            while self._incoming:
                changes.add(_CHANGES.get(self._incoming.recv(8), "records"))
        except OSError:
            pass
        return changes

    def close(self) -> None:
        with self._lock:
            self._outgoing.close()
            if self._incoming:
                self._incoming.close()
                self._incoming = None
                _unlink(f"{self._folder}/{self.name}")
                with suppress(OSError):  # others are listening
                    os.rmdir(self._folder)


def _socket() -> socket.socket:
    new = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    new.setblocking(False)
    return new


def _abandoned(path: str) -> bool:
    with _socket() as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return False


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
