"""The project's own code as text: its modules, and what each imports."""

import ast
from functools import cache
from pathlib import Path

from helpers.places import HOME

ROOMS = sorted(p.parent.name for p in HOME.glob("*/__init__.py"))  # folders of the package
TOP = ("data", "main", "model")  # its loose files
OWN = {*ROOMS, *TOP, "benchmarks"}  # names under which nothing may be imported without `xaae.`


def product_files():
    """Every file of the package, without tests, benchmarks and notebooks."""
    return sorted([*HOME.glob("*.py"), *(p for room in ROOMS for p in (HOME / room).rglob("*.py"))])


def module_name(path):
    """The dotted name of a file: explain/call.py is xaae.explain.call, explain/__init__.py is xaae.explain."""
    parts = ("xaae", *path.relative_to(HOME).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(name):
    """The room of a module: xaae.explain.methods.cams is in explain, xaae.data in data, xaae itself in none."""
    return (name.split(".") + [""])[1]


@cache
def tree(path):
    """The syntax tree of a file."""
    return ast.parse(Path(path).read_text(), str(path))


@cache
def imports_in(path):
    """The import statements of a file, wherever they are in it."""
    return [node for node in ast.walk(tree(path)) if isinstance(node, ast.Import | ast.ImportFrom)]


@cache
def names_imported_in(path):
    """Every dotted name that a file imports, as by `imported_names`."""
    return {name for statement in imports_in(path) for name in imported_names(statement)}


def imported_names(syntax):
    """Every dotted name that some code imports, wherever it does: `from a.b import c` gives a.b and a.b.c."""
    for node in ast.walk(syntax):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)
            yield "." * node.level + (node.module or "")


@cache
def import_graph():
    """{module: the project's modules that it imports, wherever in the file}. A name stands for the module it is in."""
    known = {module_name(path): path for path in product_files()}
    graph = {}
    for name, path in known.items():
        found = {n for n in names_imported_in(path) if n in known}
        deeper = {n.rpartition(".")[0] for n in found}  # `from xaae.explain import call` is about xaae.explain.call
        exact = {n for n in found if n not in deeper or names_from(path, n, known)}
        graph[name] = exact - {name}
    return graph


def names_from(path, package, known):
    """Does this file import the module `package` itself, or a name that is no module from it?"""
    for node in imports_in(path):
        if isinstance(node, ast.Import) and any(alias.name == package for alias in node.names):
            return True
        if isinstance(node, ast.ImportFrom) and node.module == package:
            if any(f"{package}.{alias.name}" not in known for alias in node.names):
                return True
    return False


def circle(graph):
    """The nodes of one circle of a graph {node: its next nodes}, in order; an empty list if there is none."""
    done, path = set(), []

    def visit(node):
        if node in path:
            return path[path.index(node) :]
        if node in done:
            return []
        path.append(node)
        for following in sorted(graph.get(node, ())):
            if found := visit(following):
                return found
        done.add(path.pop())
        return []

    return next((found for node in sorted(graph) if (found := visit(node))), [])


def public_definitions(path, methods=False):
    """Public functions and classes at the top of a file, with public methods of its classes if asked for."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    top = tree(path).body
    inside = [node for parent in top if isinstance(parent, ast.ClassDef) for node in parent.body] if methods else []
    return [n for n in top + inside if isinstance(n, kinds) and not n.name.startswith("_")]


# ---- files that laws speak of -----------------------------------------------------------------------------------


def label(path):
    """What a file is called when it breaks a law."""
    return str(path.relative_to(HOME))


def room_of_file(path):
    """The room of a file of the package; "" for the package's own __init__."""
    return room_of(module_name(path))


def breaking(paths, what):
    """{file: what(file)} of those files for which that is anything."""
    return {label(path): found for path in paths if (found := what(path))}


FILES = product_files()
UNNAMED = ("cli", "main", "")  # rooms whose files are named by command
NAMED = [path for path in FILES if room_of_file(path) not in UNNAMED]
