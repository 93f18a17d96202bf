"""`jno demo` in a shortened form: it solves, compares with finite elements, draws, and says so without a warning."""

import re

import numpy as np
import pytest
from matplotlib.image import imread

import jno
from jno import demo

PICTURES = ["domain.png", "error.png", "losses.png", "solution.png"]


def _reported_error(text):
    return float(re.search(r"Relative L2 error: (\S+)", text)[1])


def test_the_demo_agrees_with_finite_elements_and_draws_where_it_is_told(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "some" / "where"
    demo.main(["--out", str(folder), "--epochs", "400"])
    out, _ = capfd.readouterr()
    assert _reported_error(out) < 5e-2
    assert str(folder) in out
    assert sorted(p.name for p in folder.iterdir()) == PICTURES
    for picture in PICTURES:
        pixels = imread(folder / picture)
        assert min(pixels.shape[:2]) > 100
        assert np.ptp(pixels[..., :3]) > 0.5  # something is drawn
    assert [p.name for p in tmp_path.iterdir()] == ["some"]  # nothing is written elsewhere


def test_the_error_of_an_untrained_network_is_reported_as_such(tmp_path, capsys):
    demo.main(["--out", str(tmp_path), "--epochs", "1"])
    assert _reported_error(capsys.readouterr().out) > 0.2


def _torsion(x, y, terms=60):
    """The series solution of -Δu = 1, u = 0 on the boundary of the unit square (Timoshenko & Goodier, art. 109)."""
    u = x * (1 - x) / 2
    for k in range(1, 2 * terms, 2):
        a = k * np.pi
        fade = (np.exp(-a * y) + np.exp(-a * (1 - y))) / (1 + np.exp(-a))
        u -= 4 / a**3 * np.sin(a * x) * fade
    return u


def test_its_finite_elements_converge_to_the_series_solution_on_the_square_with_order_two():
    errors = []
    for size in (0.1, 0.05, 0.025):
        mesh = jno.domain.rect(mesh_size=size).mesh
        exact = _torsion(*mesh.points.T)
        errors.append(np.linalg.norm(demo.finite_elements(mesh) - exact) / np.linalg.norm(exact))
    assert errors[-1] < 2e-3
    np.testing.assert_allclose(np.log2(np.divide(errors[:-1], errors[1:])), 2, atol=0.2)


def test_a_misspelt_option_is_refused(capsys):
    with pytest.raises(SystemExit) as info:
        demo.main(["--epoch-count", "3"])
    assert info.value.code == 2
    assert "--epoch-count" in capsys.readouterr().err
