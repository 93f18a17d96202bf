"""The arguments of `jno`, and which command they call."""

import argparse
from collections.abc import Sequence

from jno_core._registry import KINDS
from jno_core._registry.metadata import installed_version
from jno_core.cli._doctor import doctor
from jno_core.cli._plugins import check_plugins, list_plugins, show_plugin
from jno_core.cli._scripts import run_demo, run_file


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command `jno` with the arguments, by default the process's, and returns its exit status.

    0: all is well. 1: the command found a problem. 2: the arguments make no sense.
    """
    parser = _parser()
    parsed = parser.parse_args(arguments)
    if parsed.command is None:
        parser.print_help()
        return 0
    return parsed.command(parsed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jno", description="Differential equations with neural networks in JAX.")
    parser.add_argument("--version", action="version", version=_version())
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_plugins(commands)

    demo = commands.add_parser("demo", help="solve a Poisson problem, and compare with finite elements")
    demo.add_argument("--out", metavar="DIR", help="the folder for the pictures")
    demo.add_argument("--epochs", metavar="N", type=int, help="how long to train")
    demo.set_defaults(command=run_demo)

    run = commands.add_parser("run", help="run a Python script")
    run.add_argument(
        "--coordinator", metavar="HOST:PORT", help="where process 0 of several is reached; or JNO_COORDINATOR"
    )
    run.add_argument(
        "--num-processes", metavar="N", type=int, help="how many processes there are; or JNO_NUM_PROCESSES"
    )
    run.add_argument("--process-id", metavar="I", type=int, help="which of them this is; or JNO_PROCESS_ID")
    run.add_argument("file", metavar="FILE")
    run.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="arguments of the script")
    run.set_defaults(command=run_file)

    examine = commands.add_parser("doctor", help="versions, devices, plugins and system libraries")
    examine.set_defaults(command=doctor)
    return parser


def _add_plugins(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    plugins = commands.add_parser("plugins", help="what is installed, and whether it works")
    plugins.set_defaults(command=list_plugins)
    _add_json(plugins, False)
    actions = plugins.add_subparsers(title="actions", metavar="ACTION")

    listing = actions.add_parser("list", help="list the plugins (the default); imports none")
    _add_json(listing)
    listing.set_defaults(command=list_plugins)

    show = actions.add_parser("show", help="import a plugin and show what it says")
    _add_json(show)
    show.add_argument("kind", metavar="KIND", choices=tuple(KINDS), help=", ".join(KINDS))
    show.add_argument("name", metavar="NAME", help="NAME or PACKAGE/NAME")
    show.set_defaults(command=show_plugin)

    check = actions.add_parser("check", help="look for problems; imports no plugin")
    _add_json(check)
    check.add_argument("--load", action="store_true", help="also import each plugin: this runs its code")
    check.set_defaults(command=check_plugins)


def _add_json(parser: argparse.ArgumentParser, default: bool | str = argparse.SUPPRESS) -> None:
    # With a default of its own an inner parser would undo a --json that comes before its name.
    parser.add_argument("--json", action="store_true", default=default, help="print JSON")


def _version() -> str:
    core = f"jno-core {installed_version('jno-core')}"
    bundle = installed_version("jno")
    return core if bundle is None else f"jno {bundle} ({core})"
