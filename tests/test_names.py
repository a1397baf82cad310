"""The house: one name for one thing, and what is public is explained and has few arguments."""

import ast
from collections import defaultdict

import pytest
from helpers import source
from helpers.source import FILES, NAMED, breaking, label, room_of_file


def twice(pairs):
    """{name: its files} of the names that more than one file has."""
    places = defaultdict(list)
    for name, path in pairs:
        places[name].append(label(path))
    return {name: found for name, found in places.items() if len(found) > 1}


def test_no_two_modules_have_one_name():
    assert twice((path.stem, path) for path in NAMED if path.stem != "__init__") == {}


def test_no_two_public_functions_or_classes_have_one_name():
    assert twice((node.name, path) for path in NAMED for node in source.public_definitions(path)) == {}


FRAMEWORKS = set("forward encodes accumulate reset value name parse_args list_commands get_command".split()) | {
    f"{when}_{what}" for when in ("before", "after") for what in ("fit", "batch", "epoch", "loss", "train")
}  # methods whose meaning is that of fastai, torch or click


def unexplained(path):
    """What is public in a file, and the file itself, as far as it has no docstring."""
    found = [n for n in source.public_definitions(path, methods=True) if n.name not in FRAMEWORKS]
    return [n.name for n in found if not ast.get_docstring(n)] + ["the file"] * (
        not ast.get_docstring(source.tree(path))
    )


def test_what_is_public_has_a_docstring():
    assert breaking(FILES, unexplained) == {}


def crowded(path):
    """{public function: its number of arguments} of those with more than seven."""
    found = [n for n in source.public_definitions(path) if not isinstance(n, ast.ClassDef)]
    return {n.name: k for n in found if (k := number_of_arguments(n)) > 7}


def number_of_arguments(function):
    """Of a function; an explanation method's keywords are its users' parameters, checked by the registry."""
    args, entered = function.args, [d for d in function.decorator_list if ast.unparse(d).startswith("method(")]
    return len(args.posonlyargs + args.args + ([] if entered else args.kwonlyargs))


@pytest.mark.parametrize("room", sorted({room_of_file(path) for path in NAMED}))
def test_a_library_function_has_seven_arguments_at_most(room):
    assert breaking([path for path in NAMED if room_of_file(path) == room], crowded) == {}
