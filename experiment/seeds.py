"""Randomness by name: one generator for each part of a run, and the one place where the global seed is set."""

import numpy as np

STREAMS = {  # every part that draws at random -> the number of its own stream; a number that was given stays
    "planting": 1,  # values of the table, and which items obey
    "redraw": 2,  # fresh values while training
    "starts": 3,  # held-out items that walks start from
    "explained items": 4,  # held-out items that `explain` and `rate` show, and the intervals of the response
    "tutorial": 5,
    "probe": 7,  # values of an audit's probe items
    "audit walks": 8,  # random directions and intervals of an audit's walks
    "page": 9,  # items that the page offers
    "shuffled labels": 11,
    "class differences": 12,
    "navigation": 13,  # random directions, intervals and folds of `navigate` and of `audit --unknown`
    "label noise": 14,
    "background": 15,  # held-out items that explanations compare with
    "map items": 16,  # which items are on a map that cannot hold all
    "quiz": 17,
    "scan": 19,  # scanned items, values of the planted factor, changes that no factor names, intervals
    "audit scans": 20,  # the same of an audit's arms
    "moves": 21,  # values of the coordinates in the second version of a training item
    "randomised items": 22,  # items whose factors have random values, which leading classifiers are asked about
    "first look": 24,  # tables with the same margins, in which a fact goes with no class
    "reach": 23,  # items on which the length of a led walk is tried
    "shares": 25,  # the order of training items that several processes share
    "learned": 26,  # planted values of scanned items, by which it is told whether a model learned anything
    "health": 27,  # rows, folds and forests by which the codes of held-out items are measured
    "impact": 28,  # training items by which the baseline's own direction is found
    "turns read back": 18,  # by which the rotation network is judged
}


def generator(seed, stream):
    """A NumPy generator for one part of a run with this seed, the same each time. stream: its name in STREAMS.

    No two parts share a stream: what one of them draws would be known from what the other drew.
    """
    return np.random.default_rng([seed, STREAMS[stream]])


def seed_all(seed):
    """Set the global seeds of Python, NumPy and torch. Only a training does so, before each of its parts."""
    from fastai.torch_core import set_seed

    set_seed(seed)
