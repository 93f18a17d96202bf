"""Configuration files, the seed and the differentiation modes."""

import os

import jax
import pytest
from hypothesis import given, settings, strategies as st

import jno
from jno_core import DifferentiationModes
from jno_core._settings import (
    ad_fn,
    default_scheme,
    differentiation_modes,
    get_ad_mode,
    get_config,
    get_config_path,
    get_hessian_mode,
    get_seed,
    isolated_modes,
    load_config,
    parse_ad_scheme,
    parse_hessian_scheme,
    set_ad_mode,
    set_hessian_mode,
)
from jno_core.errors import JnoValueError, JnoWarning

MODES = (
    "automatic_differentiation",
    "forward",
    "reverse",
    "fwd-over-rev",
    "fwd-over-fwd",
    "rev-over-rev",
    "rev-over-fwd",
)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The project's and the user's file, both missing, in folders of this test."""
    project, home = tmp_path / "project", tmp_path / "home"
    project.mkdir()
    (home / ".jno").mkdir(parents=True)
    monkeypatch.chdir(project)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("JNO_SEED", raising=False)
    with isolated_modes():
        yield project / ".jno.toml", home / ".jno" / "config.toml"


class TestFiles:
    def test_nothing_is_configured_without_files(self, files):
        assert get_config() == {}
        assert get_config_path() is None
        assert get_seed() == 42
        assert default_scheme() == "automatic_differentiation"
        assert (get_ad_mode(), get_hessian_mode()) == ("reverse", "fwd-over-rev")

    def test_keys_merge_with_the_project_first(self, files):
        project, user = files
        user.write_text('[jno]\nseed = 3\ndiff_type = "forward"\n[runs]\nbase_dir = "elsewhere"\n')
        assert get_config_path() == user
        project.write_text('[jno]\nseed = 7\nscheme = "finite_difference"\n')
        assert get_config_path() == project
        assert get_config() == {
            "jno.seed": 7,
            "jno.scheme": "finite_difference",
            "jno.diff_type": "forward",
            "runs.base_dir": "elsewhere",
        }

    def test_a_changed_file_is_read_again(self, files):
        project, _ = files
        project.write_text("[jno]\nseed = 1\n")
        assert get_seed() == 1
        project.write_text("[jno]\nseed = 2\n")
        os.utime(project, ns=(1, 1))
        assert get_seed() == 2
        project.write_text("[jno]\nseed = 3\n")
        os.utime(project, ns=(1, 1))
        assert load_config(force=True)["jno.seed"] == 3

    def test_another_folder_has_another_configuration(self, files, monkeypatch, tmp_path):
        files[0].write_text("[jno]\nseed = 1\n")
        assert get_seed() == 1
        monkeypatch.chdir(tmp_path)
        assert get_seed() == 42

    def test_broken_toml_names_file_and_line(self, files):
        files[1].write_text("[jno]\nseed = = 3\n")
        with pytest.raises(JnoValueError, match=r"config\.toml is not valid TOML.*line 2"):
            get_config()

    def test_a_file_that_is_not_text_names_the_file(self, files):
        files[0].write_bytes(b"\xff\xfe\x00")
        with pytest.raises(JnoValueError, match=r"\.jno\.toml is not valid TOML"):
            get_config()

    @pytest.mark.parametrize(
        ("line", "near"),
        [
            ("[jno]\nsed = 3", "'jno.seed'"),
            ('[jno]\nhesian_type = "fwd-over-rev"', "'jno.hessian_type'"),
            ("seed = 3", "'jno.seed'"),
            ('[run]\nbase_dir = "a"', "'runs.base_dir'"),
        ],
    )
    def test_an_unknown_key_warns_with_the_near_spelling(self, files, line, near):
        files[0].write_text(line)
        with pytest.warns(JnoWarning, match=rf"\.jno\.toml is ignored\. Did you mean {near}\?"):
            assert get_config() == {}

    def test_an_unknown_key_like_no_other_lists_the_known_ones(self, files):
        files[0].write_text("[zzz]\nqqq = 1\n")
        with pytest.warns(JnoWarning, match=r"'zzz\.qqq'.*Known keys: jno\.seed, .*runs\.base_dir"):
            get_config()

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ('[jno]\nseed = "abc"', r"jno\.seed in .*\.jno\.toml must be an integer from 0 to 4294967295; got 'abc'"),
            ("[jno]\nseed = true", r"jno\.seed in .*\.jno\.toml must be an integer"),
            ("[jno]\nseed = 1.0", r"jno\.seed in .*\.jno\.toml must be an integer"),
            ("[jno]\nseed = -1", r"jno\.seed in .*\.jno\.toml must be an integer from 0"),
            ("[jno]\nseed = 4294967296", r"jno\.seed in .*\.jno\.toml must be an integer from 0"),
            ('[jno]\ndiff_type = "backward"', r"jno\.diff_type in .*must be one of \('forward', 'reverse'\)"),
            ('[jno]\nhessian_type = "reverse"', r"jno\.hessian_type in .*must be one of \('fwd-over-rev', "),
            ("[jno]\nscheme = 3", r"jno\.scheme in .*must be a string; got 3"),
            ("[runs]\nbase_dir = []", r"runs\.base_dir in .*must be a string"),
        ],
    )
    def test_a_wrong_value_names_key_file_and_what_is_allowed(self, files, line, message):
        files[0].write_text(line)
        with pytest.raises(JnoValueError, match=message):
            get_config()

    def test_a_home_that_may_not_be_entered_has_no_configuration(self, files, monkeypatch):
        def refuse(path, **options):
            raise PermissionError(13, "Permission denied", str(path))

        files[1].write_text("[jno]\nseed = 1\n")
        with monkeypatch.context() as patch:
            patch.setattr(os, "stat", refuse)
            assert get_config() == {}


class TestSeed:
    def test_the_environment_wins(self, files, monkeypatch):
        files[0].write_text("[jno]\nseed = 7\n")
        monkeypatch.setenv("JNO_SEED", "11")
        assert get_seed() == 11

    @pytest.mark.parametrize("text", ["abc", "", "1.5", "-1", "4294967296"])
    def test_a_wrong_variable_is_named(self, files, monkeypatch, text):
        monkeypatch.setenv("JNO_SEED", text)
        with pytest.raises(JnoValueError, match=rf"JNO_SEED must be an integer from 0 to 4294967295; got '{text}'"):
            get_seed()

    def test_the_ends_of_the_range_are_distinct_keys(self, files, monkeypatch):
        keys = set()
        for text in ("0", "1", "4294967295"):
            monkeypatch.setenv("JNO_SEED", text)
            keys.add(tuple(jax.random.key_data(jax.random.key(get_seed())).tolist()))
        assert len(keys) == 3


class TestModes:
    def test_unset_modes_are_none_for_schemes(self, files):
        assert differentiation_modes() == DifferentiationModes(None, None)

    def test_a_setter_wins_over_the_configuration(self, files):
        files[0].write_text('[jno]\ndiff_type = "reverse"\nhessian_type = "rev-over-rev"\n')
        assert differentiation_modes() == DifferentiationModes("reverse", "rev-over-rev")
        set_ad_mode("forward")
        set_hessian_mode("fwd-over-fwd")
        assert differentiation_modes() == DifferentiationModes("forward", "fwd-over-fwd")
        assert (get_ad_mode(), get_hessian_mode()) == ("forward", "fwd-over-fwd")

    @pytest.mark.parametrize("mode", ["backward", "", "fwd-over-rev", None])
    def test_a_wrong_first_order_mode_lists_the_modes(self, files, mode):
        for set_mode in (set_ad_mode, ad_fn):
            with pytest.raises(JnoValueError, match=r"must be one of \('forward', 'reverse'\)"):
                set_mode(mode)
        assert get_ad_mode() == "reverse"

    @pytest.mark.parametrize("mode", ["forward", "rev-over", "forward-over-reverse"])
    def test_a_wrong_second_order_mode_lists_the_modes(self, files, mode):
        with pytest.raises(JnoValueError, match=r"'fwd-over-rev', 'fwd-over-fwd', 'rev-over-rev', 'rev-over-fwd'"):
            set_hessian_mode(mode)
        assert get_hessian_mode() == "fwd-over-rev"

    def test_first_order_strings(self, files):
        assert parse_ad_scheme("automatic_differentiation:forward") == "forward"
        assert parse_ad_scheme("automatic_differentiation:reverse") == "reverse"
        assert parse_ad_scheme("automatic_differentiation") == "reverse"
        set_ad_mode("forward")
        assert parse_ad_scheme("automatic_differentiation") == "forward"
        assert parse_ad_scheme("automatic_differentiation:reverse") == "reverse"

    @pytest.mark.parametrize(
        ("suffix", "pair"),
        [
            (":fwd-over-rev", ("forward", "reverse")),
            (":fwd-over-fwd", ("forward", "forward")),
            (":rev-over-rev", ("reverse", "reverse")),
            (":rev-over-fwd", ("reverse", "forward")),
            (":forward", ("forward", "forward")),
            (":reverse", ("reverse", "reverse")),
            ("", ("forward", "reverse")),
        ],
    )
    def test_second_order_strings(self, files, suffix, pair):
        assert parse_hessian_scheme("automatic_differentiation" + suffix) == pair

    def test_the_plain_second_order_string_obeys_the_default(self, files):
        set_hessian_mode("rev-over-fwd")
        assert parse_hessian_scheme("automatic_differentiation") == ("reverse", "forward")

    @pytest.mark.parametrize(
        "scheme",
        [
            "finite_difference",
            "finite_difference:forward",
            "automatic_differentiation:",
            "automatic_differentiation:bogus",
            "forward",
            "",
        ],
    )
    def test_another_string_is_refused_with_the_allowed_ones(self, files, scheme):
        for parse in (parse_ad_scheme, parse_hessian_scheme):
            with pytest.raises(
                JnoValueError, match=r"scheme must be 'automatic_differentiation', .*'forward', 'reverse'"
            ):
                parse(scheme)

    def test_a_second_order_suffix_is_no_first_order_scheme(self, files):
        with pytest.raises(
            JnoValueError, match=r"\('forward', 'reverse'\); got 'automatic_differentiation:fwd-over-rev'"
        ):
            parse_ad_scheme("automatic_differentiation:fwd-over-rev")

    def test_ad_fn(self):
        assert ad_fn("forward") is jax.jacfwd
        assert ad_fn("reverse") is jax.jacrev

    @given(st.text().filter(lambda text: text.strip() not in MODES))
    @settings(deadline=None)
    def test_any_other_text_is_refused_and_shown(self, text):
        for function, argument in (
            (ad_fn, text),
            (parse_ad_scheme, text),
            (parse_hessian_scheme, text),
            (parse_ad_scheme, f"automatic_differentiation:{text}"),
            (parse_hessian_scheme, f"automatic_differentiation:{text}"),
        ):
            with pytest.raises(JnoValueError) as caught:
                function(argument)
            assert repr(argument) in str(caught.value)

    def test_the_face_has_the_same_functions(self):
        assert jno.ad_mode.get_ad_mode is get_ad_mode
        assert jno.ad_mode.parse_hessian_scheme is parse_hessian_scheme
        assert jno.get_seed is get_seed
