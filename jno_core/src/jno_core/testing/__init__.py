"""The conformance kit: what every plugin for jno can be held against. Needs `jno-core[testing]`.

The whole test of a plugin:

    from jno_core.testing import plugin_checks

    @plugin_checks("jno-plugin-spectral")
    def test_conformance(check):
        check()

The suites are for stating what a plugin can do, and for adding checks.
"""

from jno_core.testing._balancers import BalancerSuite as BalancerSuite
from jno_core.testing._callbacks import CallbackSuite as CallbackSuite
from jno_core.testing._check import Check as Check
from jno_core.testing._classes import ClassSuite as ClassSuite
from jno_core.testing._collect import checks_of as checks_of, plugin_checks as plugin_checks
from jno_core.testing._geometries import GeometrySuite as GeometrySuite
from jno_core.testing._schedules import ScheduleSuite as ScheduleSuite
from jno_core.testing._schemes import SchemeSuite as SchemeSuite
