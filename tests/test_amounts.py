"""Laws of counted nouns: one is one item, everything else is items."""

import re

import pytest

from xaae.experiment.amounts import counted, in_agreement, noun_for
from xaae.factors.meters import METERS
from xaae.report.shared.quantity import meter_quantity


@pytest.mark.parametrize(
    ("number", "plural", "text"),
    [(1, "items", "1 item"), (0, "items", "0 items"), (2, "epochs", "2 epochs"), (11, "starts", "11 starts"),
     (1, "classes", "1 class"), ("1", "degrees", "1 degree"), ("\u22121", "degrees", "\u22121 degree"),
     ("1.0", "octaves", "1.0 octaves"), ("21", "degrees", "21 degrees"), (1, "of full scale", "1 of full scale")],
)  # fmt: skip
def test_a_noun_agrees_with_its_number(number, plural, text):
    assert counted(number, plural) == text and text.endswith(noun_for(number, plural))


@pytest.mark.parametrize(
    ("before", "after"),
    [("turns left by 1 degrees [0, 1]", "turns left by 1 degree [0, 1]"), ("by 0.1 degrees", "by 0.1 degrees"),
     ("for 1 items of 1 starts", "for 1 item of 1 start"), ("by 11 degrees, 1.1 octaves", "by 11 degrees, 1.1 octaves"),
     ("", "")],
)  # fmt: skip
def test_a_sentence_is_brought_into_agreement(before, after):
    assert in_agreement(before) == after


@pytest.mark.parametrize("meter", list(METERS.values()), ids=lambda meter: meter.name)
def test_no_meter_tells_one_of_several(meter):
    assert not re.search(r"\b1 (degrees|octaves)", in_agreement(meter.say(1.0)))
    assert not re.search(r"\b1 (degrees|octaves)", meter_quantity(meter.name, meter.unit).long(1))
