"""Fingerprints: what items are, as a short text, so that what is kept for them is found again, and never for others."""

from hashlib import sha256

import numpy as np

AT_ONCE = 256  # items that are read together


def fingerprint(items, rows, *known):
    """Sixteen hexadecimal digits of the items of `rows` (B,), in this order, and of what else is known of them.

    items: Items. known: columns (B,) of texts, such as their labels. It does not depend on where the items' files lie,
    what they are called or when they were written; one value or text that differs gives another fingerprint.
    """
    digest = sha256()
    for start in range(0, len(rows), AT_ONCE):
        x = np.ascontiguousarray(items[rows[start : start + AT_ONCE]])
        digest.update(repr((x.dtype.str, x.shape)).encode())
        digest.update(x)
    for column in known:
        digest.update(repr([str(text) for text in column]).encode())
    return digest.hexdigest()[:16]
