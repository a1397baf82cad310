"""What an explanation method is, and the registry of all of them.

A method is a function `attribute(ask, *, parameter=default, ...) -> Tensor (B, C or 1, *places)`, entered into METHODS
by `@method`. `ask` is the question (see network.subject.Ask); its keyword arguments are the parameters that users set.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from xaae.experiment.errors import InputError

KINDS = ("gradient", "layer", "cam", "propagation", "perturbation", "shap", "visualisation", "uncertainty")


class Refusal(InputError):
    """The method does not fit this model or this input; the message says why, in one sentence."""


@dataclass(frozen=True)
class Method:
    """One explanation method.

    attribute(ask, **parameters) -> signed map (B, C or 1, *places). needs: names in network.needs.NEEDS. paper: where
    the method was published. means: what a value of its map means, in a few words. sums: do the values of a map sum to
    the score less the baseline's score? keeps: do they sum to the score in a network without biases ("positive": where
    convolutions end in no negative logit)? Both are checked, see completeness. shows: "signed" (attributions, centred
    on 0), "size" (sensitivities, of which only the size counts) or "picture" (an image with values in the range of the
    items). autocast: may it compute in bf16? flag: a known weakness, "" without one.
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
    keeps: bool | str = False
    autocast: bool = False
    flag: str = ""

    @property
    def parameters(self):
        """Every parameter with its default."""
        arguments = inspect.signature(self.attribute).parameters.values()
        return {p.name: p.default for p in arguments if p.kind is p.KEYWORD_ONLY}

    def check(self, names):
        """InputError if one of these names is not a parameter of the method."""
        for name in names:
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "none"
                raise InputError(f"{self.name} has no parameter {name!r}: it takes {known}.")


METHODS = {}  # name -> Method, in the order of the table in the README


def method(kind, title, paper, means, **fields):
    """A decorator that enters a function into METHODS under its own name (without a trailing underscore).

    fields: the other fields of Method: needs, shows, sums, keeps, autocast, flag.
    """

    def enter(attribute):
        name = attribute.__name__.rstrip("_")
        METHODS[name] = Method(name, kind, title, paper, means, attribute, **fields)
        return attribute

    return enter


def find_method(name):
    """The Method called `name`. InputError, with the most similar names, if there is none."""
    if name in METHODS:
        return METHODS[name]
    near = get_close_matches(name, METHODS, 3, 0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "`python main.py explain --list` names them all."
    raise InputError(f"There is no method {name!r}: {hint}")
