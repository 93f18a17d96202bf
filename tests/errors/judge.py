"""Judges the cases of one group, each in a process of its own: `python judge.py cases/operators.py` prints JSON.

The processes are forked after the imports and before JAX has started a backend, so they share nothing that a case could
change, and a case that hangs or crashes takes only its own process with it.
"""

import importlib.util
import json
import os
import re
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SECONDS = 20.0
MOST_LINES = 15
INTERNALS = re.compile(
    r"Traceback|Tracer|jax\._src|site-packages|jaxpr|ShapedArray|eval_shape|PyTreeDef|GetAttrKey|dot_general|vmap|"
    r"abstract array|abstract tracer|on_values|File \"",
    re.IGNORECASE,
)
PLUGINS = ("jno_plugin_ad", "jno_plugin_balancers", "jno_plugin_callbacks", "jno_plugin_fd", "jno_plugin_geometry")
COMPILATION = "/jax/core/compile/backend_compile_duration"
# By these JAX brings an array to the device and looks at it; none is a part of what the user asks to be computed.
PLACING = frozenset(
    f"jit({name})"
    for name in (
        "_reduce_all",
        "_threefry_seed",
        "broadcast_in_dim",
        "convert_element_type",
        "isfinite",
        "squeeze",
        "stack",
        "stage",
    )
)


def loaded(path: Path) -> Any:
    """The module of a file, under its own name."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def judged(case: Any, folder: Path) -> dict[str, Any]:
    """The verdict on a case, in this process."""
    import jax
    from world import Handled, Refused, Warned, World

    from jno_core.errors import JnoError, JnoWarning

    compiled: list[str] = []
    world = World(folder)

    def listen(event: str, _: float, **about: Any) -> None:
        name = str(about.get("fun_name", event))
        if event == COMPILATION and not world.building and name not in PLACING:
            compiled.append(name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    error: BaseException | None = None
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            case.attempt(world)
        # A case may also try to end the process; that is a verdict, too.
        except BaseException as raised:  # noqa: BLE001
            error = raised
    caught = [w.message for w in seen if not isinstance(w.message, ResourceWarning)]
    if isinstance(case, Handled):
        if error is not None:
            return verdict("wrong", error)
        return verdict("warned", caught[0]) if caught else {"outcome": "handled"}
    if isinstance(case, Warned):
        if error is not None:
            return verdict("wrong", error)
        if not caught:
            return {"outcome": "silent"}
        return {**worded(caught[0], case, JnoWarning, case.warning), "compiled": 0}
    assert isinstance(case, Refused)
    if error is None:
        return {"outcome": "silent", "message": f"warned: {caught[0]!r}" if caught else "no error"}
    found = {**worded(error, case, JnoError, case.error), "compiled": len(compiled)}
    if found["outcome"] != "clear":
        return found
    frames = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    if not frames[-1].startswith("jno"):
        return {**found, "outcome": "obscure", "why": f"raised in {frames[-1]}"}
    foreign = [name for name in frames if name.split(".")[0] in ("jax", "jaxlib")]
    if foreign and not case.late:
        return {**found, "outcome": "obscure", "why": f"passes through {foreign[-1]}"}
    if compiled and not case.late:
        return {**found, "outcome": "late", "why": f"compiled before: {', '.join(compiled)}"}
    return found


def worded(error: Any, case: Any, root: type, expected: type) -> dict[str, Any]:
    """Whether an error or a warning is one of ours, of the expected class, and says what it must."""
    message = str(error)
    missing = [word for word in (*case.cause, *case.remedy) if word not in message]
    faults = {
        # What `getattr` and `dir` rely on stays an AttributeError.
        f"not a {root.__name__}": not isinstance(error, (root, AttributeError)),
        f"not a {expected.__name__}": not isinstance(error, expected),
        f"does not say {missing}": missing,
        f"has {len(message.splitlines())} lines": len(message.splitlines()) > MOST_LINES,
        "shows internals": INTERNALS.search(message),
        "the case names no cause or no remedy": not (case.cause and case.remedy),
    }
    why = [fault for fault, present in faults.items() if present]
    return {**verdict("obscure" if why else "clear", error), "why": "; ".join(why)}


def verdict(outcome: str, error: Any) -> dict[str, Any]:
    return {"outcome": outcome, "error": type(error).__name__, "message": str(error)}


def forked(case: Any, seconds: float) -> dict[str, Any]:
    """The verdict on a case from a process of its own, within the time limit."""
    folder = Path(tempfile.mkdtemp())
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setpgid(0, 0)
            os.close(receiver)
            silence = os.open(folder / "output.txt", os.O_WRONLY | os.O_CREAT)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            (folder / "work").mkdir()
            os.chdir(folder / "work")
            os.environ["HOME"] = str(folder / "home")
            answer = json.dumps(judged(case, folder / "work")).encode()
            while answer:
                answer = answer[os.write(sender, answer) :]
        finally:
            os._exit(0)
    os.close(sender)
    answer = received(receiver, time.monotonic() + seconds)
    if answer is None:
        os.kill(-child if os.getpgid(child) == child else child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    output = (folder / "output.txt").read_text(errors="replace")[-2000:] if (folder / "output.txt").exists() else ""
    shutil.rmtree(folder, ignore_errors=True)
    if answer is None:
        return {"outcome": "hang", "message": output}
    if not answer:
        return {"outcome": "crash", "message": f"status {status}; {output}"}
    return json.loads(answer)


def received(pipe: int, until: float) -> bytes | None:
    """Everything from a pipe up to its end; `None` if that does not come in time."""
    parts = []
    try:
        while True:
            ready, _, _ = select.select([pipe], [], [], max(until - time.monotonic(), 0.0))
            if not ready:
                return None
            part = os.read(pipe, 65536)
            if not part:
                return b"".join(parts)
            parts.append(part)
    finally:
        os.close(pipe)


def main() -> None:
    for name in ("JNO_SEED", "JNO_PLUGINS", "JNO_LOG_DIR"):
        os.environ.pop(name, None)
    os.environ |= {"JAX_PLATFORMS": "cpu", "OPENBLAS_NUM_THREADS": "1"}
    sys.path.insert(0, str(HERE))
    # Most of the time is compilation, and nothing that is compiled runs for long. XLA reads flags up to the first word
    # that is none, so this one comes first.
    os.environ["XLA_FLAGS"] = f"--xla_backend_optimization_level=0 {os.environ.get('XLA_FLAGS', '')}"
    group = loaded(Path(sys.argv[1]))
    cases, seconds = group.CASES, vars(group).get("SECONDS", SECONDS)
    # What every case would import again. The registry is left alone: it finds the plugins anew in each process.
    for module in (*PLUGINS, "jno_core._train", "importlib_metadata", "jaxlib.mlir.dialects.mhlo"):
        importlib.import_module(module)
    from jax._src import xla_bridge

    assert not xla_bridge.backends_are_initialized(), "JAX must not have started before the processes are forked"
    chosen = sys.argv[2:] or cases
    warnings.simplefilter("ignore")
    json.dump({name: forked(cases[name], seconds) for name in chosen}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
