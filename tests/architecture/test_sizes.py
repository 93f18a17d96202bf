"""Files, functions and classes stay small enough to read at once."""

import ast

SOFT, HARD = 250, 400
FUNCTION_LINES = 80
CLASS_LINES, CLASS_METHODS = 300, 20


def length(node):
    return node.end_lineno - node.lineno + 1


def test_files(house, holds):
    lines = {source.path: len(source.lines) for source in house.sources.values()}
    long = {path: f"{n} lines" for path, n in lines.items() if n > SOFT}
    # Shown by `pytest -rP`: what to split next.
    print(f"files of more than {SOFT} lines:", *(f"{path}: {n}" for path, n in long.items()), sep="\n  ")
    holds("file size", {path: f"{n} lines, at most {HARD}" for path, n in lines.items() if n > HARD})


def test_functions(house, holds):
    found = {
        name: f"{length(node)} lines, at most {FUNCTION_LINES}"
        for source in house.sources.values()
        for name, node in source.scopes()
        if not isinstance(node, ast.ClassDef) and length(node) > FUNCTION_LINES
    }
    holds("function size", found)


def test_classes(house, holds):
    found = {
        cls.name: f"{length(cls.node)} lines, at most {CLASS_LINES}"
        for cls in house.classes.values()
        if length(cls.node) > CLASS_LINES
    }
    holds("class size", found)


def test_methods(house, holds):
    found = {}
    for cls in house.classes.values():
        own = [name for name in cls.methods if not (name.startswith("__") and name.endswith("__"))]
        if len(own) > CLASS_METHODS:
            found[cls.name] = f"{len(own)} methods, at most {CLASS_METHODS}"
    holds("class methods", found)
