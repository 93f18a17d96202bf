"""Wheels of the workspace, and environments that hold nothing but chosen wheels and what these require."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import final

import pytest

ROOT = Path(__file__).parents[2]

# Behind a proxy only the machine's own certificates work.
CERTIFICATES = {"UV_SYSTEM_CERTS": "true"} if Path("/etc/ssl/certs/ca-certificates.crt").exists() else {}


@final
class Environment:
    """A fresh virtual environment, with its own folder to run programs in."""

    def __init__(self, uv, folder):
        self._uv = uv
        self._folder = folder
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder / "venv")], check=True)

    def pip(self, command, *arguments):
        """`pip install`, `pip uninstall`."""
        python = ["--quiet", "--python", str(self._folder / "venv/bin/python")]
        subprocess.run(
            [self._uv, "pip", command, *python, *map(str, arguments)], check=True, env={**CERTIFICATES, **os.environ}
        )

    def run(self, program, *arguments):
        """Runs one of the environment's programs; gives its output and shows it when the program fails."""
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "JNO_SEED", "JNO_PLUGINS")}
        command = [str(self._folder / "venv/bin" / program), *map(str, arguments)]
        done = subprocess.run(
            command,
            cwd=self._folder,
            env=environment,
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture(scope="session")
def uv():
    found = shutil.which("uv") or shutil.which(str(ROOT / ".uv/bin/uv"))
    if found is None:
        pytest.skip("uv is not installed; make test brings it")
    return found


@pytest.fixture(scope="session")
def build(uv, tmp_path_factory):
    """`build(project, *options)` builds wheels and gives their folder."""

    def build(project, *options):
        folder = tmp_path_factory.mktemp("wheels")
        command = [uv, "build", "--quiet", *options, "--wheel", "--out-dir", str(folder)]
        subprocess.run(command, cwd=project, check=True, env={**CERTIFICATES, **os.environ})
        return folder

    return build


@pytest.fixture(scope="session")
def wheel(build):
    """`wheel("jno_core")`: the wheel of a member of the workspace."""
    folder = build(ROOT, "--all-packages")

    def wheel(name):
        (found,) = folder.glob(f"{name}-*.whl")
        return found

    return wheel


@pytest.fixture
def environment(uv, tmp_path):
    return Environment(uv, tmp_path)
