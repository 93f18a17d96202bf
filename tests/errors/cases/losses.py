"""What `core` is given: constraints, balancers, domains, attached data; and what `eval` is asked for."""

import numpy as np
from world import Handled, Refused

import jno
from jno_core.errors import JnoKeyError, JnoTypeError, JnoValueError, PluginNotFoundError


def _attached_twice(w):
    w.domain.variable("k", np.ones(3))
    w.domain.variable("k", np.ones(4))


def _mean_of_constraints(w):
    history = w.crux(0 * w.u.mse + 4.0, 0 * w.u.mse + 16.0).solve(1)
    np.testing.assert_allclose(history.total_loss, history.logs[0].losses[0].mean(), rtol=1e-6)


def _other_domain(w):
    elsewhere = jno.domain.rect(mesh_size=0.25)
    before = elsewhere.attached
    value = w.crux().eval(w.u, domain=elsewhere)
    assert value.shape == (1, 25, 1)
    assert elsewhere.attached == before


def _late_variable(w):
    crux = w.crux()
    x, y, _ = w.domain.variable("left")
    assert crux.eval(w.net(x, y)).shape == (1, 3, 1)


def _weights(w):
    one, two = jno.fn.adaptive.relobralo([w.pde.mse, w.u.mse])
    return [one * w.pde.mse, two * w.u.mse]


def _steady_time(w):
    """Each balanced step advances the weights once."""
    crux = w.crux(*_weights(w))
    crux.solve(2)
    assert np.isfinite(crux.statistics.total_loss)


CASES = {
    "one loss instead of a list": Refused(
        lambda w: jno.core(w.u.mse), JnoTypeError, ("a list",), ("write core([mse(u(x, y))])",)
    ),
    "a residual that is not reduced": Refused(
        lambda w: jno.core([w.pde]), JnoValueError, ("Constraint 0", "shape (9, 1)"), ("residual.mse",)
    ),
    "a number": Refused(lambda w: jno.core([3.0]), JnoTypeError, ("Constraint 0", "3.0"), ("such as pde.mse",)),
    "a network": Refused(lambda w: jno.core([w.net]), JnoTypeError, ("of type Model",), ("such as pde.mse",)),
    "a complex loss": Refused(lambda w: jno.core([(1j * w.u).mean]), JnoValueError, ("complex64",), ("a modulus",)),
    "an index as loss": Refused(
        lambda w: jno.core([jno.np.argmin(w.u)]), JnoValueError, ("dtype int32",), ("residual.mse",)
    ),
    "two domains": Refused(
        lambda w: jno.core([w.u.mse, w.timed.variable("interior")[0].mse]),
        JnoValueError,
        ("read 2 domains",),
        ("One problem has one domain",),
    ),
    "no domain": Refused(
        lambda w: jno.core([w.k.mse]), JnoValueError, ("no domain",), ("core(constraints, domain=...)",)
    ),
    "the time of a steady domain": Refused(
        lambda w: jno.core([(w.u * w.interior[2]).mse]),
        JnoValueError,
        ("time of a steady domain",),
        ("time=(0.0, 1.0, 11)",),
    ),
    "only trackers": Refused(
        lambda w: jno.core([w.u.tracker()]).solve(1),
        JnoValueError,
        ("only trackers",),
        ("Pass a loss such as pde.mse",),
    ),
    "no constraint": Refused(
        lambda w: jno.core([], domain=w.domain).solve(1), JnoValueError, ("no constraints",), ("Pass a loss",)
    ),
    "a weight without its loss": Refused(
        lambda w: jno.core(list(jno.fn.adaptive.relobralo([w.pde.mse]))),
        JnoValueError,
        ("weight relobralo[0] alone",),
        ("multiply it with its loss",),
    ),
    "a balancer of one loss": Refused(
        lambda w: jno.fn.adaptive.relobralo(w.pde.mse),
        JnoTypeError,
        ("a list of losses",),
        ("relobralo([pde.mse, bc.mse])",),
    ),
    "an unknown mode of a balancer": Refused(
        lambda w: jno.fn.adaptive.relobralo([w.u.mse], mode="l3"), JnoValueError, ("mode='l3'",), ("'minmax' or 'l2'",)
    ),
    "an unknown option of a balancer": Refused(
        lambda w: jno.fn.adaptive.relobralo([w.u.mse], tauu=1), JnoTypeError, ("'tauu'",), ("Its options are",)
    ),
    "a misspelt balancer": Refused(
        lambda w: jno.fn.adaptive.relobrallo([w.u.mse]),
        PluginNotFoundError,
        ("'relobrallo'",),
        ("Did you mean 'relobralo'?",),
    ),
    "data that are not numbers": Refused(
        lambda w: w.domain.variable("k", np.array([1.0, np.nan])),
        JnoValueError,
        ("'k'", "not finite", "(1,)"),
        ("Remove",),
    ),
    "infinite data": Refused(
        lambda w: w.domain.variable("k", np.array([[np.inf]])), JnoValueError, ("not finite", "(0, 0)"), ("Remove",)
    ),
    "data in a list": Refused(
        lambda w: w.domain.variable("k", [1.0, 2.0]), JnoValueError, ("no tag 'k'",), ("pass a NumPy or JAX array",)
    ),
    "labels `(1, N, 1)` at points": Refused(
        lambda w: w.u - w.domain.variable("labels", np.ones((1, 9, 1)), per="point", at=w.x),
        JnoValueError,
        ("(1, 9, 1)", "N=9"),
        ("must start with the axes (9,)",),
    ),
    "labels `(N,)` beside a field `(N, 1)`": Refused(
        lambda w: w.u - w.domain.variable("labels", np.ones(9)), JnoValueError, ("(9,)", "(9, 1)"), ("(9, 9)",)
    ),
    "labels of too few points": Refused(
        lambda w: w.domain.variable("labels", np.ones((3, 1)), per="point", at=w.x),
        JnoValueError,
        ("(3, 1)", "N=9"),
        ("must start with the axes (9,)",),
    ),
    "data that may be meant in two ways": Refused(
        lambda w: w.domain.variable("k", np.ones((3, 1)), at=w.x),
        JnoValueError,
        ("ambiguous",),
        ("declare per='point'",),
    ),
    "data of another number of instances": Refused(
        lambda w: (3 * w.domain).variable("k", np.ones((2, 1)), per="instance"),
        JnoValueError,
        ("(2, 1)", "B=3"),
        ("must start with the axes (3,)",),
    ),
    "data named like a point set": Refused(
        lambda w: w.domain.variable("interior", np.ones(3)), JnoValueError, ("'interior' is a tag",), ("another name",)
    ),
    "data attached again in another shape": Refused(
        _attached_twice, JnoValueError, ("(3,)", "(4,)"), ("under another name",)
    ),
    "`eval` of a string": Refused(lambda w: w.crux().eval("u"), JnoTypeError, ("'u'",), ("an expression",)),
    "`eval` where a tag is missing": Refused(
        lambda w: w.crux().eval(w.u, domain=jno.domain.from_array({"a": np.ones((2, 2))})),
        JnoKeyError,
        ("no tag 'interior'", "['a']"),
        ("Evaluate on a domain with the tags of the variables",),
    ),
    "`eval` on a domain of another dimension": Refused(
        lambda w: w.crux().eval(w.u, domain=jno.domain.line(mesh_size=0.5)), JnoValueError, ("1",), ("2",)
    ),
    "`eval(samples='chain')`": Refused(
        lambda w: w.crux().eval(w.u, samples="chain"), JnoValueError, ("'chain'",), ("posterior",)
    ),
    "`eval(key=0)`": Refused(lambda w: w.crux().eval(w.u, key=0), JnoTypeError, ("0",), ("jax.random.key",)),
    "several constraints": Handled(_mean_of_constraints, "the total loss is their mean"),
    "`eval` on another domain": Handled(_other_domain, "evaluated there; that domain does not change"),
    "`eval` of variables made after `core`": Handled(_late_variable, "evaluated"),
    "weights of a balancer": Handled(_steady_time, "trained with"),
}
