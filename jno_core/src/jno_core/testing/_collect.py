"""The checks that apply to an installed distribution."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, final

import pytest

from jno_core._registry import KINDS, PluginRecord
from jno_core._registry.loading import load
from jno_core._registry.metadata import installed_records, installed_version, normalized
from jno_core.errors import JnoValueError, PluginLoadError, PluginTypeError
from jno_core.testing._balancers import BalancerSuite
from jno_core.testing._callbacks import CallbackSuite
from jno_core.testing._check import Check
from jno_core.testing._classes import ClassSuite
from jno_core.testing._geometries import GeometrySuite
from jno_core.testing._importing import import_checks
from jno_core.testing._metadata import metadata_checks
from jno_core.testing._schedules import ScheduleSuite
from jno_core.testing._schemes import SchemeSuite

Suites = Mapping[str, type[ClassSuite]]

_NO_SUITES: Suites = MappingProxyType({})
_SUITES: Suites = MappingProxyType(
    {
        "scheme": SchemeSuite,
        "geometry": GeometrySuite,
        "balancer": BalancerSuite,
        "callback": CallbackSuite,
        "schedule": ScheduleSuite,
    }
)
"""The suite of each kind; the other kinds have the checks of a class only."""


def plugin_checks(distribution: str, suites: Suites = _NO_SUITES) -> pytest.MarkDecorator:
    """Makes a test run once for each check that applies to an installed distribution.

        @plugin_checks("jno-plugin-spectral")
        def test_conformance(check):
            check()

    Collecting reads metadata only. What the plugin declares not to do is skipped with the reason; a plugin of which
    nothing could be checked fails.

    - `suites`: suites of your own by `"kind:name"`, to state arguments or capabilities or to add checks. Their
      attribute `plugin` is set for you.

    Raises `JnoValueError` if the distribution is not installed, or a suite is for something that it does not provide.
    """
    checks = checks_of(distribution, suites)
    return pytest.mark.parametrize("check", checks, ids=[check.id for check in checks])


def checks_of(distribution: str, suites: Suites = _NO_SUITES) -> tuple[Check, ...]:
    """The checks behind `plugin_checks`, to be called one by one."""
    dist = normalized(distribution)
    if installed_version(dist) is None:
        raise JnoValueError(f"No distribution {dist!r} is installed. Install it, for instance by `pip install -e .`.")
    records = tuple(record for record in installed_records() if record.dist == dist)
    plugins = tuple(record for record in records if record.kind in KINDS)
    unknown = sorted(suites.keys() - {_label(record) for record in plugins})
    if unknown:
        raise JnoValueError(f"{dist} does not provide {', '.join(unknown)}; it provides {[*map(_label, plugins)]}.")
    imports = import_checks(plugins) if plugins else ()
    objects = (check for record in _distinct(plugins, suites) for check in _object_checks(record, suites))
    return (*metadata_checks(dist, records), *imports, *objects)


def _label(record: PluginRecord) -> str:
    return f"{record.kind}:{record.name}"


def _distinct(records: Sequence[PluginRecord], suites: Suites) -> Iterator[PluginRecord]:
    """One record for each object, since a second name for it needs no second check, and those with their own suite."""
    seen = set()
    for record in records:
        if (record.kind, record.value) not in seen or _label(record) in suites:
            seen.add((record.kind, record.value))
            yield record


def _object_checks(record: PluginRecord, suites: Suites) -> Iterator[Check]:
    label = _label(record)
    suite = suites.get(label, _SUITES.get(record.kind, ClassSuite))
    subject = _Subject(record, suite)
    yield Check(f"{label}:contract", subject.check_contract)
    for test in _tests(suite):
        yield Check(f"{label}:{test.removeprefix('test_')}", subject.check(test))


def _tests(suite: type[ClassSuite]) -> tuple[str, ...]:
    """The names of a suite's tests, those of its bases first."""
    return tuple(dict.fromkeys(name for cls in suite.__mro__[::-1] for name in vars(cls) if name.startswith("test_")))


@final
class _Subject:
    """The object of a record and the suite that checks it; imported when the first check runs."""

    def __init__(self, record: PluginRecord, suite: type[ClassSuite]) -> None:
        self._record = record
        self._suite_class = suite

    def check_contract(self) -> None:
        """Fails unless the entry point names what its kind requires."""
        try:
            self._load()
        except PluginTypeError as error:
            raise AssertionError(str(error)) from error

    def check(self, test: str) -> Callable[[], None]:
        """The check that runs one test of the suite."""

        def run() -> None:
            getattr(self._suite, test)()

        return run

    @functools.cached_property
    def _suite(self) -> Any:
        try:
            plugin = self._load()
        except PluginTypeError:
            pytest.skip("does not fulfil the contract of its kind; see contract")
        return type(self._suite_class.__name__, (self._suite_class,), {"plugin": plugin})()

    def _load(self) -> Any:
        try:
            return load(self._record, KINDS[self._record.kind])
        except PluginLoadError:
            pytest.skip("could not be imported; see import:loads")
