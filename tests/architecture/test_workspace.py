"""The distributions are alike, and the tools' configuration knows all of them."""

import tomllib

import pytest


@pytest.fixture(scope="module")
def configuration(house):
    return tomllib.loads((house.root / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def members(house):
    """The members' folders with their pyproject files."""
    folders = {package.parents[1] for package in house.folders.values()}
    return {folder: tomllib.loads((folder / "pyproject.toml").read_text()) for folder in sorted(folders)}


def test_members(members):
    for folder, project in members.items():
        assert project["project"]["name"] == folder.name.replace("_", "-")
        assert project["project"]["requires-python"] == ">=3.11"
        assert project["project"]["license"] == "Apache-2.0"
        assert project["build-system"]["build-backend"] == "hatchling.build"
        assert (folder / "src" / folder.name / "py.typed").is_file()


def test_plugins_require_the_core_alone(members):
    for folder, project in members.items():
        needed = [requirement for requirement in project["project"]["dependencies"] if requirement.startswith("jno")]
        assert needed == ([] if folder.name == "jno_core" else ["jno-core>=0.1,<0.2"])


def test_the_version_is_stated_once(house, members, configuration):
    versions = {project["project"]["name"]: project["project"]["version"] for project in members.values()}
    assert configuration["project"]["version"] == versions["jno-core"]
    assert f'__version__ = "{versions["jno-core"]}"' in house.sources["jno._version"].lines


def test_ruff_and_pyright_see_every_package(house, configuration):
    expected = {str(folder.parent.relative_to(house.root)) for folder in house.folders.values()}
    assert set(configuration["tool"]["ruff"]["src"]) == expected
    assert set(configuration["tool"]["pyright"]["include"]) == expected


def test_the_contracts_of_imports_see_every_package(house, configuration):
    linter = configuration["tool"]["importlinter"]
    contracts = {contract["name"]: contract for contract in linter["contracts"]}
    assert set(linter["root_packages"]) == set(house.folders)
    plugins = set(house.plugins)
    assert set(contracts["Plugins know nothing of each other"]["modules"]) == plugins
    assert set(contracts["The core and the face know no plugin"]["forbidden_modules"]) == plugins
    face = contracts["The face stands on the core, the core and the plugins never on the face"]
    assert set(face["source_modules"]) == {"jno_core", *plugins}
    private = {f"jno_core.{name}" for name in map(second, house.sources) if name.startswith("_")}
    assert set(contracts["Plugins import public names of the core only"]["protected_modules"]) == private


def second(module):
    """The part after the package's name, if the package is the core."""
    package, _, rest = module.partition(".")
    return rest.partition(".")[0] if package == "jno_core" else ""


def test_each_member_has_a_folder_of_tests(house, members):
    tests = {path.name for path in (house.root / "tests").iterdir() if path.is_dir()}
    assert {"architecture", "conformance", "integration", "isolation", "seeds"} <= tests
    assert {folder.name.removeprefix("jno_").removeprefix("plugin_") for folder in members} <= tests
