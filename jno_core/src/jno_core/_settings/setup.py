"""`jno.setup`: where a script's run is stored, and its defaults."""

import logging
import os
from pathlib import Path
from typing import final

from jno_core._settings.ad_mode import choose_modes
from jno_core._settings.files import get_config
from jno_core.errors import JnoTypeError, JnoValueError

# Without a handler of its own Python prints a library's warnings to the standard error stream.
_logger = logging.getLogger("jno")
_logger.addHandler(logging.NullHandler())


def setup(
    script_file: str | Path,
    name: str | None = None,
    wandb: bool = False,
    diff_type: str | None = None,
    hessian_type: str | None = None,
) -> str:
    """Make the run folder of a script, send the log of `jno` to `log.log` in it, and set defaults. Returns the folder.

    - `script_file`: usually `__file__`. The folder is `<base_dir>/<name or the script's stem>`; a relative `base_dir` (from
      `[runs] base_dir`, default `runs`) is taken from the script's folder, and the environment variable `JNO_LOG_DIR` replaces
      it. Anything that is not an existing file is taken as the run folder itself, with `name` below it if there is one.
    - `wandb`: the callback `"wandb"` takes part in every `solve` that is given none of its kind, until the next `setup`.
    - `diff_type`, `hessian_type`: as `set_ad_mode` and `set_hessian_mode`; `None` leaves them as they are.

    The log is that of the standard logger `"jno"`; a second call moves it to the new folder.

    Raises `JnoValueError` for a name that is not one plain path component, a mode that does not exist or a folder that cannot
    be made.
    """
    for argument, value, kinds in (("script_file", script_file, str | Path), ("name", name, str | None)):
        if not isinstance(value, kinds):
            raise JnoTypeError(f"setup({argument}=...) takes a path or name, as in setup(__file__); got {value!r}.")
    if not isinstance(wandb, bool):
        raise JnoTypeError(
            f"setup(wandb=...) takes True or False, got {wandb!r}. To give the logger arguments, pass it to solve: "
            "callbacks=[Wandb(project=...)]."
        )
    if name is not None and not _is_path_component(name):
        raise JnoValueError(
            f"The name of a run must be one path component without control characters, such as 'poisson'; got {name!r}."
        )
    folder = _run_folder(Path(script_file), name)
    choose_modes(diff_type, hessian_type)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise JnoValueError(
            f"The run folder {folder} cannot be made: {e.strerror}. Set JNO_LOG_DIR or [runs] base_dir to another folder."
        ) from e
    _log_to(folder / "log.log", ("wandb",) if wandb else ())
    return str(folder)


def run_directory() -> Path | None:
    """The run folder of the last `setup`, where the log goes; `None` without one."""
    handlers = _run_logs()
    return Path(handlers[0].baseFilename).parent if handlers else None


def run_callbacks() -> tuple[str, ...]:
    """The names of the callbacks that the last `setup` wants in every run."""
    return tuple(name for handler in _run_logs() for name in handler.callbacks)


@final
class _RunLog(logging.FileHandler):
    """The log file in a run folder. What else `setup` was told of the run is kept beside it."""

    def __init__(self, path: Path, callbacks: tuple[str, ...]) -> None:
        # The file is made by the first message, so that a run that says nothing leaves no empty file.
        super().__init__(path, encoding="utf-8", delay=True)
        self.callbacks = callbacks
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))


def _run_logs() -> list[_RunLog]:
    return [handler for handler in _logger.handlers if isinstance(handler, _RunLog)]


def _is_path_component(name: str) -> bool:
    return name not in ("", ".", "..") and not any(c in "/\\" or ord(c) < 32 or ord(c) == 127 for c in name)


def _run_folder(script: Path, name: str | None) -> Path:
    if not script.is_file():
        return script if name is None else script / name
    base = Path(os.environ.get("JNO_LOG_DIR") or get_config().get("runs.base_dir", "runs"))
    # A relative base is taken from the script's folder; joining leaves an absolute one as it is.
    return script.resolve().parent / base.expanduser() / (name or script.stem)


def _log_to(path: Path, callbacks: tuple[str, ...]) -> None:
    for handler in _run_logs():
        _logger.removeHandler(handler)
        handler.close()
    _logger.addHandler(_RunLog(path, callbacks))
    if _logger.level == logging.NOTSET:
        _logger.setLevel(logging.INFO)
