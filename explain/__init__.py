"""Explanations of any classifier: `explain(model, x, method, target)`, and METHODS, the registry of all methods."""

from xaae.explain import methods
from xaae.explain.call import class_maps, explain
from xaae.explain.method import METHODS, Refusal, method
from xaae.explain.network.subject import Subject

__all__ = ["METHODS", "Refusal", "Subject", "class_maps", "explain", "method", "methods"]
