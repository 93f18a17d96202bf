"""`jno.setup`."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from jno_core._settings import differentiation_modes, isolated_modes, run_callbacks, setup
from jno_core.errors import JnoTypeError, JnoValueError


@pytest.fixture
def script(tmp_path, monkeypatch):
    """The file of a script, with no configuration, and the logger `jno` as it was at the end."""
    folder = tmp_path / "project"
    folder.mkdir()
    script = folder / "poisson.py"
    script.write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("JNO_LOG_DIR", raising=False)
    logger = logging.getLogger("jno")
    handlers, level = list(logger.handlers), logger.level
    with isolated_modes():
        yield script
    for handler in logger.handlers:
        if handler not in handlers:
            handler.close()
    logger.handlers[:] = handlers
    logger.setLevel(level)


class TestRunFolder:
    def test_it_stands_beside_the_script(self, script):
        folder = setup(str(script))
        assert isinstance(folder, str)
        assert Path(folder) == script.parent / "runs" / "poisson"
        assert Path(folder).is_dir()

    def test_a_name_replaces_the_stem(self, script):
        assert Path(setup(script, "trial 1")) == script.parent / "runs" / "trial 1"

    def test_a_relative_script_is_found_from_the_working_directory(self, script):
        assert Path(setup("project/poisson.py")).resolve() == script.parent.resolve() / "runs" / "poisson"

    def test_a_relative_base_is_taken_from_the_scripts_folder(self, script, tmp_path):
        (tmp_path / ".jno.toml").write_text('[runs]\nbase_dir = "out/all"\n')
        assert Path(setup(script)) == script.parent / "out" / "all" / "poisson"

    def test_an_absolute_base(self, script, tmp_path):
        (tmp_path / ".jno.toml").write_text(f'[runs]\nbase_dir = "{tmp_path / "elsewhere"}"\n')
        assert Path(setup(script)) == tmp_path / "elsewhere" / "poisson"

    def test_the_environment_wins(self, script, tmp_path, monkeypatch):
        (tmp_path / ".jno.toml").write_text('[runs]\nbase_dir = "out"\n')
        monkeypatch.setenv("JNO_LOG_DIR", str(tmp_path / "scratch"))
        assert Path(setup(script)) == tmp_path / "scratch" / "poisson"

    def test_a_path_that_is_no_file_is_the_run_folder(self, script, tmp_path):
        assert setup("./runs/test") == str(Path("runs/test"))
        assert (tmp_path / "runs" / "test").is_dir()
        assert not (tmp_path / "runs" / "runs").exists()

    @pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "/a", "a\\b", "a\nb", "a\0", "a\x7f"])
    def test_a_name_that_is_no_plain_component_is_refused(self, script, name):
        with pytest.raises(JnoValueError, match="one path component without control characters"):
            setup(script, name)
        assert not (script.parent / "runs").exists()

    def test_a_folder_that_cannot_be_made_says_what_to_set(self, script):
        (script.parent / "runs").write_text("a file is in the way")
        with pytest.raises(JnoValueError, match=r"runs/poisson cannot be made: .*Set JNO_LOG_DIR or \[runs\] base_dir"):
            setup(script)


class TestModes:
    def test_they_are_set(self, script):
        setup(script, diff_type="forward", hessian_type="rev-over-rev")
        modes = differentiation_modes()
        assert (modes.first, modes.second) == ("forward", "rev-over-rev")

    def test_leaving_them_out_changes_nothing(self, script):
        setup(script, diff_type="forward")
        setup(script, hessian_type="rev-over-fwd")
        modes = differentiation_modes()
        assert (modes.first, modes.second) == ("forward", "rev-over-fwd")

    @pytest.mark.parametrize(
        ("modes", "message"),
        [
            ({"diff_type": "backward"}, r"diff_type must be one of \('forward', 'reverse'\)"),
            ({"diff_type": "forward", "hessian_type": "forward"}, r"hessian_type must be one of \('fwd-over-rev', "),
        ],
    )
    def test_a_wrong_one_changes_nothing_at_all(self, script, modes, message):
        with pytest.raises(JnoValueError, match=message):
            setup(script, **modes)
        assert differentiation_modes().first is None
        assert not (script.parent / "runs").exists()

    def test_wandb_takes_part_in_runs_until_the_next_setup(self, script):
        assert run_callbacks() == ()
        setup(script, wandb=True)
        assert run_callbacks() == ("wandb",)
        setup(script)
        assert run_callbacks() == ()

    def test_the_options_of_wandb_are_those_of_its_callback(self, script):
        with pytest.raises(
            JnoTypeError, match=r"setup\(wandb=\.\.\.\) takes True or False, got 'project'\..*callbacks="
        ):
            setup(script, wandb="project")


class TestLog:
    def test_messages_go_to_the_newest_run_folder_once(self, script):
        first = Path(setup(script, "first"))
        logging.getLogger("jno").info("one")
        second = Path(setup(script, "second"))
        setup(script, "second")
        logging.getLogger("jno.training").info("two")
        assert "one" in (first / "log.log").read_text()
        assert "two" not in (first / "log.log").read_text()
        (line,) = (second / "log.log").read_text().splitlines()
        assert line.endswith("INFO two")

    def test_the_former_file_is_closed_and_other_handlers_stay(self, script, tmp_path):
        logger = logging.getLogger("jno")
        own = logging.FileHandler(tmp_path / "mine.log")
        logger.addHandler(own)
        setup(script, "first")
        logger.info("one")
        (ours,) = [
            handler for handler in logger.handlers if isinstance(handler, logging.FileHandler) and handler is not own
        ]
        setup(script, "second")
        assert ours not in logger.handlers
        assert ours.stream is None
        assert own in logger.handlers

    def test_the_users_level_is_kept(self, script):
        logging.getLogger("jno").setLevel(logging.ERROR)
        setup(script)
        assert logging.getLogger("jno").level == logging.ERROR

    def test_importing_adds_a_silent_handler_only(self):
        program = (
            "import logging, jno; jno_log = logging.getLogger('jno'); jno_log.warning('heard')\n"
            "assert [type(h) for h in jno_log.handlers] == [logging.NullHandler], jno_log.handlers\n"
            "assert not logging.getLogger().handlers and jno_log.level == logging.NOTSET"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
