"""Numbers and the nouns that they count agree: "1 item", "2 items", in the terminal, in figures and on pages."""

import re

IRREGULAR = {"classes": "class", "copies": "copy"}  # plural -> singular; any other loses its s
# nouns that sentences with a place for a number end in; what is written for one count alone calls `counted`
COUNTED = "degrees octaves epochs items pictures signals volumes starts directions steps maps methods threads".split()
SIGNS = "-+\u2212"
ONE = re.compile(rf"(?<![\w.,])([{SIGNS}]?1) ({'|'.join(COUNTED)})\b")


def noun_for(number, plural):
    """The noun as so many are called: "item" for 1 and "1", "items" for any other, and for 1.0, which was measured."""
    singular = IRREGULAR.get(plural, plural.removesuffix("s"))
    return singular if str(number).lstrip(SIGNS) == "1" else plural


def counted(number, plural):
    """ "1 item", "2 items". number: a whole number, or the text of one."""
    return f"{number} {noun_for(number, plural)}"


def in_agreement(text):
    """A sentence that was filled with numbers, each of its nouns as so many are called: "by 1 degrees" -> "degree"."""
    return ONE.sub(lambda found: counted(found[1], found[2]), text)
