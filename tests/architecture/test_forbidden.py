"""Constructs that the house does without."""

import ast

UNPICKLING = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
FORBIDDEN_CALLS = {"eval", "exec", "__import__", "hasattr"}
VAGUE = {"common", "helper", "helpers", "misc", "util", "utils"}


def nodes(house, *kinds):
    for source in house.sources.values():
        for node in ast.walk(source.tree):
            if isinstance(node, kinds):
                yield source, node


def imported(node):
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]


def test_no_error_is_swallowed(house, holds):
    found = {}
    for source, node in nodes(house, ast.ExceptHandler):
        caught = [] if node.type is None else [ast.unparse(node.type)]
        silent = all(ast.unparse(statement) in ("pass", "continue", "...") for statement in node.body)
        if not caught:
            found[f"{source.path}:{node.lineno}"] = "a bare except"
        elif silent and set(caught) & {"Exception", "BaseException"}:
            found[f"{source.path}:{node.lineno}"] = f"except {caught[0]} that does nothing"
    for source, node in nodes(house, ast.Call):
        if ast.unparse(node.func).endswith("suppress") and {"Exception", "BaseException"} & set(
            map(ast.unparse, node.args)
        ):
            found[f"{source.path}:{node.lineno}"] = "suppresses every error"
    holds("swallowed errors", found)


def test_nothing_is_unpickled_or_evaluated(house, holds):
    found = {}
    for source, node in nodes(house, ast.Import, ast.ImportFrom):
        for name in imported(node):
            if name.split(".")[0] in UNPICKLING:
                found[f"{source.path}:{node.lineno}"] = f"imports {name}"
    for source, node in nodes(house, ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
            found[f"{source.path}:{node.lineno}"] = f"calls {node.func.id}"
        for keyword in node.keywords:
            if keyword.arg == "allow_pickle" and ast.unparse(keyword.value) != "False":
                found[f"{source.path}:{node.lineno}"] = "allow_pickle"
    holds("no code from data, no probing", found)


def test_no_module_is_a_drawer(house, holds):
    found = {
        s.path: "name it by what it holds"
        for s in house.sources.values()
        if s.module.split(".")[-1].strip("_") in VAGUE
    }
    holds("module names", found)


def test_modules_hold_no_growing_state(house, holds):
    """`global` is how process-wide state is written to; none is, so no computation can depend on it."""
    found = {
        f"{source.path}:{node.lineno}": f"global {', '.join(node.names)}" for source, node in nodes(house, ast.Global)
    }
    holds("global", found)
