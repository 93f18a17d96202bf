"""Packages show an explicit face, and everything public is documented."""

import ast
import inspect

import jno

ASSIGNABLE = {"__all__", "__version__"}


def public(module):
    return not any(part.startswith("_") for part in module.split("."))


def assigned(node):
    return {ast.unparse(target) for target in (node.targets if isinstance(node, ast.Assign) else [node.target])}


def is_for_type_checkers(node):
    """Imports of what the face imports at run time only when it is asked for."""
    if not isinstance(node, ast.If) or ast.unparse(node.test) != "TYPE_CHECKING":
        return False
    return all(isinstance(inner, ast.Import | ast.ImportFrom) for inner in node.body) and not node.orelse


def test_init_files_hold_a_docstring_and_re_exports(house, holds):
    found = {}
    for source in house.sources.values():
        if not source.is_init:
            continue
        if ast.get_docstring(source.tree) is None:
            found[source.path] = "no docstring"
        for node in source.tree.body[1:]:
            if isinstance(node, ast.Import | ast.ImportFrom) or is_for_type_checkers(node):
                continue
            if isinstance(node, ast.Assign | ast.AnnAssign) and assigned(node) <= ASSIGNABLE:
                continue
            found[source.path] = f"line {node.lineno}: {ast.unparse(node).splitlines()[0]}"
    holds("init files", found)


def test_modules_say_what_they_are(house, holds):
    found = {s.path: "no docstring" for s in house.sources.values() if ast.get_docstring(s.tree) is None}
    holds("module docstrings", found)


def public_definitions(house):
    """The functions and classes of public modules, and those that the packages' faces re-export."""
    for source in house.sources.values():
        if not public(source.module):
            continue
        for name, node in source.scopes():
            qualified = name.partition(":")[2]
            if "." not in qualified and not qualified.startswith("_"):
                yield name, node
        if source.is_init:
            for bound, target in source.imports().items():
                module, _, attribute = house.resolve(target).rpartition(".")
                if bound.startswith("_") or module not in house.sources:
                    continue
                for name, node in house.sources[module].scopes():
                    if name.partition(":")[2] == attribute:
                        yield name, node


def test_public_names_are_documented(house, holds):
    definitions = dict(public_definitions(house))
    assert len(definitions) > 30, "the test sees the faces"
    found = {}
    for name, node in definitions.items():
        if ast.get_docstring(node) is None:
            found[name] = "no docstring"
        if isinstance(node, ast.ClassDef):
            cls = house.classes[name.replace(":", ".")]
            found |= {f"{name}.{method}": "no docstring" for method in undocumented(house, cls)}
    holds("docstrings", found)


def undocumented(house, cls):
    """The public methods without a docstring, here or where they are declared."""
    lineage = (cls, *house.ancestors(cls))
    for method in {method for c in lineage for method in c.methods if not method.startswith("_")}:
        declared = [c.methods[method] for c in lineage if method in c.methods]
        if all(ast.get_docstring(node) is None for node in declared):
            yield method


def test_names_of_the_face_are_documented_at_run_time():
    missing = []
    for name in dir(jno):
        if name.startswith("_"):
            continue
        member = inspect.getattr_static(jno, name)
        if not (inspect.getdoc(member) or "").strip():
            missing.append(name)
    assert not missing
