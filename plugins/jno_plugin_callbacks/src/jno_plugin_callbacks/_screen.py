"""Where a picture that changes is shown."""

import abc
import os
import sys
import warnings
from pathlib import Path
from typing import Any, final

from jno_core.errors import JnoWarning


class AbstractScreen(abc.ABC):
    """Shows one picture at a time."""

    @abc.abstractmethod
    def show(self, png: bytes) -> None:
        """Replaces the picture."""


@final
class FileScreen(AbstractScreen):
    """A file, which is whole at any time. If it cannot be written, one `JnoWarning` says so."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._has_failed = False

    def show(self, png: bytes) -> None:
        draft = self._path.with_name(self._path.name + ".part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(png)
            os.replace(draft, self._path)
        except OSError as error:
            if not self._has_failed:
                warnings.warn(f"The picture {self._path} cannot be written: {error}.", JnoWarning, stacklevel=2)
            self._has_failed = True


@final
class NotebookScreen(AbstractScreen):
    """The output of a notebook's cell."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, png: bytes) -> None:
        from IPython.display import Image, display  # pyright: ignore[reportMissingImports]

        if self._handle is None:
            self._handle = display(Image(data=png), display_id=True)
        else:
            self._handle.update(Image(data=png))


def is_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    if "IPython" not in sys.modules:
        return False
    from IPython.core.getipython import get_ipython  # pyright: ignore[reportMissingImports]

    return getattr(get_ipython(), "kernel", None) is not None
