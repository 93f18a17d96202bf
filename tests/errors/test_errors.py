"""Bad inputs, each in a process of its own: a clear error or the documented good behaviour, and nothing else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GROUPS = sorted(file.stem for file in (HERE / "cases").glob("*.py"))


def judged(file):
    """The verdicts on the cases of a file, by name."""
    done = subprocess.run([sys.executable, HERE / "judge.py", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("group", GROUPS)
def test_every_bad_input_is_answered_clearly(group):
    verdicts = judged(HERE / "cases" / f"{group}.py")
    assert verdicts
    bad = {name: verdict for name, verdict in verdicts.items() if verdict["outcome"] not in ("clear", "handled")}
    assert not bad, json.dumps(bad, indent=1)


def test_the_page_of_errors_is_that_of_the_cases():
    """Write it anew by `python tests/errors/table.py`."""
    program = (
        "import table; print(table.document(table.all_cases()) == table.DOCUMENT.read_text(), len(table.all_cases()))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=HERE, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", str(len(GROUPS))], done.stderr or "the page is not that of the cases"


ANSWERS = {
    "lambda w: None": "silent",
    "lambda w: 1 / 0": "obscure",
    "lambda w: sum(iter(int, 1))": "hang",
    "lambda w: os.kill(os.getpid(), 9)": "crash",
    "lambda w: jax.numpy.ones(3) @ jax.numpy.ones(4)": "obscure",
    "lambda w: (jax.jit(lambda a: a + 1)(1.0), w.domain.variable('interor'))": "late",
    "lambda w: w.domain.variable('nowhere')": "obscure",
    "lambda w: w.domain.variable('interor')": "clear",
}


def test_the_judge_tells_bad_answers_from_good_ones(tmp_path):
    file = tmp_path / "group.py"
    cases = (f"{i}: Refused({attempt}, JnoValueError, ('interor',), ('Did',))" for i, attempt in enumerate(ANSWERS))
    file.write_text(
        "import os\nimport jax\nfrom world import Refused\nfrom jno_core.errors import JnoValueError\n"
        f"SECONDS = 3.0\nCASES = {{{', '.join(cases)}}}\n"
    )
    verdicts = judged(file)
    found = dict(zip(ANSWERS, (verdict["outcome"] for verdict in verdicts.values()), strict=True))
    assert found == ANSWERS
