"""Contrasts: between which classes directions lead, and of which classes scores and readings speak.

A model may know many classes; a direction, a walk or a verdict is about two sides of them. Whoever needs to know which
these are asks one Contrast, so that directions, scores and readings speak of the same classes.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp

from xaae.experiment.errors import InputError

REST = "rest"


@dataclass(frozen=True)
class Evidence:
    """What directions are fitted on: training codes z (N, D); last (N,): is the item on the contrast's second side?

    head (D,): the classifier's weights of that side less those of the other, None where there is no linear head.
    numbers (N,): the items' severities, None where they have classes or labels.
    """

    z: np.ndarray
    last: np.ndarray
    head: np.ndarray | None = None
    numbers: np.ndarray | None = None

    @property
    def amount(self):
        """What a regression is fitted to: the severities, else 0 and 1 for the sides: (N,) float."""
        return self.last.astype(float) if self.numbers is None else self.numbers

    def part(self, rows):
        """The Evidence of some rows (M,)."""
        numbers = None if self.numbers is None else self.numbers[rows]
        return replace(self, z=self.z[rows], last=self.last[rows], numbers=numbers)


@dataclass(frozen=True)
class Contrast:
    """Two sides, each a set of classes: from `first` to `last`. classes: all of them, in the order of the logits."""

    first: tuple
    last: tuple
    classes: tuple

    def __str__(self):
        return f"{' or '.join(self.first)} to {self.goal}"

    @property
    def goal(self):
        """The classes of the last side in words."""
        return " or ".join(self.last)

    @property
    def one_against_rest(self):
        """Is the last side one class and the first all others, more than one?"""
        return len(self.last) == 1 < len(self.first) == len(self.classes) - 1

    # ---- its items ------------------------------------------------------------------------------------------------

    @property
    def both(self):
        """The classes of both sides, those of the first side first."""
        return self.first + self.last

    def holds(self, labels):
        """Which items, with labels (N,), are on one of the sides: (N,) bool."""
        return np.isin(labels, self.both)

    def rows(self, labels):
        """Row numbers of the items on the first side and of those on the last, from labels (N,)."""
        return tuple(np.flatnonzero(np.isin(labels, side)) for side in (self.first, self.last))

    def evidence(self, z, labels, head=None, numbers=None):
        """The Evidence of codes z (N, D) with labels (N,); head (K, D) holds the classifier's weights by class.

        numbers (N,): severities, None where there are none.
        """
        labels = np.asarray(labels)
        rows, side = self.holds(labels), np.isin(labels, self.last)
        first, last = self.columns
        weights = None if head is None else head[last].mean(0) - head[first].mean(0)
        return Evidence(z[rows], side[rows], weights, None if numbers is None else numbers[rows])

    # ---- what a model says of it ------------------------------------------------------------------------------------

    @property
    def columns(self):
        """Numbers of the logits of the first side and of the last: two lists."""
        return tuple([self.classes.index(name) for name in side] for side in (self.first, self.last))

    @property
    def target(self):
        """The number of the class that a walk leads to: the last one of the last side."""
        return self.columns[1][-1]

    def opposite(self):
        """Which classes are another side than each class: (K, K) bool; of a class on neither side, those of both."""
        side = np.zeros(len(self.classes), int)
        first, last = self.columns
        side[first], side[last] = -1, 1
        return (side[:, None] != side) & (side != 0)

    def score(self, logits):
        """Log odds (...) of the last side against the first, from logits (..., K): above 0 the last side is ahead."""
        first, last = (logsumexp(np.asarray(logits)[..., side], -1) for side in self.columns)
        return last - first

    def probability(self, probability):
        """Probability (...) of the last side among both, from those of all classes (..., K): 0.5 where they are equal.

        What the model gives to classes outside the contrast does not count.
        """
        first, last = (np.asarray(probability)[..., side].sum(-1) for side in self.columns)
        if len(self.both) == len(self.classes):
            return last  # they add up to 1 already
        return last / np.maximum(first + last, np.finfo(last.dtype).tiny)

    def favours_last(self, answers):
        """Is the best class of both sides on the last one? (...) bool, from logits or probabilities (..., K)."""
        first, last = (np.asarray(answers)[..., side].max(-1) for side in self.columns)
        return last > first


def contrast(text, classes):
    """The contrast a user means: "cat:dog", "rest:dog" (one against the rest), or "" for the first class to the last.

    InputError for a class that is not there, or for two sides that are the same.
    """
    first, last = _sides_in(text, classes) if text else (classes[0], classes[-1])
    if first == last:
        raise InputError(f"The contrast {text!r} has the same side twice: write FROM:TO with two classes.")
    return Contrast(_side(first, last, classes), _side(last, first, classes), tuple(classes))


def against_rest(name, classes):
    """The Contrast of all other classes to one, whatever the classes are called."""
    return Contrast(tuple(c for c in classes if c != name), (name,), tuple(classes))


def label_contrast(sides):
    """The Contrast from absence to presence of a label, given the names of both."""
    return Contrast(sides[:1], sides[1:], tuple(sides))


def _sides_in(text, classes):
    """The two names in "FROM:TO"; a class's name may hold colons itself. InputError if there are none such."""
    if ":" not in text:
        raise InputError(
            f"The contrast {text!r} has no colon: write it as FROM:TO, such as {classes[0]}:{classes[-1]}."
        )
    pairs = [(text[:at], text[at + 1 :]) for at, letter in enumerate(text) if letter == ":"]
    bare_pairs = [(first.strip(), last.strip()) for first, last in pairs]
    known = (*classes, REST)
    bare = {name.strip(): name for name in known}  # a command line strips what is between commas
    for find in ({name: name for name in known}, bare if len(bare) == len(known) else {}):
        for first, last in (*pairs, *bare_pairs):
            if first in find and last in find:
                return find[first], find[last]
    wrong = next(side for side in pairs[0] if side not in known)
    raise InputError(f"There is no class {wrong!r}: write a contrast as FROM:TO with {', '.join(classes)}, rest.")


def _side(name, other, classes):
    """The classes of the side `name`; "rest" stands for all but `other`, where no class is called so."""
    return (name,) if name in classes else tuple(c for c in classes if c != other)
