"""The page on checkpoints tells the truth."""

import re
from pathlib import Path

import jno

PAGE = Path(__file__).parents[2] / "docs" / "checkpoints.md"


def test_the_code_runs_and_gives_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "page"}
    for i, block in enumerate(re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)):
        exec(compile(block, f"checkpoints.md, block {i + 1}", "exec"), namespace)
        if i == 0:
            assert namespace["checkpoint"].all_steps == (100, 200, 250)
    stored = namespace["stored"]
    assert stored["trainable"]["u/layers/0/weight"].shape == (16, 1)
    assert sorted(stored) == ["metadata", "opt_states", "plugin_states", "rng", "trainable"]
    assert jno.callbacks.checkpoint("x").every == 500
