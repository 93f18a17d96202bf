"""How much of a function could run at once, estimated from its jaxpr.

What takes the time of a network with its derivatives are contractions: one for each layer and each derivative that is
carried. Those of one layer do not wait for each other, those of the next wait for them.
"""

import jax.extend.core as jex

_CONTRACTIONS = frozenset({"dot_general", "conv_general_dilated"})


def independent_contractions(jaxpr: jex.Jaxpr) -> float:
    """How many contractions can run at once on average: their number by that of the longest chain of them.

    Those within loops and other sub-jaxprs are not seen.
    """
    longest: dict[jex.Var, int] = {}
    count = 0
    for equation in jaxpr.eqns:
        own = int(equation.primitive.name in _CONTRACTIONS)
        read = (longest.get(v, 0) for v in equation.invars if not isinstance(v, jex.Literal))
        longest |= dict.fromkeys(equation.outvars, max(read, default=0) + own)
        count += own
    return count / max(1, *longest.values()) if longest else 0.0
