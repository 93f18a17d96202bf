"""Run in an interpreter of its own: what importing modules does to the process.

Reads `{"path": [...], "modules": [...]}` from the standard input and writes the answer to the standard output.
"""

import contextlib
import importlib
import io
import json
import sys

request = json.load(sys.stdin)
sys.path[:] = request["path"]

import jax  # noqa: E402

import jno_core  # noqa: E402, F401  # pyright: ignore[reportUnusedImport]

loaded = set(sys.modules)
config = dict(jax.config.values)
errors = {}
# What a plugin prints must not end up in the answer.
with contextlib.redirect_stdout(io.StringIO()):
    for module in request["modules"]:
        try:
            importlib.import_module(module)
        except BaseException as error:  # noqa: BLE001
            errors[module] = f"{type(error).__name__}: {error}"
changed = sorted(name for name, value in jax.config.values.items() if name in config and value != config[name])
try:
    # JAX itself refuses this once a backend is initialised.
    jax.config.update("jax_num_cpu_devices", 1)
    initialised = False
except RuntimeError:
    initialised = True
json.dump(
    {
        "errors": errors,
        "modules": sorted(set(sys.modules) - loaded),
        "changed": changed,
        "initialised": initialised,
    },
    sys.stdout,
)
