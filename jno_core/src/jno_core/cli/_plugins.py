"""`jno plugins`: list, show and check."""

import argparse
import dataclasses
import json
from collections.abc import Sequence

from jno_core import plugins
from jno_core._registry import PluginStatus
from jno_core.cli._health import found_problems, load_problems, one_row_each, requirement_problems
from jno_core.cli._output import complain, indented, say, table
from jno_core.errors import PluginError


def list_plugins(arguments: argparse.Namespace) -> int:
    """Prints every plugin with its standing. Imports none."""
    statuses = plugins.list()
    if arguments.json:
        say(json.dumps([_as_json(status) for status in statuses], indent=2))
        return 0
    if not statuses:
        say("No plugins are installed.")
        return 0
    say(plugin_table(statuses))
    say(f"{_totals(statuses, len(found_problems(statuses)))}  `jno plugins check --load` also imports them.")
    return 0


def show_plugin(arguments: argparse.Namespace) -> int:
    """Imports a plugin and prints what it says about itself."""
    try:
        description = plugins.show(arguments.kind, arguments.name)
    except PluginError as error:
        complain(str(error))
        return 1
    if arguments.json:
        say(json.dumps(dataclasses.asdict(description), indent=2))
        return 0
    record = description.record
    rows = [
        (record.kind, record.name),
        ("from", f"{record.source} ({record.value})"),
        ("arguments", description.signature),
    ]
    if description.variants:
        rows.append(("variants", ", ".join(f"{record.name}:{variant}" for variant in description.variants)))
    say(table(rows))
    if description.summary:
        say()
        say(description.summary)
    return 0


def check_plugins(arguments: argparse.Namespace) -> int:
    """Prints each problem with its fix; 1 if there is one."""
    statuses = plugins.list()
    problems = [*found_problems(statuses), *requirement_problems(statuses)]
    if arguments.load:
        if not arguments.json:
            say("Importing every plugin: this runs their code.")
        problems += load_problems(statuses)
    if arguments.json:
        say(json.dumps([dataclasses.asdict(problem) for problem in problems], indent=2))
    else:
        for problem in problems:
            say(problem.text)
            if problem.fix:
                say(indented(problem.fix))
        say(_totals(statuses, len(problems)))
    return 1 if problems else 0


def plugin_table(statuses: Sequence[PluginStatus]) -> str:
    """One row for each name and provider; packages in conflict share the row of the first."""
    rows = [("KIND", "NAME", "FROM", "STATUS")]
    for status in one_row_each(statuses):
        record = status.record
        rows.append((record.kind, record.name, record.source, status.note or "ok"))
    return table(rows)


def _totals(statuses: Sequence[PluginStatus], problems: int) -> str:
    names = len({(status.record.kind, status.record.name) for status in statuses})
    packages = len({status.record.dist for status in statuses})
    counts = (_count(names, "name"), _count(packages, "package"), _count(problems, "problem"))
    return "{} from {}, {}.".format(*counts)


def _count(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"


def _as_json(status: PluginStatus) -> dict[str, object]:
    return {
        **dataclasses.asdict(status.record),
        "standing": status.standing,
        "note": status.note,
        "fix": status.fix,
    }
