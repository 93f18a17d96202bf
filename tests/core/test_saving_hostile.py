"""Files that were damaged, or made to do harm: loading runs nothing, imports nothing, and says what is wrong."""

import copy
import inspect
import io
import json
import os
import pickle
import re
import subprocess
import sys
import textwrap
import zipfile

import equinox as eqx
import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

import jno
from jno_core import containers
from jno_core._saving import trusted
from jno_core._train.files import load, save
from jno_core.errors import JnoError, JnoValueError


def shifted(x):
    return x + 1


@pytest.fixture(scope="module")
def problem(tmp_path_factory):
    """A small problem with something of every kind, and its file."""
    domain = jno.domain.rect(mesh_size=0.5, time=(0.0, 1.0, 2))
    x, y, t = domain.variable("interior")
    k = domain.variable("k", np.float32([1.0, 2.0]), per="shared")
    u = jno.nn.wrap(eqx.nn.MLP(3, 1, 4, 1, jnp.tanh, key=jax.random.key(0)), name="u")(x, y, t)
    u = jno.fn.hard_dirichlet(u, 0.0, "left")
    (w,) = jno.fn.adaptive.relobralo([u.mse])
    residual = u.d(t) - u.laplacian(x, y) * k[0] + jno.fn(shifted, [x]) + jno.noise.gaussian(0.1)
    crux = jno.core([w * residual.mse, jno.np.sin(u).integrate() ** 2, u.max.tracker(2, reduce=np.abs)])
    path = tmp_path_factory.mktemp("hostile") / "p.jno"
    save(crux, path)
    return crux, path


def values(crux):
    return [np.asarray(v) for v in crux.eval(list(crux.problem.constraints))]


class TestDamage:
    def test_50_truncations(self, problem, tmp_path):
        content = problem[1].read_bytes()
        for length in np.linspace(0, len(content) - 1, 50, dtype=int):
            (tmp_path / "p.jno").write_bytes(content[:length])
            with pytest.raises(JnoValueError, match=r"p.jno.*damaged"):
                load(tmp_path / "p.jno")

    def test_200_flipped_bits(self, problem, tmp_path):
        content = problem[1].read_bytes()
        for bit in np.random.default_rng(1).choice(8 * len(content), 200, replace=False):
            damaged = bytearray(content)
            damaged[bit // 8] ^= 1 << bit % 8
            (tmp_path / "p.jno").write_bytes(damaged)
            with pytest.raises(JnoValueError, match=r"p.jno"):
                load(tmp_path / "p.jno")


def places(node, path=()):
    """The paths to all values in a JSON document."""
    yield path
    if isinstance(node, dict | list):
        for key, item in node.items() if isinstance(node, dict) else enumerate(node):
            yield from places(item, (*path, key))


def changed(document, path, value):
    new = copy.deepcopy(document)
    place = new
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return new


@pytest.mark.filterwarnings("ignore::jno_core.errors.JnoWarning")
def test_descriptions_that_lie_are_refused_or_load(problem, tmp_path):
    """A forger can make all checksums right. Any one value of the description replaced by another gives an error of ours, or
    something that loads, in which case it may be what the forger wants but runs nothing."""
    content, arrays = containers.read(problem[1], "problem", 1)
    rng = np.random.default_rng(2)
    known = [path for path in places(content) if path]
    others = [None, -1, 10**9, 0.5, "os:system", [], {}, {"shared": 0}, {"node": 0}, {"array": "../x"}, [1, 2, 3], True]
    refused = 0
    for i in rng.choice(len(known), 150, replace=False):
        lie = changed(content, known[i], others[rng.integers(len(others))])
        containers.write(tmp_path / "p.jno", "problem", 1, lie, arrays)
        try:
            load(tmp_path / "p.jno")
        except JnoError as e:
            refused += 1
            message = str(e)
        else:
            message = ""
        assert message.count("\n") < 15
    assert refused > 75


class Evil:
    def __reduce__(self):
        return exec, ("import os; os.environ['PWNED'] = '1'",)


def pickled():
    return pickle.dumps(Evil())


def npy():
    buffer = io.BytesIO()
    np.save(buffer, np.array([Evil()], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def zipped(name="a.npy"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, pickled())
        archive.writestr("bomb.npy", b"\0" * 20_000_000)
    return buffer.getvalue()


def system_call():
    """A function whose compiled form calls `system` of the C library."""
    from jax import ffi

    def call(x):
        return ffi.ffi_call("system", jax.ShapeDtypeStruct(x.shape, x.dtype))(x)

    check = jax.export.DisabledSafetyCheck.custom_call("system")
    shape = jax.ShapeDtypeStruct((3,), jnp.float32)
    exported = jax.export.export(jax.jit(call), disabled_checks=[check], platforms=["cpu"])(shape)
    return np.frombuffer(bytes(exported.serialize()), np.uint8)


def instead(document, tag, data):
    """The description with the data of every rule of a tag replaced."""
    if isinstance(document, list):
        return [instead(item, tag, data) for item in document]
    if isinstance(document, dict):
        return {key: data if key == tag else instead(item, tag, data) for key, item in document.items()}
    return document


def forgeries(path):
    """Files with right checksums whose descriptions name what they must not."""
    content, arrays = containers.read(path, "problem", 1)
    module = {"fields": {"cmd": "touch pwned"}}
    for name in (
        "os:system",
        "os.system",
        "builtins.exec",
        "builtins.eval",
        "builtins.open",
        "jax.numpy.load",
        "numpy.load",
        "jno_core.containers:replace_file",
        "jax.pure_callback",
        "jax.numpy.sin.__globals__",
    ):
        yield f"function {name}", instead(content, "trusted", name), arrays
    for name in (
        "os:system",
        "subprocess:Popen",
        "antigravity:Geohash",
        "this:s",
        "http.server:HTTPServer",
        "jno_core._train.core:Core",
        "equinox._module._module:Module.__init__",
        "equinox:nn.MLP",
        ":",
        "a" * 10**5,
    ):
        yield f"class {name[:40]}", instead(content, "module", module | {"class": name}), arrays
        yield f"data of class {name[:40]}", instead(content, "data", module | {"class": name}), arrays
    for plugin in (
        ["scheme", "os:system"],
        ["os", "system"],
        ["callback", "../../evil"],
        ["balancer", "relobralo/x"],
        [],
        3,
    ):
        yield f"plugin {plugin}", instead(content, "module", module | {"class": "x:Y", "plugin": plugin}), arrays
        yield (
            f"needed {plugin}",
            content | {"plugins": [[*plugin, "evil", "1"] if isinstance(plugin, list) else plugin]},
            arrays,
        )
    scheme = {
        "family": "os:system",
        "variant": None,
        "modes": {"modes": {"first": None, "second": None}},
        "instance": None,
    }
    yield "scheme os:system", instead(content, "scheme", scheme), arrays
    yield (
        "a method of a geometry",
        instead(content, "function", {"geometry": {"shared": 0}, "method": "__class__", "tag": "x"}),
        arrays,
    )
    yield "an array outside", instead(content, "array", "../../etc/passwd"), arrays
    yield "a circle of nodes", instead(content, "node", 0), arrays
    yield "a circle of objects", content | {"objects": [{"params": {"shared": 0}}] * 50}, arrays
    yield "deep lists", content | {"value": json.loads("[" * 900 + "]" * 900)}, arrays
    form = {
        "for": None,
        "static": {"tuple": [{"tuple": [{"ellipsis": None}]}, {"dict": []}]},
        "content": "functions/evil",
    }
    stored = {"name": "os:system", "random": False, "forms": [form]}
    for name, code in {"a pickle": np.frombuffer(pickled(), np.uint8), "system": system_call()}.items():
        yield f"a compiled form that is {name}", instead(content, "function", stored), arrays | {"functions/evil": code}


def corpus(folder, path):
    """The names of hostile files in a folder."""
    for suffix in (".jno", ".safetensors", ".npz", ".npy", ".eqx", ".pkl", ".pt", ".h5", ".json", ".zip", ".tar", ""):
        (folder / f"evil{suffix}").write_bytes(pickled())
    (folder / "object.npy").write_bytes(npy())
    (folder / "object.jno").write_bytes(npy())
    (folder / "bomb.jno").write_bytes(zipped())
    (folder / "up.jno").write_bytes(zipped("../../evil.py"))
    (folder / "both.jno").write_bytes(safetensors.numpy.save({"w": np.zeros(3)}) + pickled())
    (folder / "link.jno").symlink_to("/etc/passwd")
    (folder / "loop.jno").symlink_to("loop.jno")
    for i, (_, content, arrays) in enumerate(forgeries(path)):
        containers.write(folder / f"forged{i}.jno", "problem", 1, content, arrays)


def test_loading_runs_and_imports_nothing(problem, tmp_path):
    corpus(tmp_path, problem[1])
    script = """
        import json, os, sys, warnings
        import jax
        import jno
        from jno_core._train.files import load
        from jno_core.errors import JnoError
        warnings.simplefilter("ignore")
        load(sys.argv[1])          # brings in the plugins that the problem uses, and what JAX imports late
        events = []
        watched = ("pickle.find_class", "exec", "compile", "import", "os.system", "os.exec", "os.posix_spawn", "os.fork",
                   "subprocess.Popen", "socket.", "marshal.", "ctypes.", "shutil.", "webbrowser.", "urllib.")
        current = [None]
        def hook(event, arguments):
            writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
            if current[0] is not None and (event.startswith(watched) or writes):
                events.append((current[0], event, str(arguments)[:100]))
        sys.addaudithook(hook)
        modules = set(sys.modules)
        found = {}
        for name in [sys.argv[1], *sorted(os.path.join(sys.argv[2], n) for n in os.listdir(sys.argv[2]))]:
            current[0] = name
            try:
                load(name)
                found[name] = "loaded"
            except JnoError as e:
                found[name] = "refused"
                assert str(e).count("\\n") < 15, e
            finally:
                current[0] = None
            if name.endswith((".eqx", ".jno")):
                net = jno.nn.wrap(jax.nn.tanh)
                current[0] = name
                try:
                    net.initialize(name)
                except JnoError:
                    pass
                finally:
                    current[0] = None
        assert not events, events
        assert "PWNED" not in os.environ
        assert not {"antigravity", "this", "http.server"} & (set(sys.modules) - modules)
        print(json.dumps([name for name, how in found.items() if how == "loaded"]))
    """
    arguments = [sys.executable, "-c", textwrap.dedent(script), problem[1], tmp_path]
    # What JAX compiles for the first time it would write to the cache of compiled programs.
    quiet = os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "false"}
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=200, cwd=tmp_path, env=quiet)
    assert done.returncode == 0, done.stderr[-3000:]
    loaded = json.loads(done.stdout)
    names = {f"forged{i}.jno": what for i, (what, _, _) in enumerate(forgeries(problem[1]))}
    assert [names.get(name.rpartition("/")[2], name) for name in loaded] == [str(problem[1])]


def test_trusted_functions_touch_nothing():
    """What a file may name neither opens files nor makes functions from text."""
    harm = re.compile(
        r"\bopen\(|\bnp\.(load|save|fromfile)|tofile|pickle|subprocess|\bos\.(system|environ|remove|path)|ctypes|"
        r"(pure|io|debug)_callback|__import__|importlib|\bexec\(|\beval\(|\bcompile\("
    )
    found = {}
    for name, fn in trusted._by_name().items():
        try:
            source = inspect.getsource(inspect.unwrap(fn))
        except (TypeError, OSError):
            continue
        if harm.search(source):
            found[name] = harm.search(source)[0]
    assert not found
    for name in ("jax.numpy.load", "jax.numpy.save", "numpy.load", "numpy.memmap", "builtins.eval", "builtins.open"):
        assert trusted.trusted_function(name) is None
    assert trusted.trusted_function("jax.numpy.sin") is jnp.sin
