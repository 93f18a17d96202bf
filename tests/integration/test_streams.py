"""Data larger than memory: files that are mapped, and read batch by batch."""

import os
import subprocess
import sys

import numpy as np
import pytest

import jno
from jno_core._domain import mapped_arrays
from jno_core._domain.mapped_arrays import RowReader, first_non_finite, is_mapped
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
    assert after - before < 0.4


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


@pytest.mark.parametrize("is_file", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_rows_are_read_in_any_order(is_file, dtype, tmp_path, monkeypatch):
    monkeypatch.setattr(mapped_arrays, "_PIECE_BYTES", 2 * mapped_arrays._FAULT_BYTES)
    values = np.random.default_rng(0).integers(0, 100, (7, 5, 2)).astype(dtype)
    values.tofile(tmp_path / "values.bin")
    array = np.memmap(tmp_path / "values.bin", dtype, "r", shape=values.shape) if is_file else values
    reader = RowReader(array, 3 * mapped_arrays._FAULT_BYTES)
    assert (reader.entry_bytes, reader.point_bytes) == (5 * 2 * 4, 7 * 2 * 4)
    index = np.array([[6, 0, 6], [3, 5, 1]])
    found = reader.entries(index)
    assert found.dtype == (np.int32 if dtype == np.int32 else np.float32)
    np.testing.assert_array_equal(found, values[index])
    points = np.array([[4, 0, 0, 2]])
    np.testing.assert_array_equal(reader.points(points), values[:, points].swapaxes(0, 1))


def test_pages_stay_until_there_are_many(tmp_path, monkeypatch):
    """Steps that read little would otherwise wait for the same pages again and again."""
    given_back = []
    monkeypatch.setattr(mapped_arrays, "give_back", lambda array: given_back.append(array.shape))
    np.zeros((50, 3), np.float32).tofile(tmp_path / "values.bin")
    mapped = np.memmap(tmp_path / "values.bin", np.float32, "r", shape=(50, 3))
    reader = RowReader(mapped, 4 * mapped_arrays._FAULT_BYTES)
    for _ in range(4):
        reader.entries(np.array([[7]]))
    assert given_back == []
    reader.entries(np.array([[7]]))
    assert given_back == [(50, 3)]
    reader.entries(np.arange(4))
    assert len(given_back) == 2
