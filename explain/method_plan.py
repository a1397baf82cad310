"""Which methods with which parameters: from names, from the tables of a TOML file, or both."""

import re
from dataclasses import dataclass, field

from xaae.experiment.errors import InputError
from xaae.explain.method import KINDS, METHODS, find_method

QUICK = {  # a method or two of each kind, half a minute for both models of a run on two cores
    name: {}
    for name in "saliency smoothgrad integrated_gradients deeplift gradcam lrp_epsilon_plus kernel_shap".split()
}
QUICK["kernel_shap"] = {"segments": 25, "samples": 100}
OURS = ("name", "label", "time_limit")  # keys of a method's table that are no parameters of it
ALSO = {"baseline": str, "window": tuple, "stride": tuple}  # "mean"; one for each side
WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", tuple: "a list"}


@dataclass(frozen=True)
class Entry:
    """A method to be run: its parameters, a label that stands once in a plan, and its own time limit in seconds."""

    method: str
    label: str
    parameters: dict = field(default_factory=dict)
    time_limit: float | None = None


def make_plan(names, tables=()):
    """Entries for `names`: methods, kinds of method, labels in `tables`, "quick" or "all"; all of `tables` if there
    are no names, the quick set if there are no tables either.

    tables: dicts with the keys name, label, time_limit and parameters of the method. InputError for what is wrong.
    """
    given = [_entry(table) for table in tables]
    named = [found for name in names for found in _chosen(name, given)]
    found = list({e.label: e for e in named}.values()) if names else given or _chosen("quick", [])
    labels = [e.label for e in found]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise InputError(f'{twice[0]!r} stands twice in the plan: give each its own label = "...".')
    return found


def _chosen(name, given):
    """The entries that one name stands for; those `given` come before plain ones."""
    groups = {"all": list(METHODS), "quick": list(QUICK)}
    groups |= {kind: [m.name for m in METHODS.values() if m.kind == kind] for kind in KINDS}
    if by_label := [e for e in given if e.label == name]:
        return by_label
    wanted = groups.get(name) or [find_method(name).name]
    usual = QUICK if name == "quick" else {}
    plain = {each: [Entry(each, each, usual.get(each, {}))] for each in wanted}
    return [e for each in wanted for e in ([g for g in given if g.method == each] or plain[each])]


def _entry(table):
    """The Entry that a method's table describes. InputError for what is wrong with it."""
    if not isinstance(table, dict) or not isinstance(table.get("name"), str):
        raise InputError('A method in the file has no name: begin its table with name = "...".')
    how, label, limit = find_method(table["name"]), table.get("label", table["name"]), table.get("time_limit")
    if not isinstance(label, str) or not re.fullmatch(r"[\w.+-]+", label):
        raise InputError(f"The label {label!r} cannot name a file: use letters, digits and _ . + - only.")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float) or limit <= 0):
        raise InputError(f"{label}: time_limit is {limit!r}: give a number of seconds above 0.")
    given = {name: value for name, value in table.items() if name not in OURS}
    how.check(given)
    return Entry(how.name, label, {name: _fitting(how, name, value) for name, value in given.items()}, limit)


def _fitting(how, name, value):
    """A parameter's value in the type of its default. InputError if it is of another that does not fit."""
    default = how.parameters[name]
    if isinstance(value, list):
        value = tuple(value)
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if type(default) in WORDS and type(value) not in (type(default), ALSO.get(name)):
        shown = list(value) if isinstance(value, tuple) else value
        raise InputError(f"{how.name}: {name} = {shown!r} does not fit: it takes {WORDS[type(default)]}.")
    return value
