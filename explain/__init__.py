"""Explanations of any classifier, for signals, pictures and volumes.

`explain(model, x, method, target)` explains items by one method. METHODS holds all methods by name; `@method` adds one.
methods/: the methods, by family. network/: what makes a network explainable. process/: methods in processes of their
own, with limits. figures/: drawing. rating/: how good explanations are. Files whose names end in `_run` carry out a
command on a run folder; all others take models and arrays.
"""

from xaae.explain import methods
from xaae.explain.call import class_maps, explain
from xaae.explain.method import METHODS, Refusal, method
from xaae.explain.network.subject import Subject

__all__ = ["METHODS", "Refusal", "Subject", "class_maps", "explain", "method", "methods"]
