"""Files that prove their own integrity: what is written comes back bit for bit, and no damage passes unseen."""

import json
import os
import resource
import struct
import subprocess
import sys
import textwrap

import hypothesis.extra.numpy as hnp
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings, strategies as st

from jno_core import containers
from jno_core.errors import JnoFileNotFoundError, JnoOSError, JnoTypeError, JnoValueError

ARRAYS = {
    "a/b": np.arange(6.0).reshape(2, 3),
    "complex": np.array([1 + 2j, np.nan]),
    "complex64": np.complex64(3j),
    "half": jnp.ones((2, 3), jnp.bfloat16),
    "small": np.array([0.5, -2], ml_dtypes.float8_e4m3fn),
    "nibble": np.array([1, -3], ml_dtypes.int4),
    "truth": np.array([True, False]),
    "empty": np.zeros((0, 3), np.complex128),
    "number": np.int8(-3),
    "fortran": np.asfortranarray(np.arange(6, dtype=np.uint16).reshape(2, 3)),
    "big": np.arange(3, dtype=">i4"),
    "../up": np.zeros(1),
}
MANIFEST = {"text": "ü\n", "numbers": [1, 2.5, None, True], "none": {}}


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "content.jno"
    containers.write(path, "thing", 3, MANIFEST, ARRAYS)
    return path


def same(found, expected):
    expected = {name: np.asarray(array) for name, array in expected.items()}
    return found.keys() == expected.keys() and all(
        found[n].dtype == expected[n].dtype.newbyteorder("=")
        and found[n].shape == expected[n].shape
        and found[n].tobytes() == expected[n].astype(found[n].dtype).tobytes()
        for n in found
    )


def test_what_is_written_comes_back(written):
    manifest, arrays = containers.read(written, "thing", 3)
    assert manifest == MANIFEST
    assert same(arrays, ARRAYS)
    assert containers.identify(written) == "thing"
    assert os.listdir(written.parent) == [written.name]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), max_size=20),
        hnp.arrays(
            hnp.scalar_dtypes().filter(lambda d: d.kind in "biufc" and d.itemsize <= (16 if d.kind == "c" else 8)),
            hnp.array_shapes(min_dims=0, min_side=0),
        ),
        max_size=4,
    )
)
def test_every_array_of_numbers_comes_back(tmp_path, arrays):
    containers.write(tmp_path / "f", "thing", 1, {}, arrays)
    assert same(containers.read(tmp_path / "f", "thing", 1)[1], arrays)


def test_equal_content_gives_equal_bytes(written):
    before = written.read_bytes()
    containers.write(written, "thing", 3, MANIFEST, ARRAYS)
    assert written.read_bytes() == before


def outcome(path):
    """Whether a file reads as `MANIFEST` and `ARRAYS`; it is refused with an error of ours otherwise."""
    try:
        manifest, arrays = containers.read(path, "thing", 3)
    except JnoValueError as e:
        message = str(e)
    else:
        message = ""
    if message:
        assert str(path) in message
        assert message.count("\n") < 15
        return False
    assert manifest == MANIFEST
    assert same(arrays, ARRAYS)
    return True


def test_every_truncation_is_caught(written):
    content = written.read_bytes()
    for length in np.linspace(0, len(content) - 1, 60, dtype=int):
        written.write_bytes(content[:length])
        assert not outcome(written)
    written.write_bytes(content + b"x")
    assert not outcome(written)


def test_every_flipped_bit_is_caught_or_harmless(written):
    content = written.read_bytes()
    rng = np.random.default_rng(0)
    harmless = 0
    for bit in rng.choice(8 * len(content), 400, replace=False):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        written.write_bytes(damaged)
        harmless += outcome(written)
    assert harmless == 0


def header_of(length, text=b"{}"):
    return struct.pack("<Q", length) + text


def manifest_of(text, arrays=None):
    metadata = {"manifest": f"{containers._sha256(text.encode())}\n{text}"}
    return safetensors.numpy.save(arrays or {}, metadata=metadata)


def envelope(**changes):
    whole = {"format": "jno", "kind": "thing", "version": 3, "content": {}, "arrays": {}}
    return json.dumps(whole | changes)


OVERLAPPING = json.dumps(
    {
        "a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]},
        "b": {"dtype": "F64", "shape": [1], "data_offsets": [4, 12]},
    }
).encode()
HUGE = json.dumps({"a": {"dtype": "F64", "shape": [2**40, 2**40], "data_offsets": [0, 8]}}).encode()
CORPUS = {
    "nothing": b"",
    "a header of 4 GB": header_of(2**32),
    "a header of 16 EB": header_of(2**64 - 1),
    "a header without end": header_of(100, b"{"),
    "overlapping arrays": header_of(len(OVERLAPPING), OVERLAPPING) + b"\0" * 12,
    "an array of 2^83 bytes": header_of(len(HUGE), HUGE) + b"\0" * 8,
    "deep JSON in the header": header_of(200_000, b"[" * 200_000),
    "deep JSON in the manifest": manifest_of("[" * 100_000),
    "deep JSON that ends": manifest_of(envelope(content=0).replace(" 0,", "[" * 5000 + "]" * 5000 + ",")),
    "an integer of a million digits": manifest_of(envelope().replace("3", "3" * 1_000_000)),
    "another format": manifest_of(envelope(format="other")),
    "no version": manifest_of(envelope(version=None)),
    "a list": manifest_of("[]"),
    "no JSON": manifest_of("nothing"),
    "arrays that are not there": manifest_of(envelope(arrays={"a": {"dtype": "float64", "shape": [3], "sha256": ""}})),
    "arrays too many": manifest_of(envelope(), {"a": np.zeros(1)}),
    "an array of no type": manifest_of(envelope(arrays={"a": {"dtype": "object"}}), {"a": np.zeros(1)}),
    "an array of nothing": manifest_of(envelope(arrays={"a": None}), {"a": np.zeros(1)}),
    "pairs that are none": manifest_of(
        envelope(arrays={"a": {"dtype": "complex128", "shape": [], "sha256": ""}}), {"a": np.zeros(())}
    ),
    "a plain file of weights": safetensors.numpy.save({"w": np.zeros(3)}),
}


@pytest.mark.parametrize("name", CORPUS)
def test_hostile_files_are_refused_without_much_memory(tmp_path, name):
    path = tmp_path / "f"
    path.write_bytes(CORPUS[name])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert not outcome(path)
    with pytest.raises(JnoValueError):
        containers.read(path, "thing", 3)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes


def test_kind_and_version_are_checked(written):
    with pytest.raises(JnoValueError, match="holds a 'thing'; expected a 'problem'"):
        containers.read(written, "problem", 3)
    with pytest.raises(JnoValueError, match="version 3; this jno reads versions up to 2"):
        containers.read(written, "thing", 2)
    with pytest.raises(JnoFileNotFoundError, match=r"no thing at .*nowhere"):
        containers.read(written.parent / "nowhere", "thing", 3)
    for name in ("a\0b", "x" * 300):
        with pytest.raises(JnoFileNotFoundError):
            containers.identify(written.parent / name)


def test_what_cannot_be_stored_is_named(tmp_path):
    with pytest.raises(JnoTypeError, match="'o' is of type object"):
        containers.write(tmp_path / "f", "thing", 1, {}, {"o": np.array([None])})
    with pytest.raises(JnoTypeError, match="not of JSON types"):
        containers.write(tmp_path / "f", "thing", 1, {"o": object()}, {})
    with pytest.raises(JnoValueError, match="at most 50,000,000"):
        containers.write(tmp_path / "f", "thing", 1, "x" * 50_000_001, {})
    assert not any(tmp_path.iterdir())


def test_a_failing_disk_leaves_the_old_file(written, monkeypatch):
    before = written.read_bytes()
    for function in ("fsync", "replace"):
        with monkeypatch.context() as patch:

            def fail(*_):
                raise OSError(28, "No space left on device")

            patch.setattr(os, function, fail)
            with pytest.raises(
                JnoOSError, match=r"content.jno.*No space left.*Needed: [\d,]+ bytes; free there: [\d,]+"
            ):
                containers.write(written, "thing", 3, {}, {"a": np.zeros(1000)})
        assert written.read_bytes() == before
        assert os.listdir(written.parent) == [written.name]


def test_places_that_cannot_be_written(tmp_path, written):
    for path in (tmp_path / "content.jno" / "below", tmp_path, tmp_path / ("x" * 300), tmp_path / "a\0b"):
        with pytest.raises(JnoOSError, match="cannot be written"):
            containers.write(path, "thing", 1, {}, {})
    containers.write(tmp_path / "new" / "folders" / ("x" * 255), "thing", 1, {}, {})
    assert outcome(written)


def test_a_full_disk_at_any_size_leaves_the_old_file(written):
    """The limit of the size of files stands for a disk that is full."""
    script = """
        import os, resource, sys
        import numpy as np
        from jno_core import containers
        from jno_core.errors import JnoOSError
        path, failed = sys.argv[1], 0
        before = open(path, "rb").read()
        for limit in np.linspace(0, 40_000, 41, dtype=int):
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
            try:
                containers.write(path, "thing", 3, {}, {"a": np.zeros(5000)})
            except JnoOSError as error:
                assert path in str(error) and "Needed: 40," in str(error), error
                failed += 1
            assert open(path, "rb").read() == before
            assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]
        print(failed)
    """
    arguments = [sys.executable, "-c", textwrap.dedent(script), str(written)]
    found = subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True, timeout=100)
    assert found.stdout.strip() == "41"
