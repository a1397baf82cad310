"""The explanations of an audit by their names in the table: what each one is called, what it means, its paper."""

from xaae.audit.controls import CONTROLS, EXPECTED
from xaae.experiment.kinds import PICTURE
from xaae.experiment.vocabulary import models_of
from xaae.explain.method import METHODS
from xaae.latent_nav.directions import DIRECTIONS


def explanation_names(directions, methods):
    """Names of all explanations of an audit with these directions and attribution methods, in the table's order."""
    walks = [f"walk:{name}" for name in directions]
    return [*walks, "scan", "sorted", *methods, *(f"control:{name}" for name in CONTROLS)]


def explanation_kind(explanation):
    """The kind of an explanation by its name in the table: "walk", "scan", "sorted", "map" or "control"."""
    kind = explanation.partition(":")[0]
    return kind if kind in DESCRIBE else "map"


def describe_explanation(explanation, items=PICTURE):
    """{kind, title, means, paper} of an explanation of items of a Kind by its name in the table; a control: the
    verdict expected too."""
    return DESCRIBE[explanation_kind(explanation)](explanation.partition(":")[2] or explanation, items)


def _describe_walk(name, items):
    """A walk along a direction such as "lda", or "pca_1", the first of several."""
    direction = DIRECTIONS.get(name.partition("_")[0])
    note = f" {direction.note}" if direction else ""
    means = f"decoded frames along a direction of the latent space, read by meters.{note}"
    if direction and direction.many:
        means += " A control: it is not meant to show the factor."
    return {"kind": "walk", "title": f"walk ({name})", "means": means, "paper": "thesis, chapter 7"}


def _describe_scan(name, items):
    """The factor scan, the baseline that every walk has to match."""
    means = (
        f"real {items.plural} with one factor at a time changed, within what the data hold; no decoder, no explanation"
        " method. It knows the factors of its list only."
    )
    return {"kind": "scan", "title": "factor scan", "means": means, "paper": ""}


def _describe_sorted(name, items):
    """The plain baseline of what items show by themselves."""
    title, means = f"real {items.plural}, sorted", f"real {items.plural} sorted by the model's logit, no explanation"
    return {"kind": "sorted", "title": title, "means": means, "paper": "Sixt et al., ICLR 2022"}


def _describe_control(name, items):
    """A control."""
    about = {"title": f"control: {name}", "means": CONTROLS[name], "expected": EXPECTED[name]}
    return {"kind": "control", "paper": ""} | about


def _describe_map(name, items):
    """An attribution method."""
    method = METHODS[name]
    return {"kind": "map", "title": method.title, "means": method.means, "paper": method.paper}


DESCRIBE = {
    "walk": _describe_walk,
    "scan": _describe_scan,
    "sorted": _describe_sorted,
    "map": _describe_map,
    "control": _describe_control,
}


def quiz_title(explanation, model, kind):
    """What an explanation is called in the quiz, and whose it is. kind: of the items."""
    about = describe_explanation(explanation, kind)
    title = "walk in the latent space" if about["kind"] == "walk" else about["title"]
    whose = models_of(kind)[model]
    return f"{title}, of {'an' if whose[0] in 'AEIOU' else 'a'} {whose}"
