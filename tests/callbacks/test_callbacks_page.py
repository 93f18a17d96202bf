"""The page of callbacks lists what is installed, with the defaults that it has."""

import inspect
import re
from pathlib import Path

import pytest

from jno_core import plugins

PAGE = Path(__file__).parents[2] / "docs" / "callbacks.md"
INSTALLED = {s.record.name for s in plugins.list() if s.record.dist == "jno-plugin-callbacks"}


def listed():
    """The defaults by name, from the page's first table."""
    rows = re.findall(r"^\| (`.+`) \| .+ \| (\d*)(?: seconds)? ?\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: default for names, default in rows for name in re.findall(r"`(\w+)`", names) if name in INSTALLED}


def test_every_callback_is_on_the_page():
    assert set(listed()) == INSTALLED


@pytest.mark.parametrize("name", sorted(INSTALLED))
def test_the_interval_on_the_page_is_the_default(name):
    parameters = inspect.signature(plugins.get("callback", name)).parameters
    defaults = [parameters[p].default for p in ("every", "save_interval_epochs", "seconds") if p in parameters]
    assert listed()[name] == "".join(f"{default:g}" for default in defaults)
