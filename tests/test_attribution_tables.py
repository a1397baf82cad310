"""The page's tables of attributions show what `explain` left, and what could not be made."""

import numpy as np
from helpers.html_laws import check_page, sections
from helpers.report_fakes import METHODS, fake_run, page, write_tiles

SOURCE = "https://example.org"


def attributions(folder):
    """The section of the attributions, of a page that keeps the laws."""
    text = page(folder)
    check_page(text, outside=[SOURCE])
    return sections(text)["attributions"]


def test_each_model_has_a_table_with_a_tile_for_each_item_and_method(tmp_path):
    folder = fake_run(tmp_path / "run")
    write_tiles(folder, np.random.default_rng(2), ("cat", "dog"), "baseline", ("saliency",))
    found = attributions(folder)
    assert found.count('class="tile why-aae"') == 4 * (1 + len(METHODS))
    assert found.count('class="tile why-baseline"') == 4 * 2
    assert "why dog? 91\u202f%" in found and "fails &amp; falls" in found


def test_what_could_not_be_made_is_told_with_its_reason_at_its_own_model(tmp_path):
    aae, baseline = attributions(fake_run(tmp_path / "run")).split("<h3>ResNet34</h3>")
    assert "guided_backprop (refused: made for &lt;ReLU&gt;)" in aae and "rise" not in aae
    assert "rise (timeout: slow)" in baseline and "guided_backprop" not in baseline


def test_a_model_without_tiles_has_no_table_and_without_any_the_page_says_how_to_make_them(tmp_path):
    folder = fake_run(tmp_path / "run")
    (folder / "explanations/tiles_baseline.npz").unlink()
    assert "<h3>ResNet34</h3>" not in attributions(folder)
    (folder / "explanations/tiles_aae.npz").unlink()
    assert "Attribution maps have" in attributions(folder)
