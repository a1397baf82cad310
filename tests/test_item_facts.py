"""Laws of the facts of items: what is known of a file without its values, and never more."""

import cv2
import numpy as np
import pandas as pd
import pytest
from helpers.pictures import draw_noise
from PIL import Image

from xaae.sources import item_facts, picture_metadata


@pytest.mark.parametrize("quality", [5, 30, 50, 75, 90, 95, 100])
def test_the_quality_of_a_jpeg_is_read_off_its_tables(tmp_path, quality):
    draw_noise(np.random.default_rng(0)).save(tmp_path / "a.jpg", quality=quality)
    assert picture_metadata.picture_metadata(tmp_path / "a.jpg")["JPEG quality"] == quality


def test_the_facts_of_a_file(tmp_path):
    exif = Image.Exif()
    exif[0x0110], exif[0x0132] = "Model 7", "2021:03:04 12:00:00"
    draw_noise(np.random.default_rng(0)).resize((20, 10)).save(tmp_path / "a.jpg", exif=exif, dpi=(72, 72), quality=80)
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "b.png")
    (tmp_path / "c.png").write_bytes(b"nothing")
    facts, reasons = item_facts.read_item_facts([tmp_path / name for name in ("a.jpg", "b.png", "c.png")], quiet=True)
    first = facts.iloc[0]
    assert (first["width"], first["height"], first["aspect ratio"], first["camera"]) == (20, 10, 2, "Model 7")
    assert (
        first["resolution"] == 72 and pd.Timestamp(first["date in EXIF"], unit="s").date().isoformat() == "2021-03-04"
    )
    assert facts["bits"].tolist()[:2] == [8, 16] and pd.isna(facts["camera"][1])
    assert [bool(reason) for reason in reasons] == [False, False, True] and facts["file size"][2] == 7


def test_a_picture_that_pillow_does_not_know_has_facts(tmp_path):
    cv2.imwrite(str(tmp_path / "a.tif"), np.random.default_rng(0).random((8, 9, 3)).astype(np.float32))
    facts, reasons = item_facts.read_item_facts([tmp_path / "a.tif"], quiet=True)
    assert list(reasons) == [""] and (facts["width"][0], facts["bits"][0]) == (9, 32)


def test_names_of_files_are_patterns_without_their_numbers_and_class():
    found = item_facts.name_patterns(["x/cat.12.jpg", "x/Dog7.jpg", "y/scat_0001.png"], ["cat", "dog", "cat"])
    assert found.tolist() == ["\u2026.#", "\u2026#", "scat_#"]


def test_a_picture_too_large_to_be_opened_is_a_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    draw_noise(np.random.default_rng(0)).save(tmp_path / "a.png")
    _, reasons = item_facts.read_item_facts([tmp_path / "a.png"], quiet=True)
    assert "DecompressionBomb" in reasons[0]
