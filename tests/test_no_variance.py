"""Where nothing varies no share of a variance is told, whatever it would be a share of."""

import numpy as np
import pandas as pd
import pytest

from xaae.audit.unknown_sentences import limit_sentences
from xaae.latent_nav.code_health import code_spectrum, target

METER = {"meter": "x", "change": 0.0}
FOUND = {"classes": ["a", "b"], "named": [], "real": {}, "meters": [METER], "contrast": "a to b"}


@pytest.mark.parametrize("variance", [0.0, 1e-30, 1e-16, 1e-9])
def test_pictures_that_do_not_differ_have_no_share_of_a_variance(variance):
    said = limit_sentences(FOUND | {"recon_mse": 0.02, "variance": variance})[-1]
    assert "no variance" in said and "%" not in said


def test_pictures_that_differ_have_one():
    assert "50% of their variance" in limit_sentences(FOUND | {"recon_mse": 0.02, "variance": 0.04})[-1]


def test_a_column_and_codes_that_vary_by_rounding_alone_say_nothing():
    assert target(pd.Series(0.3 + 1e-16 * np.arange(40))) is None
    assert target(pd.Series(1e6 + 1e-7 * np.arange(40))) is None
    assert target(pd.Series(1e-20 * np.arange(40))) is not None  # small, and not by rounding
    spectrum = code_spectrum(1e-9 * np.random.default_rng(0).standard_normal((50, 4)))
    assert np.isnan(spectrum["effective_rank"]) and np.isnan(spectrum["first_share"])
