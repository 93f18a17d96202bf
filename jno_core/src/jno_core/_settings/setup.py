"""`jno.setup`: where a script's run is stored, and its defaults."""

import logging
import os
from pathlib import Path

from jno_core._settings import ad_mode
from jno_core._settings.files import get_config
from jno_core.errors import JnoNotImplementedError, JnoValueError


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
      it. Anything that is not an existing file is taken as the run folder itself.
    - `diff_type`, `hessian_type`: as `set_ad_mode` and `set_hessian_mode`.

    Raises `JnoValueError` for a name with a path separator or control character. `wandb=True` comes with jno 0.3.
    """
    if wandb:
        raise JnoNotImplementedError("setup(wandb=True) comes with jno 0.3, together with the loggers.")
    if name is not None and (name in ("", ".", "..") or any(c in "/\\" or ord(c) < 32 for c in name)):
        raise JnoValueError(f"The name of a run must be one path component without control characters, got {name!r}.")
    if diff_type is not None:
        ad_mode.set_ad_mode(diff_type)
    if hessian_type is not None:
        ad_mode.set_hessian_mode(hessian_type)
    folder = _run_folder(Path(script_file), name)
    folder.mkdir(parents=True, exist_ok=True)
    _log_to(folder / "log.log")
    return str(folder)


def _run_folder(script: Path, name: str | None) -> Path:
    if not script.is_file():
        return script if name is None else script / name
    base = Path(os.environ.get("JNO_LOG_DIR") or get_config().get("runs.base_dir", "runs"))
    return (base if base.is_absolute() else script.resolve().parent / base) / (name or script.stem)


def _log_to(path: Path) -> None:
    logger = logging.getLogger("jno")
    for handler in list(logger.handlers):
        if isinstance(handler, logging.FileHandler):
            logger.removeHandler(handler)
            handler.close()
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
