"""One writer for one folder."""

import datetime
import json
import os
import socket
import sys
from pathlib import Path
from typing import final

from jno_core.errors import JnoOSError

LOCK_FILE = ".writer"
_NAME_ENDS = 4096

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        # What is locked cannot be read, so a byte that the name of the owner does not reach.
        os.lseek(descriptor, _NAME_ENDS, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@final
class WriterLock:
    """The right to write to a folder, which one run at a time has.

    The operating system keeps it, and takes it back when the process ends, however it ends. The file that it is kept on
    stays, and tells who had it last.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock at once, or raise `JnoOSError` telling who has it, or that the folder cannot be written."""
        path = self._directory / LOCK_FILE
        descriptor = None
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            _lock(descriptor)
            since = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            text = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since})
            os.truncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, text.encode())
        except OSError as e:
            error = self._refused(e, descriptor)
            if descriptor is not None:
                os.close(descriptor)
            raise error from e
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back. May be called again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _refused(self, cause: OSError, descriptor: int | None) -> JnoOSError:
        folder = repr(str(self._directory))
        if descriptor is not None and isinstance(cause, BlockingIOError | PermissionError):
            return JnoOSError(
                f"Another run writes its checkpoints to {folder}: {_owner(descriptor)}. Give each run a directory of its "
                "own, or wait until that one has ended."
            )
        return JnoOSError(f"Checkpoints cannot be written to {folder}: {cause.strerror}. Choose another directory.")


def _owner(descriptor: int) -> str:
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        owner = json.loads(os.read(descriptor, _NAME_ENDS))
        return f"process {owner['pid']} on {owner['host']}, since {owner['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        # Between taking the lock and writing its name the owner is not known.
        return "a process that has just started"
