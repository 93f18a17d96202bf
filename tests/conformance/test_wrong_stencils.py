"""Faults that a stencil can have, and that the checks of schemes must catch."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest

from jno_core.testing import SchemeSuite
from jno_plugin_fd import FiniteDifference, _mesh
from jno_plugin_fd._stencils import kernels


class MeshSuite(SchemeSuite):
    plugin = FiniteDifference
    arguments: ClassVar = {"variant": "area_weighted"}
    layouts = ("mesh",)
    orders: ClassVar = {1: 1.0, 2: 0.5}


class GridSuite(SchemeSuite):
    plugin = FiniteDifference
    arguments: ClassVar = {"variant": "central", "periodic": True}
    layouts = ("periodic",)
    orders: ClassVar = {1: 1.0, 2: 1.0}


def off_by_one(stencil):
    """Rows read the neighbours of the next node."""
    return dataclasses.replace(stencil, neighbours=np.roll(stencil.neighbours, 1, axis=0))


def flipped(stencil):
    """The last axis has the wrong sign."""
    weights = stencil.weights.copy()
    weights[-1] *= -1
    return dataclasses.replace(stencil, weights=weights)


def substituted(stencil):
    """Every axis has the derivative of the first."""
    return dataclasses.replace(stencil, weights=np.broadcast_to(stencil.weights[:1], stencil.weights.shape))


@pytest.mark.parametrize("suite", [MeshSuite, GridSuite])
def test_sound_stencils_pass(suite):
    suite().test_manufactured()


@pytest.mark.parametrize("fault", [off_by_one, flipped, substituted])
def test_a_faulty_mesh_stencil_is_caught(fault, monkeypatch):
    sound = _mesh.gradient_stencil
    monkeypatch.setattr(_mesh, "gradient_stencil", lambda mesh, rule: fault(sound(mesh, rule)))
    with pytest.raises(AssertionError, match="is wrong: relative error"):
        MeshSuite().test_manufactured()


@pytest.mark.parametrize(
    "fault",
    [
        lambda order, offsets, sound: sound(order, offsets + 1),
        lambda order, offsets, sound: -sound(order, offsets) if order == 1 else sound(order, offsets),
        lambda order, offsets, sound: sound(min(order, 1), offsets),
    ],
    ids=["off by one", "flipped", "substituted"],
)
def test_a_faulty_kernel_is_caught(fault, monkeypatch):
    sound = kernels.difference_weights
    monkeypatch.setattr(kernels, "difference_weights", lambda order, offsets: fault(order, offsets, sound))
    with pytest.raises(AssertionError, match="is wrong: relative error"):
        GridSuite().test_manufactured()
