"""The page's table of attributions shows the tiles that `explain` left, and what could not be made."""

import numpy as np
import pytest
from test_report_fakes import CONFIG, fake_run, page, write_attributions


def test_each_model_has_a_table_with_a_tile_for_each_item_and_method(tmp_path):
    folder = fake_run(tmp_path / "run")
    write_attributions(folder, np.random.default_rng(2), CONFIG["classes"], ("saliency",), "baseline")
    html = page(folder)
    assert html.count('class="tile why-aae"') == 4 * 3 and html.count('class="tile why-baseline"') == 4 * 2
    assert ".why-aae{background-image:url(data:image/webp;base64," in html
    assert "why dog?" in html and "fails &amp; falls" in html and "<b>lime" not in html and "&lt;b&gt;lime" in html


def test_what_could_not_be_made_is_told_with_its_reason(tmp_path):
    html = page(fake_run(tmp_path / "run"))
    assert "guided_backprop (refused: made for &lt;ReLU&gt;)" in html
    assert "rise (timeout" not in html  # of a model that has no table


@pytest.mark.parametrize("gone", ["explanations/tiles_aae.npz"])
def test_without_explanations_the_page_says_how_to_make_them(tmp_path, gone):
    folder = fake_run(tmp_path / "run")
    (folder / gone).unlink()
    html = page(folder)
    assert "Attribution maps have" in html
