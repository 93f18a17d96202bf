from jno_core.testing import plugin_checks


@plugin_checks("jno-plugin-compact")
def test_conformance(check):
    check()
