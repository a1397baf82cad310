"""Heads of NumPy's files, read by one thread at a time where Python needs that.

NumPy has Python parse the head of each array. Before 3.11.8, and in 3.12.0 and 3.12.1, the parser counts how deep it is
for all threads together: where one is interrupted in it by another, as by what happens to be collected as garbage, it
raises a SystemError (CPython's issue 106905).
"""

import sys
from contextlib import nullcontext
from threading import RLock


def counts_for_all_threads(version):
    """Does a version (major, minor, micro) of Python have this error?"""
    return version < (3, 11, 8) or (3, 12) <= version < (3, 12, 2)


_ALONE = RLock()


def head_alone(version=sys.version_info[:3]):
    """A context in which no other thread reads the head of an array, where this version of Python needs that."""
    return _ALONE if counts_for_all_threads(version) else nullcontext()
