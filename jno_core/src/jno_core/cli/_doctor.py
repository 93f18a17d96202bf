"""`jno doctor`: what this environment is, and what is wrong with it."""

import argparse
import ctypes.util
import platform

import jax
import jax.numpy as jnp

from jno_core import plugins
from jno_core._registry import PluginStatus
from jno_core._registry.metadata import installed_versions
from jno_core.cli._health import found_problems, load_failure, one_row_each, requirement_problems
from jno_core.cli._output import indented, say, table

_FOUNDATION = ("jax", "jaxlib", "equinox", "optax")
_GMSH_LIBRARIES = ("GL", "GLU", "Xcursor", "Xft", "Xinerama", "gomp")
_GMSH_PACKAGES = "libglu1-mesa libgl1 libxcursor1 libxft2 libxinerama1 libgomp1"


def doctor(arguments: argparse.Namespace) -> int:
    """Prints the versions, devices, plugins and system libraries; 1 if a plugin is unhealthy."""
    del arguments
    _say_versions()
    _say_devices()
    healthy = _say_plugins()
    _say_libraries()
    say("All plugins are well." if healthy else "Some plugins are not well; see above.")
    return 0 if healthy else 1


def _say_versions() -> None:
    versions = installed_versions()
    ours = [name for name in versions if name in ("jno", "jno-core") or name.startswith("jno-plugin-")]
    third_party = {status.record.dist for status in plugins.list()} - set(ours)
    names = (*_FOUNDATION, *ours, *sorted(third_party))
    say("Versions")
    rows = [("python", platform.python_version()), *((name, versions.get(name, "not installed")) for name in names)]
    say(indented(table(rows)))


def _say_devices() -> None:
    say("Devices")
    try:
        rows = [(str(device), device.platform, device.device_kind) for device in jax.devices()]
    except RuntimeError as error:
        rows = [("none", "", str(error))]
    say(indented(table(rows)))
    default = jnp.result_type(float)
    say(f"    real numbers are {default} (jax_enable_x64 is {'on' if default == jnp.float64 else 'off'})")


def _say_plugins() -> bool:
    statuses = plugins.list()
    say("Plugins (importing each of them, which runs their code)")
    rows = [("KIND", "NAME", "FROM", "HEALTH")]
    details = []
    for status in one_row_each(statuses):
        health, detail = _health(status)
        rows.append((status.record.kind, status.record.name, status.record.source, health))
        details.append(detail)
    say(indented(table(rows) if len(rows) > 1 else "none"))
    problems = [*found_problems(statuses), *requirement_problems(statuses)]
    details += [f"{problem.text}\n{indented(problem.fix)}" for problem in problems]
    details = [detail for detail in details if detail]
    for detail in details:
        say()
        say(indented(detail))
    return not details


def _health(status: PluginStatus) -> tuple[str, str]:
    """A word for the table, and the error of a failed import."""
    if status.standing != "ok":
        return status.note, ""
    failure = load_failure(status)
    return ("broken", failure) if failure else ("ok", "")


def _say_libraries() -> None:
    say("System libraries")
    missing = [name for name in _GMSH_LIBRARIES if ctypes.util.find_library(name) is None]
    if not missing:
        say("    all that the optional mesher gmsh needs")
        return
    say(f"    optional, for the mesher gmsh only; missing: {', '.join(missing)}")
    say(f"    apt-get install -y --no-install-recommends {_GMSH_PACKAGES}")
