"""Which methods run, and with which parameters: from names, from the tables of a TOML file, or both."""

import re
from dataclasses import dataclass, field

from xaae.experiment.errors import InputError
from xaae.explain.method import KINDS, METHODS, find_method

QUICK = {  # name -> parameters of the quick set: a method or two of each kind, half a minute for a run on two cores
    "saliency": {},
    "smoothgrad": {},
    "integrated_gradients": {},
    "deeplift": {},
    "gradcam": {},
    "lrp_epsilon_plus": {},
    "kernel_shap": {"segments": 25, "samples": 100},
}
TABLE_KEYS = ("name", "label", "time_limit")  # keys of a method's table that are not parameters of the method
OTHER_TYPES = {"baseline": str, "window": tuple, "stride": tuple}  # "mean"; a number for each side
TYPE_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", tuple: "a list"}


@dataclass(frozen=True)
class Entry:
    """A method to be run. parameters: those that differ from the method's defaults. label: names its files, unique in
    a plan. time_limit: seconds, None for the limit of the whole plan."""

    method: str
    label: str
    parameters: dict = field(default_factory=dict)
    time_limit: float | None = None


def make_plan(names, tables=()):
    """The list of Entries that run.

    names: methods, kinds of method, labels of `tables`, "quick" or "all". tables: dicts with the keys name, label,
    time_limit and parameters of the method. Without names all tables run; without tables either, the quick set.
    Raises InputError for names, labels and parameters that do not exist or do not fit.
    """
    in_file = [_read_table(table) for table in tables]
    if names:
        entries = list({e.label: e for name in names for e in _entries_for(name, in_file)}.values())
    else:
        entries = in_file or _entries_for("quick", [])
    labels = [e.label for e in entries]
    if repeated := sorted({label for label in labels if labels.count(label) > 1}):
        raise InputError(f'{repeated[0]!r} stands twice in the plan: give each its own label = "...".')
    return entries


def _entries_for(name, in_file):
    """The Entries that one name stands for. A method that the file has is taken from there, with its parameters."""
    if labelled := [e for e in in_file if e.label == name]:
        return labelled
    groups = {"all": list(METHODS), "quick": list(QUICK)}
    groups |= {kind: [m.name for m in METHODS.values() if m.kind == kind] for kind in KINDS}
    parameters = QUICK if name == "quick" else {}
    entries = []
    for method in groups.get(name) or [find_method(name).name]:
        from_file = [e for e in in_file if e.method == method]
        entries += from_file or [Entry(method, method, parameters.get(method, {}))]
    return entries


def _read_table(table):
    """The Entry that a method's table describes. InputError if something is wrong with it."""
    if not isinstance(table, dict) or not isinstance(table.get("name"), str):
        raise InputError('A method in the file has no name: begin its table with name = "...".')
    method, label, limit = find_method(table["name"]), table.get("label", table["name"]), table.get("time_limit")
    if not isinstance(label, str) or not re.fullmatch(r"[\w.+-]+", label):
        raise InputError(f"The label {label!r} cannot name a file: use letters, digits and _ . + - only.")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float) or limit <= 0):
        raise InputError(f"{label}: time_limit is {limit!r}: give a number of seconds above 0.")
    parameters = {name: value for name, value in table.items() if name not in TABLE_KEYS}
    method.check(parameters)
    return Entry(method.name, label, {name: _convert(method, name, v) for name, v in parameters.items()}, limit)


def _convert(method, name, value):
    """A parameter's value in the type of its default. InputError if it has a type that does not fit."""
    default = method.parameters[name]
    if isinstance(value, list):
        value = tuple(value)
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if type(default) in TYPE_NAMES and type(value) not in (type(default), OTHER_TYPES.get(name)):
        shown = list(value) if isinstance(value, tuple) else value
        raise InputError(f"{method.name}: {name} = {shown!r} does not fit: it takes {TYPE_NAMES[type(default)]}.")
    return value
