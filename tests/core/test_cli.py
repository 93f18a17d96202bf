"""The command `jno`."""

import json
import os
import pathlib
import subprocess
import sys
import sysconfig
import textwrap

import pytest

from jno_core import cli, plugins
from jno_core._registry import Registry
from jno_core.cli import _doctor

DISTS = pathlib.Path(__file__).parents[1] / "isolation" / "dists"
CASES = tuple(sorted(folder.name for folder in DISTS.iterdir()))
STANDARD_LIBRARY = sysconfig.get_paths()["stdlib"]


@pytest.fixture
def install(monkeypatch):
    """Makes the given folders of DISTS the only plugins that are installed."""
    monkeypatch.delenv("JNO_PLUGINS", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def install(*cases):
        standard = [path for path in sys.path if path.startswith(STANDARD_LIBRARY) and "site-packages" not in path]
        packages = [path for path in sys.path if path.endswith("site-packages")]
        monkeypatch.setenv("JNO_PLUGINS", ",".join(dist_of(case) for case in cases))
        monkeypatch.setattr(sys, "path", [*(str(DISTS / case) for case in cases), *standard, *packages])
        monkeypatch.setattr(plugins, "registry", Registry())

    yield install
    for name in [name for name in sys.modules if name.startswith("dist_")]:
        del sys.modules[name]


def dist_of(case):
    (info,) = (DISTS / case).glob("*.dist-info")
    return info.name.partition("-")[0].replace("_", "-")


@pytest.fixture
def jno(capsys):
    """Runs a command in this process: the exit status and both outputs."""

    def jno(*arguments):
        try:
            status = cli.main(arguments)
        except SystemExit as exit:
            status = exit.code
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return jno


def no_plugin_was_imported():
    return not any(name.startswith("dist_") for name in sys.modules)


def test_listing_is_aligned_and_imports_nothing(install, jno):
    install("good", "stranger_a", "stranger_b", "future", "squatter", "owner", "broken")
    status, out, _ = jno("plugins")
    assert status == 0
    assert out == textwrap.dedent("""\
        KIND      NAME               FROM                     STATUS
        callback  watchdog           jno-plugin-good 1.2      ok
        scheme    finite_difference  jno-plugin-fd 0.1.0      ok
        scheme    finite_difference  jno-plugin-squatter 6.6  shadowed: the name belongs to jno-plugin-fd
        scheme    identity           jno-plugin-good 1.2      ok
        scheme    identity           jno-plugin-good 1.2      unused: for plugin API 2
        scheme    meshless           jno-plugin-future 3.0    needs plugin API 2; this jno-core has 1
        scheme    rbf                jno-plugin-a 1.0         conflict: jno-plugin-b 2.0
        scheme    spectral           jno-plugin-squatter 6.6  shadowed: the name belongs to jno-plugin-spectral
        scheme    weno               jno-plugin-broken 0.3    ok
        7 names from 7 packages, 4 problems.  `jno plugins check --load` also imports them.
        """)
    assert jno("plugins", "list") == (0, out, "")
    assert no_plugin_was_imported()


def test_listing_nothing(install, jno):
    install()
    assert jno("plugins", "list") == (0, "No plugins are installed.\n", "")
    assert jno("plugins", "list", "--json") == (0, "[]\n", "")


@pytest.mark.parametrize("arguments", [("--json",), ("list", "--json"), ("--json", "list")])
def test_listing_for_machines(install, jno, arguments):
    install("future")
    status, out, _ = jno("plugins", *arguments)
    assert status == 0
    assert json.loads(out) == [
        {
            "kind": "scheme",
            "name": "meshless",
            "dist": "jno-plugin-future",
            "version": "3.0",
            "value": "dist_future:Meshless",
            "api": 2,
            "standing": "incompatible",
            "note": "needs plugin API 2; this jno-core has 1",
            "fix": "pip install --upgrade jno-core",
        }
    ]


def test_check_without_a_problem(install, jno):
    install("good")
    assert jno("plugins", "check") == (0, "2 names from 1 package, no problems.\n", "")
    assert no_plugin_was_imported()


@pytest.mark.parametrize(
    ("cases", "text"),
    [
        (
            ("stranger_a", "stranger_b"),
            (
                "scheme 'rbf' of jno-plugin-a 1.0: conflict: jno-plugin-b 2.0\n"
                "    Uninstall all but one, or name the package: scheme='jno-plugin-a/rbf'.\n"
                "1 name from 2 packages, 1 problem.\n"
            ),
        ),
        (
            ("future",),
            (
                "scheme 'meshless' of jno-plugin-future 3.0: needs plugin API 2; this jno-core has 1\n"
                "    pip install --upgrade jno-core\n"
                "1 name from 1 package, 1 problem.\n"
            ),
        ),
        (
            ("needy",),
            (
                "jno-plugin-needy needs jno-core>=99; 0.1.0 is installed\n"
                "    pip install 'jno-core>=99'\n"
                "jno-plugin-needy needs not-on-any-index>=1, which is not installed\n"
                "    pip install 'not-on-any-index>=1'\n"
                "1 name from 1 package, 2 problems.\n"
            ),
        ),
    ],
)
def test_check_prints_each_problem_with_its_fix(install, jno, monkeypatch, cases, text):
    install(*cases)
    assert jno("plugins", "check") == (1, text, "")
    assert no_plugin_was_imported()


@pytest.mark.parametrize("case", ["squatter", "misspelt"])
def test_check_fails_for_what_metadata_tell(install, jno, case):
    install(case)
    status, out, _ = jno("plugins", "check")
    assert status == 1
    assert f"uninstall {dist_of(case)}" in out
    assert no_plugin_was_imported()


@pytest.mark.parametrize(("case", "error"), [("broken", "ModuleNotFoundError"), ("leaving", "SystemExit: 3")])
def test_only_loading_finds_a_broken_plugin(install, jno, case, error):
    install(case, "good")
    assert jno("plugins", "check")[0] == 0
    status, out, _ = jno("plugins", "check", "--load")
    assert status == 1
    assert out.startswith("Importing every plugin: this runs their code.\n")
    assert error in out
    assert f"    pip uninstall {dist_of(case)}\n3 names from 2 packages, 1 problem.\n" in out


def test_checking_for_machines(install, jno):
    install("broken")
    status, out, _ = jno("plugins", "check", "--load", "--json")
    (problem,) = json.loads(out)
    assert status == 1
    assert problem["dist"] == "jno-plugin-broken"
    assert "No module named 'not_there'" in problem["text"]


def test_showing_a_plugin(install, jno):
    install("good")
    assert jno("plugins", "show", "scheme", "identity") == (
        0,
        textwrap.dedent("""\
        scheme     identity
        from       jno-plugin-good 1.2 (dist_good:Identity)
        arguments  () -> None
        variants   identity:left, identity:right

        Takes every derivative to be the target itself.
        """),
        "",
    )
    status, out, _ = jno("plugins", "show", "callback", "watchdog", "--json")
    assert status == 0
    assert json.loads(out)["summary"] == "Stops at once."


def test_showing_what_is_not_there(install, jno):
    install("good")
    status, out, err = jno("plugins", "show", "scheme", "identiy")
    assert (status, out) == (1, "")
    assert "Did you mean 'identity'?" in err
    status, _, err = jno("plugins", "show", "shceme", "identity")
    assert status == 2
    assert "shceme" in err


def test_the_plugins_of_this_workspace_are_found(jno):
    status, out, _ = jno("plugins", "list")
    assert status == 0
    assert "automatic_differentiation" in out


def test_version_and_help(jno):
    status, out, _ = jno("--version")
    assert status == 0
    assert out.startswith("jno")
    assert "jno-core " in out
    status, out, _ = jno()
    assert status == 0
    assert all(command in out for command in ("plugins", "demo", "run", "doctor"))


def test_running_a_file(tmp_path, jno):
    (tmp_path / "beside.py").write_text("WORD = 'found'\n")
    script = tmp_path / "script.py"
    script.write_text("import sys\nfrom beside import WORD\nprint(__name__, sys.argv[1:], WORD)\n")
    before = (sys.argv, list(sys.path))
    assert jno("run", str(script), "--epochs", "3", "x") == (0, "__main__ ['--epochs', '3', 'x'] found\n", "")
    assert (sys.argv, list(sys.path)) == before
    del sys.modules["beside"]


def test_the_exit_status_of_a_file_is_passed_on(tmp_path, jno):
    script = tmp_path / "script.py"
    script.write_text("raise SystemExit(7)\n")
    assert jno("run", str(script))[0] == 7


def test_running_a_file_that_is_not_there(tmp_path, jno):
    status, out, err = jno("run", str(tmp_path / "absent.py"))
    assert (status, out) == (2, "")
    assert "absent.py' does not exist; expected a Python script" in err
    status, _, err = jno("run", str(tmp_path))
    assert status == 2
    assert "is a folder" in err


@pytest.mark.parametrize(
    ("given", "passed"),
    [((), []), (("--epochs", "5", "--out", "a folder"), ["--out", "a folder", "--epochs", "5"])],
)
def test_the_demo_gets_its_options(tmp_path, monkeypatch, jno, given, passed):
    package = tmp_path / "jno"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "demo.py").write_text("import sys\nprint(__name__, sys.argv)\n")
    for name in [name for name in sys.modules if name.partition(".")[0] == "jno"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "argv", ["pytest"])
    status, out, _ = jno("demo", *given)
    monkeypatch.delitem(sys.modules, "jno")
    assert status == 0
    assert out.startswith("__main__ [")
    assert out.rstrip().endswith(str(passed)[1:])


def test_the_demo_refuses_other_options(jno):
    status, _, err = jno("demo", "--epochs", "many")
    assert status == 2
    assert "--epochs" in err


def test_a_healthy_environment(install, jno, monkeypatch):
    install("good")
    monkeypatch.setattr(_doctor.ctypes.util, "find_library", lambda name: None if name == "GLU" else f"lib{name}.so")
    status, out, _ = jno("doctor")
    assert status == 0
    for word in ("python", "jax", "jaxlib", "equinox", "optax", "jno-core", "cpu", "jax_enable_x64", "jno-plugin-good"):
        assert word in out
    assert "which runs their code" in out
    assert "missing: GLU\n    apt-get install -y --no-install-recommends libglu1-mesa libgl1 libxcursor1" in out
    assert out.endswith("All plugins are well.\n")


def test_an_unhealthy_environment(install, jno):
    install("good", "broken", "leaving")
    status, out, _ = jno("doctor")
    assert status == 1
    assert "No module named 'not_there'" in out
    assert "SystemExit: 3" in out
    assert "scheme    identity  jno-plugin-good 1.2     ok" in out


def test_listing_works_beside_everything_that_is_broken():
    path = os.pathsep.join(str(DISTS / case) for case in CASES)
    code = (
        "import sys; from jno_core.cli import main; status = main(['plugins']);"
        "assert not [name for name in sys.modules if name.startswith(('dist_', 'jno_plugin_'))]; sys.exit(status)"
    )
    environment = {**os.environ, "PYTHONPATH": path}
    environment.pop("JNO_PLUGINS", None)
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    for name in ("weno", "leaving", "rbf", "meshless", "automatic_differentiation"):
        assert name in result.stdout
