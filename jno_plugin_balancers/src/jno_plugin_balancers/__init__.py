"""Loss balancers: rules that weigh the losses of a problem against each other while it trains."""

from jno_plugin_balancers._relobralo import ReLoBRaLo as ReLoBRaLo, ReLoBRaLoState as ReLoBRaLoState
