"""The command `jno`."""

from jno_core.cli._main import main as main
