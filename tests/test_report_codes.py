"""Laws of the parts beside the planted factor: naming table, heat, counterfactuals, exemplars, maps, health."""

import json
import re

import numpy as np
import pytest
from test_report_fakes import DIRECTIONS, N, S, V, fake_run, page, strict

from xaae.report import summarise
from xaae.report.run.latent_map import BINS, encode, rough
from xaae.report.run.walk_figures import quartiles, since_first
from xaae.report.shared.choice import balanced, evenly
from xaae.report.shared.folder import RunFolder
from xaae.report.shared.sprites import signed_picture


def section(html: str, name: str) -> str:
    """One section of the page."""
    return html.split(f'<section id="{name}"')[1].split("</section>")[0]


def map_data(html: str) -> dict:
    """What the page's script colours the maps by."""
    return json.loads(re.search(r'id="map-data">(.*?)</script>', html, re.DOTALL).group(1), parse_constant=strict)


def change_arrays(file, **changed) -> None:
    """Write an NPZ file again with some arrays changed, None: left out."""
    with np.load(file) as archive:
        arrays = {**archive, **changed}
    np.savez(file, **{key: value for key, value in arrays.items() if value is not None})


def test_summary_holds_everything_new_of_navigate(tmp_path):
    folder = fake_run(tmp_path / "run")
    found, navigate = summarise(folder), json.loads((folder / "navigate.json").read_text())
    for key in ("naming", "planted", "thresholds", "directions", "dimensions", "counterfactual"):
        assert found[key] == navigate[key]
    assert found["health"]["effective_rank"] == 3.2 and found["health"]["henze_zirkler_p"] is None
    assert found["correlations"][0] == {
        "factor": "value",
        "items": 12,
        "within_class_spearman": 0.7,
        "p": 0.001,
        "p_holm": 0.002,
    }


def test_every_direction_has_its_tab_its_naming_table_and_its_heat(tmp_path):
    html = page(fake_run(tmp_path / "run"))
    walks = section(html, "walks")
    assert walks.count('name="direction"') == walks.count("data-walk=") == len(DIRECTIONS)
    assert walks.count("<h4>What changes, by meter</h4>") == len(DIRECTIONS)
    assert walks.count('class="chart spark"') == 2 * len(DIRECTIONS)
    assert all(f".walk-heat-{i}{{" in html for i in range(len(DIRECTIONS)))
    assert walks.count('<tr class="named">') == len(DIRECTIONS)


def test_directions_are_called_as_the_run_calls_them_else_by_the_house(tmp_path):
    walks = section(page(fake_run(tmp_path / "run")), "walks")
    assert "LDA with shrinkage" in walks and "A note from the run." in walks and "cat to dog" in walks
    assert "PCA 1" in walks and walks.index("dimension 7") < walks.index("dimension 11")


@pytest.mark.parametrize(
    "key", ["thresholds", "directions", "dimensions", "health", "counterfactual", "walk", "impact"]
)
def test_any_one_part_of_navigate_may_be_missing(tmp_path, key):
    folder = fake_run(tmp_path / "run")
    navigate = json.loads((folder / "navigate.json").read_text())
    (folder / "navigate.json").write_text(json.dumps({k: v for k, v in navigate.items() if k != key}))
    assert "</html>" in page(folder)


def test_a_walk_may_lack_naming_heat_and_every_meter(tmp_path):
    folder = fake_run(tmp_path / "run")
    navigate = json.loads((folder / "navigate.json").read_text())
    (folder / "navigate.json").write_text(json.dumps({k: v for k, v in navigate.items() if k != "naming"}))
    gone = dict.fromkeys(["heat.integral", "meter.rotation", "meter.saturation", "start", "start_image"])
    for name in DIRECTIONS:
        change_arrays(folder / f"walks/{name}.npz", **gone)
    walks = section(page(folder), "walks")
    assert "What changes, by meter" not in walks and "walk-heat" not in walks and walks.count("data-walk=") == 6


@pytest.mark.parametrize("left", [["pca"], ["tsne"], ["pca", "tsne"], ["pca", "tsne", "umap"]])
def test_the_maps_that_there_are_can_be_chosen(tmp_path, left):
    folder = fake_run(tmp_path / "run")
    gone = {f"{name}.xy": None for name in ("pca", "tsne", "umap") if name not in left}
    change_arrays(folder / "maps.npz", **gone)
    found = section(page(folder), "map")
    assert re.findall(r'id="map-(\w+)"', found.replace("map-data", "")) == left
    assert found.count(" checked>") == 1
    assert found.count('class="arrow"') == (2 if "pca" in left else 0)  # shaft and head, where the map is linear


def test_points_can_be_coloured_by_what_varies_and_is_no_name_of_an_item(tmp_path):
    columns = map_data(page(fake_run(tmp_path / "run")))["columns"]
    assert [each["name"] for each in columns] == ["planted angle", "coat", "ear size"]
    assert all(len(each["points"]) == V for each in columns)
    assert columns[1]["names"] == ["a", "b"] and columns[0]["low"].endswith("°")


def test_letters_stand_in_the_order_of_the_points(tmp_path):
    folder = fake_run(tmp_path / "run")
    points = map_data(page(folder))["columns"][1]["points"]
    order = [i for label in (0, 1) for i in range(V) if i % 2 == label]  # classes in turn, rows in order
    assert points == "".join("ab"[i % 3 > 0] for i in order)


def test_a_point_missing_in_one_map_is_left_out_of_all(tmp_path):
    folder = fake_run(tmp_path / "run")
    with np.load(folder / "maps.npz") as archive:
        xy = archive["tsne.xy"]
    xy[0] = np.nan
    change_arrays(folder / "maps.npz", **{"tsne.xy": xy})
    html = page(folder)
    paths = re.findall(r'class="dots point" d="([^"]*)"', html)
    assert {len(each["points"]) for each in map_data(html)["columns"]} == {V - 1}
    assert sum(path.count("M") for path in paths) == 3 * (V - 1)


def test_numbers_become_steps_and_names_letters(tmp_path):
    items = RunFolder(fake_run(tmp_path / "run")).items
    steps = encode(items["ear_size"], rough)
    assert steps["points"][0] == "a" and steps["points"][-1] == chr(ord("a") + BINS - 1) and len(steps["points"]) == N
    assert list(steps["points"]) == sorted(steps["points"])  # the column rises
    assert encode(items["maker"], rough) is None and encode(items["path"], rough) is None


def test_counterfactuals_in_pictures_and_one_sentence(tmp_path):
    found = section(page(fake_run(tmp_path / "run")), "counterfactuals")
    assert found.count('aria-label="Difference between') == S and "dog 0.80" in found and "not accepted" in found
    assert "For 98\u202f% of 64 held-out items" in found and "gets warmer by 0.20." in found


def test_an_empty_tenth_is_no_picture(tmp_path):
    found = section(page(fake_run(tmp_path / "run")), "exemplars")
    assert found.count('class="tile empty"') == 1 and found.count('class="tile tenths"') == 9
    assert found.count('class="tile along"') == 6 and found.count('class="tile counters"') == 4 * 4


@pytest.mark.parametrize("part", ["along", "tenth", "counter"])
def test_exemplars_may_be_there_in_part(tmp_path, part):
    folder = fake_run(tmp_path / "run")
    change_arrays(folder / "exemplars.npz", **{f"{part}_image": None})
    assert 'class="tile' in section(page(folder), "exemplars")


def test_health_says_what_is_good_and_leaves_out_what_is_unknown(tmp_path):
    found = section(page(fake_run(tmp_path / "run")), "health")
    assert "0.131" in found and "a true sample of this size would give 0.094" in found and "3.2 of 4" in found
    assert "Henze" not in found and "Disentanglement" in found and found.count("<svg") == 4
    assert "planted angle" in found and "\u22120.03" in found and "dimension 7" in found


def test_correlations_beyond_chance_stand_out(tmp_path):
    found = section(page(fake_run(tmp_path / "run")), "correlations")
    assert found.count('class="named"') == 1 and "planted angle" in found and "seed" not in found


def test_without_a_planted_value_there_is_no_curve(tmp_path):
    folder = fake_run(tmp_path / "run", config={"arm": "normal", "ranges": {"cat": [0, 0], "dog": [0, 0]}})
    change_arrays(folder / "impact.npz", value=np.zeros(V))
    assert "<svg" not in section(page(folder), "impact") and "has the same angle" in section(page(folder), "impact")


@pytest.mark.parametrize("missing", ["words", "change", "change_ci", "spreads", "unit", "meter"])
def test_rows_of_the_naming_table_may_lack_numbers(tmp_path, missing):
    folder = fake_run(tmp_path / "run")
    navigate = json.loads((folder / "navigate.json").read_text())
    for row in navigate["naming"]["lda"]["meters"]:
        row[missing] = None
    (folder / "navigate.json").write_text(json.dumps(navigate))
    assert "</html>" in page(folder)


def test_difference_is_red_white_and_blue():
    (picture,) = signed_picture(np.array([[[-1.0, 0.0, 1.0]]]))
    fall, none, rise = picture[0].astype(int)
    assert fall[2] > fall[0] and rise[0] > rise[2] and (none == 255).all()
    assert (signed_picture(np.zeros((1, 2, 2))) == 255).all()


def test_changes_count_from_the_first_known_frame():
    change = since_first([[np.nan, 2.0, 5.0], [1.0, 1.0, 0.0], [np.nan] * 3])
    assert np.array_equal(change, [[np.nan, 0, 3], [0, 0, -1], [np.nan] * 3], equal_nan=True)
    low, middle, high = quartiles(change)
    assert np.isnan(quartiles(change[2:])).all() and (low <= middle).all() and (middle <= high).all()


@pytest.mark.parametrize("number", [1, 3, 8, 50])
def test_chosen_few_are_spread(number):
    assert evenly(number, 8)[0] == 0 and evenly(number, 8)[-1] == number - 1 and len(evenly(number, 8)) <= 8
    target = np.arange(number) % 3 > 0
    shown = balanced(target, 4)
    assert len(shown) == min(4, number) and abs(np.sum(target[shown]) - 2) <= max(0, 3 - number) + 1
