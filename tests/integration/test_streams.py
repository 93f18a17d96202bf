"""Data larger than memory: files that are mapped, and read batch by batch."""

import os
import subprocess
import sys

import numpy as np
import pytest

import jno
from jno_core._domain.mapped_arrays import first_non_finite, is_mapped
from jno_core.errors import JnoValueError

SCRIPT = """
import sys
import equinox as eqx, jax, jax.numpy as jnp, numpy as np, optax
import jno

fields = np.memmap(sys.argv[1], np.float32, "r", shape=(int(sys.argv[2]), int(sys.argv[3])))
domain = len(fields) * jno.domain.from_array({"interior": np.linspace(0, 1, 16)[:, None]})
x, _ = domain.variable("interior")
k = domain.variable("k", fields, per="instance")
net = jno.nn.wrap(eqx.nn.MLP(1, 1, 8, 1, jnp.tanh, key=jax.random.key(0)), name="u").optimizer(optax.adam(1e-2))

def peak():
    # Of this program alone: what getrusage tells begins with the process that started it.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

before = peak()
history = jno.core([(net(x) - k.mean).mse]).solve(int(sys.argv[4]), batchsize=8, offload_data=True)
assert history.total_loss_history[-1] < history.total_loss_history[0]
print(before / 2**20, peak() / 2**20)
"""


def peak(path, instances, size, steps):
    command = [sys.executable, "-c", SCRIPT, *map(str, (path, instances, size, steps))]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr
    return [float(text) for text in done.stdout.split()]


def write(path, instances, size):
    with path.open("wb") as file:
        for i in range(instances):
            file.write(np.random.default_rng(i).random(size, np.float32).tobytes())
    return path


def test_a_mapped_file_is_not_read_into_memory(tmp_path):
    """A file of 768 MB leaves the peak of the process far below its size."""
    path = write(tmp_path / "fields.bin", 768, 2**18)
    before, after = peak(path, 768, 2**18, 40)
    assert before < 0.6
    assert after - before < 0.5


@pytest.mark.slow
@pytest.mark.skipif("JNO_LARGE_FILES" not in os.environ, reason="writes 4 GB; set JNO_LARGE_FILES=1")
def test_four_gigabytes_train_in_two(tmp_path):
    path = write(tmp_path / "fields.bin", 2048, 2**19)
    assert peak(path, 2048, 2**19, 100)[1] < 2


def test_a_mapped_array_stays_mapped_and_is_checked(tmp_path):
    path = tmp_path / "fields.bin"
    values = np.arange(60, dtype=np.float32).reshape(3, 20)
    values.tofile(path)
    mapped = np.memmap(path, np.float32, "r", shape=(3, 20))
    assert is_mapped(mapped)
    assert is_mapped(mapped[1:])
    assert not is_mapped(values)
    domain = 3 * jno.domain.from_array({"interior": np.zeros((4, 1))})
    node = domain.variable("k", mapped, per="instance")
    assert is_mapped(domain.attached()["k"][1].value)
    np.testing.assert_array_equal(jno.core([], domain=domain).eval(node), values)
    values[2, 7] = np.nan
    values.tofile(path)
    with pytest.raises(JnoValueError, match=r"'bad' is not finite at index \(2, 7\)"):
        domain.variable("bad", np.memmap(path, np.float32, "r", shape=(3, 20)), per="instance")


def test_the_first_entry_that_is_not_finite_is_found_in_any_block(monkeypatch):
    monkeypatch.setattr("jno_core._domain.mapped_arrays._BLOCK_BYTES", 100)
    for shape in ((), (5,), (50, 3), (7, 2, 9)):
        array = np.ones(shape)
        assert first_non_finite(array) is None
        where = tuple(s // 2 for s in shape)
        array[where] = np.inf
        assert first_non_finite(array) == where
    assert first_non_finite(np.arange(4)) is None
