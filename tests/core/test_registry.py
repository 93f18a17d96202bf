"""Finding and loading plugins, on real `*.dist-info` folders in tests/isolation/dists."""

import dataclasses
import os
import pathlib
import subprocess
import sys
import sysconfig

import hypothesis.strategies as st
import importlib_metadata  # noqa: F401 - before sys.path is replaced, as it is imported at the first look-up
import pytest
from hypothesis import given

import jno_core
from jno_core import errors, plugins
from jno_core._registry import KINDS, PluginRecord, Registry, known
from jno_core._registry.metadata import installed_records

DISTS = pathlib.Path(__file__).parents[1] / "isolation" / "dists"
CASES = tuple(sorted(folder.name for folder in DISTS.iterdir()))
STANDARD_LIBRARY = sysconfig.get_paths()["stdlib"]


@pytest.fixture
def install(monkeypatch):
    """Makes the given folders of DISTS the only distributions that are installed, and gives a fresh registry."""
    monkeypatch.delenv("JNO_PLUGINS", raising=False)
    standard = [path for path in sys.path if path.startswith(STANDARD_LIBRARY) and "site-packages" not in path]

    def install(*cases, **options):
        monkeypatch.setattr(sys, "path", [*(str(DISTS / case) for case in cases), *standard])
        return Registry(**options)

    yield install
    for name in fixture_modules():
        del sys.modules[name]


def fixture_modules():
    return [name for name in sys.modules if name.startswith("dist_")]


def text_of(error, call, *arguments):
    with pytest.raises(error) as caught:
        call(*arguments)
    assert isinstance(caught.value, errors.PluginError)
    return str(caught.value)


def standings(registry):
    return {(s.record.dist, s.record.name, s.record.api): s.standing for s in registry.records()}


def test_a_record_says_what_the_metadata_say(install):
    registry = install("good")
    assert registry.find("scheme", "identity") == PluginRecord(
        "scheme", "identity", "jno-plugin-good", "1.2", "dist_good:Identity", 1
    )
    assert registry.names("scheme") == ("identity",)
    assert registry.names("callback") == ("watchdog",)
    assert registry.names("geometry") == ()


def test_get_imports_the_object(install):
    registry = install("good")
    scheme = registry.get("scheme", "identity")
    assert issubclass(scheme, jno_core.AbstractScheme)
    assert scheme.__module__ == "dist_good"
    assert registry.get("scheme", "jno-plugin-good/identity") is scheme
    assert registry.get("scheme", "JNO_Plugin.good/identity") is scheme


def test_discovery_imports_nothing(install):
    registry = install(*CASES)
    assert len(registry.records()) > 15
    for kind in KINDS:
        for name in registry.names(kind):
            if name != "rbf":
                registry.find(kind, name)
    assert fixture_modules() == []


def test_importing_jno_core_discovers_nothing():
    code = (
        "import sys, jno_core, jno_core.plugins\n"
        "from jno_core._registry import registry\n"
        "assert '_statuses' not in vars(registry), 'the metadata were read'\n"
        "registry.records()\n"
        "assert '_statuses' in vars(registry)\n"
        "plugins = [name for name in sys.modules if name.startswith(('dist_', 'jno_plugin_'))]\n"
        "assert plugins == [], plugins\n"
    )
    path = os.pathsep.join(str(DISTS / case) for case in CASES)
    result = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


def test_near_spelling_of_an_installed_name(install):
    assert text_of(errors.PluginNotFoundError, install("good", "owner").find, "scheme", "finite_diference") == (
        "Unknown differentiation scheme 'finite_diference'.\n"
        "Did you mean 'finite_difference'?\n"
        "Installed: 'finite_difference', 'identity'.\n"
        "See `jno plugins` for everything found in this environment."
    )


def test_name_of_a_package_that_is_not_installed(install):
    assert text_of(errors.PluginNotFoundError, install("good").find, "scheme", "spectral") == (
        "Unknown differentiation scheme 'spectral'.\n"
        "It is provided by jno-plugin-spectral, which is not installed:\n"
        "    pip install jno-plugin-spectral\n"
        "Installed: 'identity'.\n"
        "See `jno plugins` for everything found in this environment."
    )


def test_near_spelling_of_a_package_that_is_not_installed(install):
    text = text_of(errors.PluginNotFoundError, install().find, "scheme", "spctral")
    assert text.splitlines()[:3] == [
        "Unknown differentiation scheme 'spctral'.",
        "Did you mean 'spectral' (pip install jno-plugin-spectral)?",
        "Installed: none.",
    ]


def test_name_of_a_later_release_of_an_installed_package(install, tmp_path, monkeypatch):
    registry = install("owner")
    write_dist(tmp_path, "Jno_Plugin.Spectral", "0.0.1", "[console_scripts]\nx = y:z\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    text = text_of(errors.PluginNotFoundError, registry.find, "scheme", "spectral")
    assert "but not by the installed version 0.0.1:\n    pip install --upgrade jno-plugin-spectral" in text


@given(st.text(max_size=12))
def test_install_hints_never_come_from_what_was_typed(name):
    registry = Registry()
    if name in registry.names("scheme"):
        return
    with pytest.raises(errors.PluginNotFoundError) as caught:
        registry.find("scheme", name)
    hinted = [word.rstrip(")?") for word in str(caught.value).replace(repr(name), "").split("pip install ")[1:]]
    owners = {owner for (kind, _), owner in known.OWNERS.items() if kind == "scheme"}
    assert all(line.splitlines()[0].rstrip(")?") in owners for line in hinted)


def test_two_strangers_with_one_name(install):
    registry = install("stranger_b", "good", "stranger_a")
    assert registry.get("scheme", "identity").__name__ == "Identity"
    assert registry.names("scheme") == ("identity", "rbf")
    assert text_of(errors.PluginConflictError, registry.find, "scheme", "rbf") == (
        "2 installed packages provide the differentiation scheme 'rbf':\n"
        "    jno-plugin-a 1.0 (dist_stranger_a:R)\n"
        "    jno-plugin-b 2.0 (dist_stranger_b:R)\n"
        "Uninstall all but one, or name the package: scheme='jno-plugin-a/rbf'."
    )
    assert registry.get("scheme", "jno-plugin-a/rbf").__module__ == "dist_stranger_a"
    assert registry.get("scheme", "jno-plugin-b/rbf").__module__ == "dist_stranger_b"


def test_pinned_to_a_package_that_does_not_provide_it(install):
    registry = install("good", "stranger_a")
    text = text_of(errors.PluginNotFoundError, registry.find, "scheme", "jno-plugin-good/rbf")
    assert "jno-plugin-good 1.2 provides no such name of this kind; it provides: 'identity'." in text
    text = text_of(errors.PluginNotFoundError, registry.find, "scheme", "jno-plugin-absent/rbf")
    assert "No package jno-plugin-absent is installed." in text


def test_for_a_later_api_only(install):
    registry = install("future", "good")
    assert text_of(errors.PluginIncompatibleError, registry.find, "scheme", "meshless") == (
        "jno-plugin-future 3.0 provides the differentiation scheme 'meshless' for plugin API 2, newer than the API 1 "
        "of this jno-core.\n    pip install --upgrade jno-core"
    )
    text_of(errors.PluginIncompatibleError, registry.find, "scheme", "jno-plugin-future/meshless")
    assert "meshless" not in registry.names("scheme")
    assert registry.find("scheme", "identity").api == 1


def test_for_an_earlier_api_only(install):
    kinds = {**KINDS, "scheme": dataclasses.replace(KINDS["scheme"], level=2)}
    registry = install("owner", "good", kinds=kinds)
    assert text_of(errors.PluginIncompatibleError, registry.find, "scheme", "finite_difference") == (
        "jno-plugin-fd 0.1.0 provides the differentiation scheme 'finite_difference' for plugin API 1, older than the "
        "API 2 of this jno-core.\n    pip install --upgrade jno-plugin-fd"
    )
    assert registry.find("scheme", "identity").value == "dist_good:Later"


def test_a_release_that_serves_two_api_levels_is_no_problem(install):
    assert standings(install("good")) == {
        ("jno-plugin-good", "identity", 1): "ok",
        ("jno-plugin-good", "identity", 2): "unused",
        ("jno-plugin-good", "watchdog", 1): "ok",
    }


def test_a_broken_plugin(install):
    registry = install("broken", "good")
    assert registry.find("scheme", "weno").dist == "jno-plugin-broken"
    for _ in range(2):
        with pytest.raises(errors.PluginLoadError) as caught:
            registry.get("scheme", "weno")
        assert str(caught.value) == (
            "The differentiation scheme 'weno' of jno-plugin-broken 0.3 (dist_broken:Weno) could not be imported: "
            "ModuleNotFoundError: No module named 'not_there'\n"
            "This is a fault in that package, not in your problem. Update it, or remove it:\n"
            "    pip uninstall jno-plugin-broken"
        )
        assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    assert registry.get("scheme", "identity").__name__ == "Identity"


def test_a_failure_is_not_remembered(install, monkeypatch):
    registry = install("broken")
    with pytest.raises(errors.PluginLoadError):
        registry.get("scheme", "weno")
    repaired = type(sys)("not_there")
    repaired.Weno = install("broken", "good") and Registry().get("scheme", "identity")
    monkeypatch.setitem(sys.modules, "not_there", repaired)
    assert registry.get("scheme", "weno") is repaired.Weno


def test_a_plugin_that_ends_the_process(install):
    text = text_of(errors.PluginLoadError, install("leaving").get, "balancer", "leaving")
    assert "The loss balancer 'leaving' of jno-plugin-leaving 0.1" in text
    assert "could not be imported: SystemExit: 3\n" in text


def test_an_interrupt_while_importing_goes_through(install, tmp_path, monkeypatch):
    registry = install()
    write_dist(tmp_path, "jno-plugin-slow", "1", "[jno.searches]\nslow = dist_slow:Slow\n")
    (tmp_path / "dist_slow.py").write_text("raise KeyboardInterrupt\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(KeyboardInterrupt):
        registry.get("search", "slow")


def test_a_misspelt_class(install):
    text = text_of(errors.PluginLoadError, install("misspelt").get, "scheme", "upwind")
    assert "AttributeError: module 'dist_misspelt' has no attribute 'Uwpind'" in text


def test_a_misspelt_name_and_a_misspelt_group_are_reported(install):
    registry = install("misspelt")
    notes = {status.record.name: status.note for status in registry.records() if status.standing == "invalid"}
    assert notes == {
        "Up-Wind": "the name 'Up-Wind' is not of lower-case letters, digits and underscores",
        "downwind": "unknown group 'jno.scheme'; it should be 'jno.schemes'",
    }
    assert registry.names("scheme") == ("upwind",)
    text_of(errors.PluginNotFoundError, registry.find, "scheme", "Up-Wind")
    text_of(errors.PluginNotFoundError, registry.find, "scheme", "downwind")


@pytest.mark.parametrize(
    ("kind", "name", "reason"),
    [
        (
            "scheme",
            "function",
            "(dist_wrong_type:scheme) is the function scheme; it must be a class derived from jno_core.AbstractScheme.",
        ),
        (
            "scheme",
            "unfinished",
            "which is abstract; it must be a class derived from jno_core.AbstractScheme that defines 'apply', ",
        ),
        ("scheme", "whole_module", "(dist_wrong_type) is not of the form 'module:attribute'."),
        ("callback", "instance", "is an instance of object; it must be a class."),
    ],
)
def test_an_object_of_the_wrong_type(install, kind, name, reason):
    text = text_of(errors.PluginTypeError, install("wrong_type").get, kind, name)
    assert reason in text
    assert text.endswith("    pip uninstall jno-plugin-wrong-type")


@pytest.mark.parametrize("cases", [("owner", "squatter"), ("squatter", "owner")])
def test_an_owned_name_is_served_by_its_owner(install, cases):
    registry = install(*cases)
    assert registry.get("scheme", "finite_difference").__module__ == "dist_owner"
    assert standings(registry)["jno-plugin-squatter", "finite_difference", 1] == "shadowed"
    assert registry.get("scheme", "jno-plugin-squatter/finite_difference").__module__ == "dist_squatter"


def test_an_owned_name_is_not_served_by_another_when_the_owner_is_absent(install):
    registry = install("squatter")
    assert registry.names("scheme") == ()
    text = text_of(errors.PluginNotFoundError, registry.get, "scheme", "finite_difference")
    assert "which is not installed:\n    pip install jno-plugin-fd\n" in text
    assert (
        "jno-plugin-squatter 6.6 claims this name, too; "
        "to use that one, write scheme='jno-plugin-squatter/finite_difference'."
    ) in text


@pytest.mark.parametrize(("cases", "version"), [(("twice_1", "twice_2"), "1.0"), (("twice_2", "twice_1"), "2.0")])
def test_of_a_package_that_is_on_the_path_twice_the_first_counts(install, cases, version):
    registry = install(*cases)
    assert [(s.record.dist, s.record.version) for s in registry.records()] == [("jno-plugin-twice", version)]
    assert registry.find("balancer", "twice").version == version
    module = sys.modules[registry.get("balancer", "twice").__module__]
    assert f"Version {version}" in module.__doc__


def test_the_order_on_the_path_does_not_matter(install):
    cases = [case for case in CASES if not case.startswith("twice")]
    forwards = install(*cases).records()
    backwards = install(*reversed(cases)).records()
    assert forwards == backwards
    assert list(forwards) == sorted(forwards)


@pytest.mark.parametrize(
    ("limit", "names"),
    [
        (None, ("finite_difference", "identity", "rbf")),
        ("", ()),
        ("good", ("identity",)),
        ("jno-plugin-good, FD", ("finite_difference", "identity")),
        ("a", ("rbf",)),
        ("nothing", ()),
    ],
)
def test_limiting_the_packages(install, monkeypatch, limit, names):
    registry = install("good", "owner", "stranger_a")
    if limit is not None:
        monkeypatch.setenv("JNO_PLUGINS", limit)
    assert registry.names("scheme") == names


def test_a_limit_is_named_in_the_error(install, monkeypatch):
    registry = install("good", "owner")
    monkeypatch.setenv("JNO_PLUGINS", "good")
    text = text_of(errors.PluginNotFoundError, registry.find, "scheme", "finite_difference")
    assert "It is provided by jno-plugin-fd, which is installed, but left out by JNO_PLUGINS='good'." in text
    assert "pip install" not in text
    text = text_of(errors.PluginNotFoundError, registry.find, "scheme", "jno-plugin-fd/finite_difference")
    assert "Only the packages of JNO_PLUGINS='good' are looked at." in text


def test_an_unknown_kind(install):
    with pytest.raises(errors.JnoKeyError, match=r"Unknown kind of plugin 'shceme'\. Did you mean 'scheme'\?"):
        install().find("shceme", "rbf")


def test_a_name_that_is_no_string(install):
    with pytest.raises(errors.JnoTypeError, match="must be a string, got 3"):
        install().find("scheme", 3)


class Mine:
    @jno_core.hookimpl
    def on_fit_end(self):
        pass


def test_temporary_registration(install):
    registry = install("good")
    with registry.temporary("callback", "mine", Mine):
        assert registry.get("callback", "mine") is Mine
        assert registry.names("callback") == ("mine", "watchdog")
        assert registry.find("callback", "mine").dist == "temporary"
        assert registry.records()[-1].record.name == "mine"
    assert registry.names("callback") == ("watchdog",)
    text_of(errors.PluginNotFoundError, registry.find, "callback", "mine")


@pytest.mark.parametrize("name", ["watchdog", "progress"])
def test_temporary_registration_over_a_taken_name(install, name):
    registry = install("good")

    def enter():
        with registry.temporary("callback", name, Mine):
            pytest.fail("the name is taken")

    assert "override=True" in text_of(errors.PluginConflictError, enter)
    with registry.temporary("callback", name, Mine, override=True):
        assert registry.get("callback", name) is Mine
        assert registry.get("callback", "jno-plugin-good/watchdog").__name__ == "Watchdog"
    assert registry.names("callback") == ("watchdog",)


def test_temporary_registrations_nest_and_end_with_an_error(install):
    registry = install()

    def fail():
        with registry.temporary("search", "mine", Mine):
            with registry.temporary("search", "mine", dict, override=True):
                assert registry.get("search", "mine") is dict
            assert registry.get("search", "mine") is Mine
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert registry.names("search") == ()


def test_temporary_registration_holds_the_contract(install):
    registry = install()

    def enter(kind, name, obj):
        with registry.temporary(kind, name, obj):
            pytest.fail("it does not fulfil the contract")

    text = text_of(errors.PluginTypeError, enter, "balancer", "mine", Mine)
    assert text == (
        "The loss balancer 'mine' is the class Mine; it must be a class derived from jno_core.AbstractBalancer."
    )
    with pytest.raises(errors.JnoValueError, match="'My-Name' cannot name a plugin"):
        enter("callback", "My-Name", Mine)
    with pytest.raises(errors.JnoKeyError, match=r"'calback'.*'callback'"):
        enter("calback", "mine", Mine)


def test_the_public_face(install, monkeypatch):
    monkeypatch.setattr(plugins, "registry", install("good"))
    assert [status.record.name for status in plugins.list()] == ["watchdog", "identity", "identity"]
    assert plugins.find("scheme", "identity").value == "dist_good:Identity"
    assert plugins.get("scheme", "identity").__name__ == "Identity"
    description = plugins.show("scheme", "identity")
    assert description.summary == "Takes every derivative to be the target itself."
    assert description.variants == ("left", "right")
    assert plugins.show("callback", "watchdog").signature == "()"
    with plugins.temporary("callback", "mine", Mine):
        assert plugins.get("callback", "mine") is Mine


def write_dist(folder, name, version, entry_points):
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_bytes(entry_points if isinstance(entry_points, bytes) else entry_points.encode())


def test_damaged_metadata_disturb_nothing_else(install, tmp_path, monkeypatch):
    registry = install("good")
    write_dist(tmp_path, "jno-plugin-damaged", "1", "[jno.schemes]\nno equals sign\n")
    write_dist(tmp_path, "not-ours", "1", b"[other]\n\xff\xfe = x:y\n")
    (tmp_path / "left_behind-1.dist-info").mkdir()
    (tmp_path / "left_behind-1.dist-info" / "entry_points.txt").write_text("[jno.schemes]\nghost = ghost:Ghost\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    damaged = [status for status in registry.records() if status.problem]
    assert [(s.record.dist, s.note) for s in damaged] == [
        ("jno-plugin-damaged", "the file entry_points.txt of jno-plugin-damaged cannot be read")
    ]
    assert registry.names("scheme") == ("identity",)


def test_our_own_plugins_are_found_and_own_their_names():
    ours = [record for record in installed_records() if record.dist in set(known.OWNERS.values())]
    assert {record.dist for record in ours} >= {"jno-plugin-ad", "jno-plugin-balancers", "jno-plugin-geometry"}
    for record in ours:
        assert known.OWNERS[record.kind, record.name] == record.dist


def test_the_table_of_owners():
    assert "dlrs" in known.known_names("schedule")
    assert {kind for kind, _ in known.OWNERS} == set(KINDS)
    assert all(owner.startswith("jno-plugin-") for owner in known.OWNERS.values())


def test_the_kinds_and_their_groups():
    plurals = (
        "schemes geometries balancers adapters resamplers callbacks schedules optimizers searches".split()  # noqa: SIM905
    )
    assert [kind.group for kind in KINDS.values()] == [f"jno.{plural}" for plural in plurals]
