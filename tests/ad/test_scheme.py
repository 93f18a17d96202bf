"""Variants, support, merging, and the messages of refusals."""

from importlib.metadata import entry_points

import jax
import jax.numpy as jnp
import pytest

from jno_core import DerivativeRequest as Request, DifferentiationModes, Field, Support
from jno_core.errors import PluginCapabilityError
from jno_plugin_ad import AutomaticDifferentiation

SECOND = ("fwd-over-rev", "fwd-over-fwd", "rev-over-rev", "rev-over-fwd")
X = jnp.linspace(0.0, 1.0, 4)[:, None]
SUPPORT = Support((X, X), ("x", "y"), 2, "interior")
FIELD = Field(at=lambda c, a: c[0] * c[1], values=lambda: X * X, aligned=None, name="u(x, y)")


def made(variant):
    return AutomaticDifferentiation.from_variant(variant, DifferentiationModes())


def test_is_found_by_its_entry_point():
    (entry,) = entry_points(group="jno.schemes", name="automatic_differentiation")
    assert entry.load() is AutomaticDifferentiation


def test_holds_static_configuration_only():
    assert jax.tree.leaves(made("forward")) == []
    assert made("forward") == AutomaticDifferentiation(variant="forward")
    assert jax.tree.structure(made(None)) != jax.tree.structure(made("reverse"))


@pytest.mark.parametrize("variant", [None, *AutomaticDifferentiation.variants])
def test_has_no_parameters_and_prepares_nothing(variant):
    request = Request("laplacian", (0, 1))
    assert made(variant).default_params(request, SUPPORT) == {}
    assert made(variant).prepare((request,), SUPPORT) is None


@pytest.mark.parametrize(
    ("variant", "near"), [("forwrd", "forward"), ("fwd_over_rev", "fwd-over-rev"), ("rev-over-revs", "rev-over-rev")]
)
def test_unknown_variant_lists_the_known_and_the_near_one(variant, near):
    with pytest.raises(PluginCapabilityError, match="has no variant") as error:
        made(variant)
    assert f"Did you mean {near!r}?" in str(error.value)
    assert all(repr(known) in str(error.value) for known in AutomaticDifferentiation.variants)


def test_unknown_variant_far_from_all_suggests_none():
    with pytest.raises(PluginCapabilityError, match="no variant 'cotangent'") as error:
        made("cotangent")
    assert "Did you mean" not in str(error.value)


@pytest.mark.parametrize(
    ("modes", "message"),
    [
        (DifferentiationModes(first="fwd-over-rev"), "first-order mode 'fwd-over-rev'.* 'forward', 'reverse'"),
        (DifferentiationModes(second="forward"), "second-order mode 'forward'.*'rev-over-fwd'"),
    ],
)
def test_unknown_default_modes(modes, message):
    with pytest.raises(PluginCapabilityError, match=message):
        AutomaticDifferentiation.from_variant(None, modes)


@pytest.mark.parametrize("variant", SECOND)
@pytest.mark.parametrize(
    "request_", [Request("gradient", (0, 1)), Request("partial", (1,)), Request("partial", (0, 0, 1))]
)
def test_second_order_variants_refuse_other_orders(variant, request_):
    scheme = made(variant)
    reason = scheme.supports(request_, SUPPORT)
    assert f"'automatic_differentiation:{variant}'" in reason
    assert f"{request_.kind} of order {request_.order}" in reason
    assert "'automatic_differentiation:forward', 'automatic_differentiation:reverse'" in reason
    assert not scheme.merges(request_)
    with pytest.raises(PluginCapabilityError, match=r"No (gradient|partial) of 'u\(x, y\)' can be taken"):
        scheme.apply((request_,), FIELD, SUPPORT, {}, None)


@pytest.mark.parametrize("variant", [None, "taylor", "forward", "reverse", *SECOND])
def test_second_order_is_served_and_merged_by_all(variant):
    for request in (
        Request("value"),
        Request("laplacian", (0, 1)),
        Request("hessian", (0,)),
        Request("partial", (0, 1)),
    ):
        assert made(variant).supports(request, SUPPORT) is None
        assert made(variant).merges(request)


@pytest.mark.parametrize("variant", ["forward-laplacian", "stochastic"])
def test_sums_of_second_derivatives_serve_no_mixed_ones(variant):
    for request in (
        Request("value"),
        Request("gradient", (0, 1)),
        Request("laplacian", (0, 1)),
        Request("partial", (1, 1)),
    ):
        assert made(variant).supports(request, SUPPORT) is None
        assert made(variant).merges(request)
    for request in (Request("partial", (0, 1)), Request("hessian", (0, 1)), Request("partial", (0, 0, 0))):
        reason = made(variant).supports(request, SUPPORT)
        assert reason is not None
        assert f"not a {request.kind}" in reason
        assert "plain 'automatic_differentiation' serves" in reason
        assert not made(variant).merges(request)


@pytest.mark.parametrize("samples", [0, -1, 1.5, True, "2"])
def test_the_number_of_samples_is_checked(samples):
    with pytest.raises(PluginCapabilityError, match="samples must be an integer >= 1"):
        AutomaticDifferentiation("stochastic", samples=samples)


@pytest.mark.parametrize("variant", [None, "forward", "reverse"])
def test_any_order_is_served_and_merged_by_the_rest(variant):
    for request in (Request("gradient", (0, 1)), Request("partial", (0, 0, 1, 1, 0))):
        assert made(variant).supports(request, SUPPORT) is None
        assert made(variant).merges(request)


def test_an_axis_without_a_column_is_refused():
    reason = made(None).supports(Request("laplacian", (0, 2)), SUPPORT)
    assert "axis 2" in reason
    assert "('x', 'y')" in reason
