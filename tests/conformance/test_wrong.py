"""The kit checked on itself: sound plugins pass, and each of the deliberately wrong ones is caught by the named check.

`sound/` holds one plugin of each kind. Each file in `wrong/` describes a fault: the sound plugin that it is put into
(`base`), the edits of its source or its metadata, and the checks that must fail, all others passing (`caught_by`).
"""

import importlib
import pathlib
import sys
import tomllib
from typing import ClassVar

import jax
import pytest

from jno_core.errors import JnoValueError
from jno_core.testing import BalancerSuite, GeometrySuite, SchemeSuite, checks_of, plugin_checks

HERE = pathlib.Path(__file__).parent
WRONG = {file.stem: tomllib.loads(file.read_text()) for file in sorted((HERE / "wrong").glob("*.toml"))}
CLASSES = {
    "scheme": "Directional",
    "geometry": "Rectangle",
    "balancer": "InverseMean",
    "callback": "Lowest",
    "schedule": "InverseTime",
}
GROUPS = {
    "scheme": "jno.schemes",
    "geometry": "jno.geometries",
    "balancer": "jno.balancers",
    "callback": "jno.callbacks",
    "schedule": "jno.schedules",
}
# These checks start an interpreter, which costs a second or two, so only faults of importing run them.
INTERPRETED = ("import:loads", "import:light", "import:backend", "import:config")


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a plugin with a fault into a folder on the path, and gives the name of its distribution."""
    modules, configuration = [], dict(jax.config.values)

    def install(stem, fault):
        base = fault["base"]
        source = (HERE / "sound" / f"{base}.py").read_text()
        for old, new in fault.get("edit", ()):
            assert source.count(old) == 1, f"{stem}: {old!r} must occur once"
            source = source.replace(old, new)
        module, dist = f"conformance_{stem}", fault.get("distribution", "jno-plugin-wrong")
        package, info = tmp_path / module, tmp_path / f"{dist.replace('-', '_')}-0.1.dist-info"
        package.mkdir()
        info.mkdir()
        (package / "__init__.py").write_text(source)
        if fault.get("typed", True):
            (package / "py.typed").touch()
        requires = "".join(f"Requires-Dist: {r}\n" for r in fault.get("requires", ["jno-core<0.2,>=0.1"]))
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 0.1\n{requires}")
        group, name = fault.get("group", GROUPS[base]), fault.get("name", "wrong")
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:{CLASSES[base]}\n")
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()
        modules.append(module)
        return dist

    yield install
    for module in modules:
        sys.modules.pop(module, None)
    for name, value in jax.config.values.items():
        if value != configuration[name]:
            jax.config.update(name, configuration[name])


def outcomes(checks):
    """The ids of the checks that fail, and of those that are skipped."""
    failed, skipped = [], []
    for check in checks:
        try:
            check()
        except pytest.skip.Exception:
            skipped.append(check.id)
        except Exception:  # noqa: BLE001
            failed.append(check.id)
    return sorted(failed), skipped


def starts_an_interpreter(check):
    return check.id in INTERPRETED


class CloudSuite(SchemeSuite):
    """A third of the point sets: a fault shows on each."""

    layouts = ("cloud",)


@pytest.mark.parametrize("kind", CLASSES)
def test_a_sound_plugin_passes(install, kind):
    checks = checks_of(install(f"sound_{kind}", {"base": kind}))
    assert len(checks) > 15
    for check in checks:
        if kind == "callback" or not starts_an_interpreter(check):
            check()


@pytest.mark.parametrize("stem", WRONG)
def test_a_fault_is_caught_by_the_named_check_alone(install, stem):
    fault = WRONG[stem]
    imports = any(name in INTERPRETED for name in fault["caught_by"])
    name = fault.get("name", "wrong")
    suites = {f"scheme:{name}": CloudSuite} if fault["base"] == "scheme" else {}
    checks = checks_of(install(stem, fault), suites)
    failed, _ = outcomes(check for check in checks if imports or not starts_an_interpreter(check))
    assert failed == fault["caught_by"]


def test_skips_are_declared_and_a_plugin_that_cannot_be_checked_fails(install):
    checks = checks_of(install("unchecked", WRONG["needs_arguments"]))
    failed, skipped = outcomes(check for check in checks if not starts_an_interpreter(check))
    assert failed == ["geometry:wrong:constructor"]
    assert "geometry:wrong:samples" in skipped


def test_the_suite_of_a_user_states_arguments_and_adds_checks(install):
    class Stated(GeometrySuite):
        arguments: ClassVar = {"width": 3.0, "height": 0.5}

        def test_area(self):
            assert self.make().measure("interior") == 1.5

    checks = checks_of(install("stated", WRONG["needs_arguments"]), {"geometry:wrong": Stated})
    assert "geometry:wrong:area" in [check.id for check in checks]
    assert outcomes(check for check in checks if not starts_an_interpreter(check)) == ([], [])


def test_a_random_balancer_may_be_declared(install):
    class Random(BalancerSuite):
        random = True

    dist = install("declared", WRONG["not_equivariant"])
    failed, skipped = outcomes(
        check for check in checks_of(dist, {"balancer:wrong": Random}) if not starts_an_interpreter(check)
    )
    assert (failed, skipped) == ([], ["balancer:wrong:equivariant"])


def test_a_declared_order_is_held_against_the_measured_one(install):
    class FourthOrder(CloudSuite):
        orders: ClassVar = {2: 4.5}

    dist = install("converging", WRONG["false_merge"])
    failed, _ = outcomes(
        check for check in checks_of(dist, {"scheme:wrong": FourthOrder}) if not starts_an_interpreter(check)
    )
    assert failed == ["scheme:wrong:manufactured", "scheme:wrong:merges", "scheme:wrong:variants"]


def test_plugin_checks_has_one_item_for_each_check(install):
    dist = install("items", {"base": "callback"})
    mark = plugin_checks(dist).mark
    ids = mark.kwargs["ids"]
    assert mark.args[0] == "check"
    assert [check.id for check in mark.args[1]] == ids
    assert len(set(ids)) == len(ids)
    assert {"metadata:name", "import:light", "callback:wrong:contract", "callback:wrong:run"} <= set(ids)


def test_collecting_imports_nothing_of_the_plugin(install):
    checks_of(install("lazy", {"base": "callback"}))
    assert "conformance_lazy" not in sys.modules


def test_what_is_not_there_is_refused(install):
    with pytest.raises(JnoValueError, match="No distribution 'jno-plugin-absent' is installed"):
        checks_of("jno-plugin-absent")
    with pytest.raises(JnoValueError, match="does not provide scheme:absent; it provides"):
        checks_of(install("present", {"base": "callback"}), {"scheme:absent": SchemeSuite})
