"""The code in the documentation runs."""

import re
from pathlib import Path

import pytest

from jno_core.hooks import TrainerHooks

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "docs/guide.md", "docs/saving.md", "docs/extending.md"]


def _blocks(page):
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", [p for p in PAGES if _blocks(p)])
def test_python_blocks_run_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "page"}
    for i, block in enumerate(_blocks(page)):
        exec(compile(block, f"{page}, block {i + 1}", "exec"), namespace)
    if page == "README.md":
        x, u = namespace["x"], namespace["u"]
        ours, exact = namespace["crux"].eval([u.d(x, scheme=namespace["Central"]()), u.d(x)])
        assert abs(ours - exact).max() < 1e-2 * abs(exact).max()


def test_every_hook_is_documented_with_its_arguments():
    text = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    for name, hook in vars(TrainerHooks).items():
        if not name.startswith("_"):
            arguments = hook.__code__.co_varnames[1 : hook.__code__.co_argcount]
            assert f"`{name}({', '.join(arguments)})`" in text
