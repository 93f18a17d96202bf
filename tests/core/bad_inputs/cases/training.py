"""Problems: constraints, balancers, `solve`, callbacks, `eval`, histories."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jno
import jno.numpy as jnn
from jno_core.errors import (
    JnoFileNotFoundError,
    JnoKeyError,
    JnoTypeError,
    JnoValueError,
    PluginNotFoundError,
    PluginTypeError,
)


class _Silent:
    """A callback whose hook is not marked."""

    def on_fit_end(self, result):
        pass


def _solve_with_a_bare_factory(p):
    p.net.optimizer(optax.adam)
    jno.core([p.pde.mse]).solve(1)


def _solve_with_a_masked_optimizer(p):
    p.net.mask(p.mask()).optimizer(optax.adam(1e-3))
    jno.core([p.pde.mse]).solve(1)


def _nested_balancers(p):
    (inner,) = jno.fn.adaptive.relobralo([p.pde.mse])
    (outer,) = jno.fn.adaptive.relobralo([inner * p.pde.mse])
    jno.core([outer * p.u.mse])


BAD = {
    # Constraints.
    "a field": (
        lambda p: jno.core([p.pde]),
        JnoValueError,
        ["Constraint 0", "shape (9, 1)", "one number"],
        ["residual.mse"],
    ),
    "the second a field": (
        lambda p: jno.core([p.u.mse, p.v]),
        JnoValueError,
        ["Constraint 1", "(9, 2)"],
        ["Reduce it"],
    ),
    "one expression": (lambda p: jno.core(p.u.mse), JnoTypeError, ["a list"], ["write core([mse(u(x, y))])"]),
    "a number": (lambda p: jno.core([3.0]), JnoTypeError, ["Constraint 0", "3.0", "float"], ["such as pde.mse"]),
    "a string": (lambda p: jno.core(["pde"]), JnoTypeError, ["'pde'", "str"], ["such as pde.mse"]),
    "a network": (lambda p: jno.core([p.net]), JnoTypeError, ["u of type Model"], ["such as pde.mse"]),
    "a list in the list": (lambda p: jno.core([[p.u.mse]]), JnoTypeError, ["of type list"], ["such as pde.mse"]),
    "a dictionary": (lambda p: jno.core({"pde": p.u.mse}), JnoTypeError, ["{'pde'"], ["core([pde.mse, bc.mse])"]),
    "None": (lambda p: jno.core(None), JnoTypeError, ["got None"], ["core([pde.mse, bc.mse])"]),
    "a truth value": (lambda p: jno.core([(p.u > 0)[0, 0]]), JnoValueError, ["dtype bool"], ["a real number"]),
    "an index": (lambda p: jno.core([jnn.argmin(p.u)]), JnoValueError, ["dtype int32"], ["residual.mse"]),
    "a complex number": (lambda p: jno.core([(1j * p.u).mean]), JnoValueError, ["complex64"], ["a modulus"]),
    "a weight alone": (
        lambda p: jno.core(list(jno.fn.adaptive.relobralo([p.pde.mse]))),
        JnoValueError,
        ["weight relobralo[0] alone"],
        ["multiply it with its loss"],
    ),
    "two domains": (
        lambda p: jno.core([p.u.mse, p.timed.variable("interior")[0].mse]),
        JnoValueError,
        ["read 2 domains", "Line"],
        ["One problem has one domain"],
    ),
    "variables of before N * domain": (
        lambda p: jno.core([p.u.mse, (2 * p.domain).variable("interior")[0].mse]),
        JnoValueError,
        ["2 domains", "2 instances"],
        ["take variables after it"],
    ),
    "another domain": (
        lambda p: jno.core([p.u.mse], domain=p.timed),
        JnoValueError,
        ["not the domain that the constraints read"],
        ["Leave domain= out"],
    ),
    "no domain": (
        lambda p: jno.core([jnn.parameter((1,)).mse]),
        JnoValueError,
        ["no domain"],
        ["core(constraints, domain=...)"],
    ),
    "domain string": (lambda p: jno.core([], domain="rect"), JnoTypeError, ["'rect'"], ["jno.domain.rect(...)"]),
    "steady time": (
        lambda p: jno.core([(p.u * p.t).mse]),
        JnoValueError,
        ["time of a steady domain", "'interior'"],
        ["time=(0.0, 1.0, 11)", "leave t out"],
    ),
    "noise without points": (
        lambda p: p.crux().eval(jno.noise.gaussian()),
        JnoValueError,
        ["gaussian(0, 1) meets no point set"],
        ["as in u + noise"],
    ),
    "two devices": (
        lambda p: jno.core([p.u.mse], mesh=(2, 1)),
        JnoValueError,
        ["mesh=(2, 1) needs 2 devices, and there are 1"],
        ["(1, 1) for one device"],
    ),
    "no device": (lambda p: jno.core([p.u.mse], mesh=(0, 1)), JnoValueError, ["(0, 1)"], ["positive numbers"]),
    "mesh number": (lambda p: jno.core([p.u.mse], mesh=3), JnoTypeError, ["got 3"], ["(batch, model)"]),
    "mesh of compile": (lambda p: p.crux().compile(mesh="a"), JnoTypeError, ["got 'a'"], ["(batch, model)"]),
    "resuming": (
        lambda p: jno.core([p.u.mse], resume_from="nowhere"),
        JnoFileNotFoundError,
        ["'nowhere'", "no such folder"],
        ["checkpoint"],
    ),
    # Balancers.
    "balancer of one loss": (
        lambda p: jno.fn.adaptive.relobralo(p.pde.mse),
        JnoTypeError,
        ["a list of losses"],
        ["relobralo([pde.mse, bc.mse])"],
    ),
    "balancer of numbers": (lambda p: jno.fn.adaptive.relobralo([1.0]), JnoTypeError, ["got 1.0"], ["pde.mse"]),
    "balancer of nothing": (lambda p: jno.fn.adaptive.relobralo([]), JnoValueError, ["at least one"], ["pde.mse"]),
    "balancer mode": (
        lambda p: jno.fn.adaptive.relobralo([p.u.mse], mode="l3"),
        JnoValueError,
        ["mode='l3'"],
        ["'raw', 'none', 'minmax' or 'l2'"],
    ),
    "balancer eps": (
        lambda p: jno.fn.adaptive.relobralo([p.u.mse], eps="small"),
        JnoTypeError,
        ["'small'"],
        ["such as 1e-12"],
    ),
    "balancer option": (
        lambda p: jno.fn.adaptive.relobralo([p.u.mse], tauu=1),
        JnoTypeError,
        ["jno.fn.adaptive.relobralo", "'tauu'"],
        ["Its options are", "tau"],
    ),
    "misspelt balancer": (
        lambda p: jno.fn.adaptive.relobrallo([p.u.mse]),
        PluginNotFoundError,
        ["'relobrallo'"],
        ["Did you mean 'relobralo'?"],
    ),
    "balanced weights": (_nested_balancers, JnoValueError, ["must not contain weights"], ["pass the plain losses"]),
    # What `solve` needs.
    "no optimizer": (
        lambda p: jno.core([p.pde.mse]).solve(1),
        JnoValueError,
        ["model 'u' has no optimizer"],
        ["net.optimizer(optax.adam(1e-3))", "net.freeze()"],
    ),
    "parameter without optimizer": (
        lambda p: p.crux((jnn.parameter((1,), name="k") * p.u).mse).solve(1),
        JnoValueError,
        ["'k' has no optimizer"],
        ["net.optimizer(optax.adam(1e-3))"],
    ),
    "no rate": (
        _solve_with_a_bare_factory,
        JnoValueError,
        ["bare factory adam without a learning rate"],
        ["net.optimizer(adam(1e-3))", "net.scale(1e-3)"],
    ),
    "optimizer of a part": (
        _solve_with_a_masked_optimizer,
        JnoValueError,
        ["'u' cover only masked parameters"],
        ["net.optimizer(...)", "net.mask(m).freeze()"],
    ),
    "only trackers": (
        lambda p: jno.core([p.u.tracker()]).solve(1),
        JnoValueError,
        ["only trackers"],
        ["Pass a loss such as pde.mse"],
    ),
    "no loss": (
        lambda p: jno.core([], domain=p.domain).solve(1),
        JnoValueError,
        ["no constraints"],
        ["Pass a loss such as pde.mse"],
    ),
    "negative epochs": (lambda p: p.crux().solve(-1), JnoValueError, ["epochs=-1"], ["least possible value is 0"]),
    "epochs float": (lambda p: p.crux().solve(1e3), JnoTypeError, ["epochs", "got 1000.0"], ["takes an integer"]),
    "epochs bool": (lambda p: p.crux().solve(True), JnoTypeError, ["epochs", "got True"], ["takes an integer"]),
    "epochs string": (lambda p: p.crux().solve("10"), JnoTypeError, ["got '10'"], ["takes an integer"]),
    "inner steps 0": (lambda p: p.crux().solve(9, inner_steps=0), JnoValueError, ["inner_steps=0"], ["value is 1"]),
    "inner steps that do not divide": (
        lambda p: p.crux().solve(10, inner_steps=3),
        JnoValueError,
        ["inner_steps=3"],
        ["must divide epochs=10"],
    ),
    "batch size": (lambda p: p.crux().solve(1, batchsize=0), JnoValueError, ["batchsize=0"], ["value is 1"]),
    "batch size float": (
        lambda p: p.crux().solve(1, batchsize=2.5),
        JnoTypeError,
        ["got 2.5"],
        ["takes an integer or None"],
    ),
    "batch of coupled points": (
        lambda p: jno.core([p.trained().u.integrate() ** 2]).solve(1, batchsize=2),
        JnoValueError,
        ["batchsize=2", "'interior"],
        ["Leave batchsize out"],
    ),
    "accumulation": (
        lambda p: p.crux().solve(1, accumulation_steps=2),
        JnoValueError,
        ["accumulation_steps=2 needs batches"],
        ["add batchsize=..."],
    ),
    "accumulation 0": (
        lambda p: p.crux().solve(1, batchsize=2, accumulation_steps=0),
        JnoValueError,
        ["accumulation_steps=0"],
        ["value is 1"],
    ),
    "offloading": (
        lambda p: p.crux().solve(1, offload_data=True),
        JnoValueError,
        ["offload_data=True needs batches"],
        ["add batchsize=..."],
    ),
    "offloading number": (
        lambda p: p.crux().solve(1, batchsize=2, offload_data=1),
        JnoTypeError,
        ["offload_data", "got 1"],
        ["True or False"],
    ),
    "offloading coupled points": (
        lambda p: p.crux(p.u.d(p.x, scheme="finite_difference").mse).solve(1, batchsize=2, offload_data=True),
        JnoValueError,
        ["offload_data=True", "'interior"],
        ["on points of its own"],
    ),
    "rematerialisation": (
        lambda p: p.crux().solve(1, checkpoint_gradients="yes"),
        JnoTypeError,
        ["checkpoint_gradients", "'yes'"],
        ["True or False"],
    ),
    "consecutive steps": (lambda p: p.crux().solve(1, min_consecutive=0), JnoValueError, ["=0"], ["value is 1"]),
    "consecutive float": (lambda p: p.crux().solve(1, min_consecutive=1.5), JnoTypeError, ["1.5"], ["integer or None"]),
    "profile without a folder": (
        lambda p: p.crux().solve(1, profile=True),
        JnoValueError,
        ["profile=True", "run folder"],
        ["jno.setup(__file__)"],
    ),
    "sub-steps number": (lambda p: p.crux().solve(1, substeps=3), JnoTypeError, ["got 3"], ["[[0, 1], ([2], 5)]"]),
    "sub-steps empty": (lambda p: p.crux().solve(1, substeps=[]), JnoTypeError, ["got []"], ["[[0, 1], ([2], 5)]"]),
    "sub-step string": (lambda p: p.crux().solve(1, substeps=["0"]), JnoTypeError, ["Substep 0", "'0'"], ["[0, 2]"]),
    "sub-step index": (
        lambda p: p.crux().solve(1, substeps=[[0, 1]]),
        JnoValueError,
        ["Substep 0 names constraint 1", "has 1"],
        ["numbered from 0 to 0"],
    ),
    "sub-step repeats": (lambda p: p.crux().solve(1, substeps=[([0], 0)]), JnoValueError, ["0 times"], ["from 1 on"]),
    "sub-step twice": (lambda p: p.crux().solve(1, substeps=[[0, 0]]), JnoValueError, ["Substep 0"], ["twice"]),
    "constraint in no sub-step": (
        lambda p: p.crux(p.u.mse).solve(1, substeps=[[0]]),
        JnoValueError,
        ["No substep minimises constraint 1"],
        ["make it a tracker"],
    ),
    # Callbacks.
    "callbacks string": (lambda p: p.crux().solve(1, callbacks="progress"), JnoTypeError, ["'progress'"], ["a list"]),
    "misspelt callback": (
        lambda p: p.crux().solve(1, callbacks=["progres"]),
        PluginNotFoundError,
        ["'progres'"],
        ["Did you mean 'progress'?"],
    ),
    "callback class": (
        lambda p: p.crux().solve(1, callbacks=[_Silent]),
        JnoTypeError,
        ["_Silent is a class"],
        ["_Silent(...)"],
    ),
    "callback without marks": (
        lambda p: p.crux().solve(1, callbacks=[_Silent()]),
        PluginTypeError,
        ["on_fit_end()", "never be called"],
        ["@hookimpl from jno_core"],
    ),
    "callback without hooks": (
        lambda p: p.crux().solve(1, callbacks=[None]),
        PluginTypeError,
        ["callback None"],
        ["@hookimpl", "on_chunk_end"],
    ),
    "callback twice": (
        lambda p: p.crux().solve(1, callbacks=["early_stopping"] * 2),
        JnoValueError,
        ["'early_stopping' is given twice"],
        ["each callback once"],
    ),
    "callback option": (
        lambda p: jno.callbacks.early_stopping(patience=-1),
        JnoValueError,
        ["`patience`", "-1"],
        ["positive integer"],
    ),
    "misspelt callback in the namespace": (
        lambda p: jno.callbacks.early_stoping,
        PluginNotFoundError,
        ["'early_stoping'"],
        ["Did you mean 'early_stopping'?"],
    ),
    # Evaluation.
    "eval string": (lambda p: p.crux().eval("u"), JnoTypeError, ["'u'", "str"], ["Expected an expression"]),
    "eval None": (lambda p: p.crux().eval(None), JnoTypeError, ["None"], ["Expected an expression"]),
    "eval network": (lambda p: p.crux().eval(p.net), JnoTypeError, ["u is a network"], ["net(x, y)"]),
    "eval dictionary": (lambda p: p.crux().eval({"u": p.u}), JnoTypeError, ["{'u'"], ["Expected an expression"]),
    "eval function": (lambda p: p.crux().eval([p.u, jnp.sin]), JnoTypeError, ["sin"], ["Expected an expression"]),
    "eval two expressions": (
        lambda p: p.crux().eval(p.u, p.v),
        JnoTypeError,
        ["got v(x, y)"],
        ["jno.domain.rect(...)"],
    ),
    "eval on a number": (lambda p: p.crux().eval(p.u, domain=3), JnoTypeError, ["got 3"], ["takes a domain"]),
    "eval without the tag": (
        lambda p: p.crux().eval(p.u, domain=jno.domain.from_array({"a": np.ones((3, 2))})),
        JnoKeyError,
        ["no tag 'interior'", "['a']"],
        ["a domain with the tags"],
    ),
    "eval in another dimension": (
        lambda p: p.crux().eval(p.u, domain=p.timed),
        JnoValueError,
        ["2 space coordinates, x, y", "in 1"],
        ["the same dimension"],
    ),
    "eval of time on a steady domain": (
        lambda p: jno.core([], domain=p.timed).eval(p.timed.variable("interior")[1], domain=jno.domain.line()),
        JnoValueError,
        ["the time of 'interior'", "steady"],
        ["time=(0.0, 1.0, 11)"],
    ),
    "eval samples": (lambda p: p.crux().eval(p.u, samples="all"), JnoValueError, ["'all'"], ["'auto', 'point'"]),
    "eval chain": (lambda p: p.crux().eval(p.u, samples="chain"), JnoValueError, ["'chain'"], ["posterior samples"]),
    "eval no time": (lambda p: p.crux().eval(p.u, min_consecutive=0), JnoValueError, ["got 0"], ["integer >= 1"]),
    "eval seed as key": (lambda p: p.crux().eval(p.u, key=3), JnoTypeError, ["got 3"], ["jax.random.key(0)"]),
    "eval string as key": (lambda p: p.crux().eval(p.u, key="a"), JnoTypeError, ["got 'a'"], ["jax.random.key(0)"]),
    "eval keys": (
        lambda p: p.crux().eval(p.u, key=jax.random.split(jax.random.key(0))),
        JnoTypeError,
        ["eval(key=...)"],
        ["one random key"],
    ),
    # Histories.
    "unknown tracker": (
        lambda p: p.crux(p.u.mean.tracker().name("mean")).solve(0).tracks("men"),
        JnoKeyError,
        ["no tracker 'men'"],
        ["recorded are: mean"],
    ),
    "missing history": (
        lambda p: jno.statistics.load("nowhere"),
        JnoFileNotFoundError,
        ["'nowhere'"],
        ["no such file"],
    ),
    "damaged history": (
        lambda p: jno.statistics.load(p.file("history", "junk")),
        JnoValueError,
        ["is damaged", "'header'"],
        ["a whole safetensors file"],
    ),
}

LEGAL = {
    "tuple of constraints": lambda p: jno.core((p.u.mse, p.pde.mae)),
    "a constraint twice": lambda p: jno.core([p.u.mse, p.u.mse]),
    "a smooth count": lambda p: jno.core([(p.u > 0).mean]),
    "modulus of a complex field": lambda p: jno.core([(1j * p.u).mse]),
    "the same domain": lambda p: jno.core([p.u.mse], domain=p.domain),
    "no constraint": lambda p: jno.core([], domain=p.domain).eval([]),
    "no epoch": lambda p: p.crux().solve(0),
    "default arguments": lambda p: p.crux().solve(
        0, batchsize=None, accumulation_steps=1, inner_steps=1, substeps=None
    ),
    "no callback": lambda p: p.crux().solve(0, callbacks=[]),
    "no optimizer for eval": lambda p: jno.core([p.u.mse]).eval(p.u),
    "a frozen network": lambda p: p.crux(p.other.freeze()(p.x, p.y).mse).solve(0),
    "eval of a tracker": lambda p: p.crux().eval(p.u.tracker()),
    "eval of another network": lambda p: p.crux().eval(p.v),
    "eval of a number": lambda p: p.crux().eval(3.0),
    "eval with a raw key": lambda p: p.crux().eval(p.u, key=jax.random.PRNGKey(0)),
    "eval elsewhere": lambda p: p.crux().eval(p.u, domain=jno.domain.rect(mesh_size=0.25)),
    "weights times losses": lambda p: jno.core([jno.fn.adaptive.relobralo([p.u.mse])[0] * p.u.mse]),
}
