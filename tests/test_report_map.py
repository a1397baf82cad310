"""Laws of the map of the latent space: which maps there are, where the points lie, and what can colour them."""

import json
import re

import numpy as np
import pytest
from helpers.html_laws import check_page, sections
from helpers.report_fakes import N, V, fake_run, page

from xaae.experiment.run_folder import read_arrays, write_arrays
from xaae.report.run.latent_map import LETTERS, STEPS, letter_column, shades, three_digits
from xaae.report.shared.run_files import RunFiles

SOURCE = "https://example.org"
LINEAR = {"side", "pca"}  # maps that are drawn with an arrow


def map_section(folder):
    """The section of the map, of a page that keeps the laws."""
    text = page(folder)
    check_page(text, outside=[SOURCE])
    return sections(text)["map"]


def map_data(folder):
    """What the page's script colours the maps by."""
    return json.loads(re.search(r'id="map-data">(.*?)</script>', page(folder), re.DOTALL).group(1))


@pytest.fixture
def folder(tmp_path):
    """A run with four maps."""
    made = fake_run(tmp_path / "run")
    arrays = read_arrays(made / "maps.npz")
    write_arrays(made / "maps.npz", **arrays, **{"umap.xy": arrays["tsne.xy"] + 1})
    return made


@pytest.mark.parametrize("left", ["side", "pca", "tsne", "side pca tsne", "side pca tsne umap"])
def test_the_maps_that_there_are_can_be_chosen(folder, left):
    left = left.split()
    arrays = read_arrays(folder / "maps.npz")
    kept = {k: v for k, v in arrays.items() if not k.endswith((".xy", ".arrow")) or k.partition(".")[0] in left}
    write_arrays(folder / "maps.npz", **kept)
    shown = map_section(folder)
    assert re.findall(r'type="radio" name="map" id="map-(\w+)"', shown) == left and shown.count(" checked>") == 1
    assert shown.count('class="arrow"') == 2 * len(LINEAR & set(left))  # shaft and head


def test_points_can_be_coloured_by_what_varies_and_is_no_name_of_an_item(folder):
    columns = map_data(folder)["columns"]
    assert [each["name"] for each in columns] == ["planted angle", "coat", "ear size"]
    assert all(len(each["points"]) == V for each in columns)
    assert columns[1]["names"] == ["a", "b"] and columns[0]["low"].endswith("°")


def test_letters_stand_in_the_order_of_the_points(folder):
    points = map_data(folder)["columns"][1]["points"]
    order = [i for label in (0, 1) for i in range(V) if i % 2 == label]  # classes in turn, rows in order
    assert points == "".join("ab"[i % 3 > 0] for i in order)


def test_a_point_missing_in_one_map_is_left_out_of_all(folder):
    arrays = read_arrays(folder / "maps.npz")
    arrays["tsne.xy"][0] = np.nan
    write_arrays(folder / "maps.npz", **arrays)
    paths = re.findall(r'class="dots point" d="([^"]*)"', map_section(folder))
    assert {len(each["points"]) for each in map_data(folder)["columns"]} == {V - 1}
    assert sum(path.count("M") for path in paths) == 4 * (V - 1)


def test_items_on_the_map_do_not_cover_each_other(folder):
    boxes = re.findall(r'<rect class="thumb"[^>]* x="([\d.]+)" y="([\d.]+)"', map_section(folder))
    assert boxes  # the maps show some, each map its own
    for svg in re.findall(r'class="chart map".*?</svg>', map_section(folder), re.DOTALL):
        places = [np.array([float(x), float(y)]) for x, y in re.findall(r'class="thumb"[^>]*x="(.*?)" y="(.*?)"', svg)]
        assert all(np.abs(a - b).max() > 39 for i, a in enumerate(places) for b in places[:i])


def test_the_arrows_halo_lies_below_every_point_and_the_whole_arrow_on_the_map(folder):
    arrays = read_arrays(folder / "maps.npz")
    write_arrays(folder / "maps.npz", **arrays | {"side.arrow": np.array([[-50.0, 0], [50, 0]])})
    svg = re.search(r'class="chart map".*?</svg>', map_section(folder), re.DOTALL).group(0)
    halo, point, line = (svg.index(f'class="{name}') for name in ("arrow-halo", "dots point", 'arrow"'))
    assert halo < point < line and svg.rindex("arrow-halo") < point
    ends = re.search(r'class="arrow" x1="([\d.]+)" y1="[\d.]+" x2="([\d.]+)"', svg)
    assert 0 < float(ends[1]) < float(ends[2]) < 480


def test_numbers_become_steps_and_names_letters(folder):
    items = RunFiles(folder).items
    steps = letter_column(items["ear_size"], three_digits)["points"]
    assert steps[0] == LETTERS[0] and steps[-1] == LETTERS[STEPS - 1] and len(steps) == N
    assert list(steps) == sorted(steps)  # the column rises
    assert letter_column(items["maker"], three_digits) is None and letter_column(items["path"], three_digits) is None


def test_every_step_has_a_colour_of_its_own():
    assert len(set(shades())) == STEPS == len(LETTERS) and all(re.fullmatch("#[0-9a-f]{6}", c) for c in shades())
