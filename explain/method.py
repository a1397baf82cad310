"""What an explanation method is, and the registry of all of them.

A method is a function `attribute(ask, *, parameter=default, ...) -> Tensor (B, C or 1, ...)` entered by `@method`; its
keyword arguments are the parameters that users may set.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from xaae.experiment.errors import InputError

KINDS = ("gradient", "layer", "cam", "propagation", "perturbation", "shap", "visualisation", "uncertainty")


class Refusal(InputError):
    """The method does not fit this model or input; the message says why, in one sentence."""


@dataclass(frozen=True)
class Method:
    """One explanation method.

    attribute(ask, **parameters) -> signed map (B, C or 1, ...). needs: names in `network.needs.NEEDS`. paper: where it
    comes from. means: what its map means, in a few words. sums: do its values sum to the score's difference to the
    baseline? shows: "signed" (attributions, centred on 0), "size" (sensitivities, only their size counts) or "picture"
    (an image with values in the range of the items). autocast: may it run in bf16? flag: what it is known to fail.
    """

    name: str
    kind: str
    title: str
    paper: str
    means: str
    attribute: Callable
    needs: tuple = ()
    shows: str = "signed"
    sums: bool = False
    autocast: bool = False
    flag: str = ""

    @property
    def parameters(self):
        """Every parameter with its default."""
        found = inspect.signature(self.attribute).parameters.values()
        return {p.name: p.default for p in found if p.kind is p.KEYWORD_ONLY}

    def check(self, given):
        """InputError for a parameter that the method does not have."""
        for name in given:
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "none"
                raise InputError(f"{self.name} has no parameter {name!r}: it takes {known}.")


METHODS = {}  # name -> Method, in the order of the table


def method(kind, title, paper, means, **about):
    """Enter the decorated function into METHODS under its own name (without a trailing underscore)."""

    def enter(attribute):
        name = attribute.__name__.rstrip("_")
        METHODS[name] = Method(name, kind, title, paper, means, attribute, **about)
        return attribute

    return enter


def find_method(name):
    """The Method called `name`. InputError with the nearest names if there is none."""
    if name in METHODS:
        return METHODS[name]
    near = get_close_matches(name, METHODS, 3, 0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "`python main.py explain --list` names them all."
    raise InputError(f"There is no method {name!r}: {hint}")
