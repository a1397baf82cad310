"""Laws of the page of a run: it shows what the files hold, nothing else, and needs nothing but itself."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from helpers.html_laws import HOSTILE, check_page, sections
from helpers.report_fakes import DIRECTIONS, R, S, T, fake_config, fake_run, page, walk_numbers

from xaae.experiment.errors import InputError
from xaae.experiment.run_folder import write_json
from xaae.report import summarise, write_report
from xaae.report.shared.run_files import RunFiles

SOURCE = "https://example.org"  # in the dataset's note
IDS = """summary scan planted curves led walks exemplars counterfactuals gradcam attributions response impact
    correlations map health settings""".split()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The sections of a whole run's page; the run's folder is called `run` too, as in all tests here."""
    return sections(page(fake_run(tmp_path_factory.mktemp("whole") / "run")))


def strict(constant):
    """Refuses NaN and infinity, which are no JSON."""
    raise AssertionError(f"{constant} in JSON")


# ---- the numbers ------------------------------------------------------------------------------------------------


def test_summary_holds_what_the_files_say(tmp_path):
    found, config = summarise(fake_run(tmp_path / "run")), fake_config()
    assert all(found[key] == config[key] for key in ("dataset", "arm", "seed", "device", "precision", "kind"))
    assert found["aae"]["valid_accuracy"] == 0.98 and found["aae"]["recon_mse"] == 0.011
    assert found["aae"]["parameters"] == 12345
    assert found["baseline"]["valid_accuracy"] == 0.99 and found["baseline"]["pretrained"] is True
    assert found["impact"]["spearman"] == 0.9 and found["impact"]["within_class_spearman"] == 0.7
    assert found["boundary"] == found["boundary_deg"] == 90 and found["impact"]["slope_deg"] == 100
    assert found["meter"]["reconstruction_error_deg"] == 5
    assert found["seconds"] == {"train": 30, "navigate": 4, "explain": 1, "total": 35}


def test_summary_counts_the_random_directions_that_were_read(tmp_path):
    walk = summarise(fake_run(tmp_path / "run"))["walk"]
    assert all(walk[key] == value for key, value in walk_numbers("rotation").items() if key != "random_directions")
    assert walk["random_directions"] == R - 1 and walk["by_direction"]["lda"]["random_at_least_as_far"] == 1


def test_summary_takes_over_what_navigate_found(tmp_path):
    folder = fake_run(tmp_path / "run")
    found, navigate = summarise(folder), json.loads((folder / "navigate.json").read_text())
    for key in ("naming", "planted", "thresholds", "directions", "dimensions", "counterfactual"):
        assert found[key] == navigate[key]
    assert found["health"]["effective_rank"] == 3.2
    first = {"factor": "value", "items": 12, "within_class_spearman": 0.7, "p": 0.001, "p_holm": 0.002}
    assert found["correlations"][0] == first


@pytest.mark.parametrize("factor", ["rotation", "brightness"])
def test_degrees_are_given_only_for_a_factor_in_degrees(tmp_path, factor):
    found = summarise(fake_run(tmp_path / "run", factor=factor))
    in_degrees = found["boundary_deg"], found["impact"]["slope_deg"], found["meter"]["reconstruction_error_deg"]
    assert all(value is not None for value in in_degrees) == (factor == "rotation")
    assert factor == "rotation" or set(in_degrees) == {None}


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_null_in_the_summary_file(tmp_path, constant):
    folder = fake_run(tmp_path / "run")
    text = (folder / "navigate.json").read_text()
    (folder / "navigate.json").write_text(text.replace('"spearman": 0.9,', f'"spearman": {constant},', 1))
    assert constant in (folder / "navigate.json").read_text()
    write_report(folder)
    found = json.loads((folder / "summary.json").read_text(encoding="utf-8"), parse_constant=strict)
    assert found == summarise(folder) and found["impact"]["baseline_within_class_spearman"] is None


# ---- the page ---------------------------------------------------------------------------------------------------


def test_page_is_whole_and_needs_nothing_from_outside(tmp_path):
    text = page(fake_run(tmp_path / "run"))
    found = check_page(text, outside=[SOURCE])
    missing = [name for name, section in sections(text).items() if 'class="missing"' in section]
    assert list(sections(text)) == IDS and missing == ["led"], "no classifier leads walks here: see test_led_section"
    sprites = set(re.findall(r'class="(?:tile|heat) ([\w-]+)"', text)) - {"empty"}
    assert len(sprites) == 2 * len(DIRECTIONS) + 10 and sprites <= set(found.classes)
    assert all(f".{name}{{background-image:url(data:image/webp;base64," in text for name in sprites)


def test_slider_has_a_number_for_every_frame_and_null_where_nothing_was_measured(whole):
    data = re.search(r'id="walk-data">(.*?)</script>', whole["walks"], re.DOTALL).group(1)
    walks = json.loads(data, parse_constant=strict)["walks"]
    assert len(walks) == len(DIRECTIONS)
    for walk, rows in zip(walks, [S, *[4] * (len(DIRECTIONS) - 1)], strict=True):
        assert np.shape(walk["reading"]) == np.shape(walk["probability"]) == (rows, T)
        assert len(walk["steps"]) == len(walk["median"]) == len(walk["cursor"]) == T
        assert walk["reading"][0][3] is walk["median"][3] is walk["cursor"][3][1] is None


def test_names_from_the_run_change_no_tag_of_the_page(tmp_path):
    tame = check_page(page(fake_run(tmp_path / "tame" / "run")), outside=[SOURCE])
    texts = {"dataset": HOSTILE, "dataset_note": HOSTILE, "preset": HOSTILE, "device": HOSTILE}
    texts["command"] = f"python main.py train {HOSTILE}"
    folder = fake_run(tmp_path / "run", classes=(HOSTILE, "dog"), config=texts)
    navigate = json.loads((folder / "navigate.json").read_text())
    for about in navigate["directions"].values():
        about |= dict.fromkeys(("title", "note"), HOSTILE)
    for naming in navigate["naming"].values():
        naming["sentence"] = HOSTILE
    write_json(folder / "navigate.json", navigate)
    hostile = check_page(page(folder))
    assert hostile.tags == tame.tags and hostile.words.count(HOSTILE) > 60


def test_a_warning_of_groups_on_both_sides_stands_beside_the_accuracy(tmp_path):
    warned = fake_run(tmp_path / "run", config=fake_config() | {"data_warnings": ["Patients are on both sides."]})
    assert page(warned).index("Patients are on both sides.") < page(warned).index("Accuracy of the AAE")
    assert json.loads((warned / "summary.json").read_text())["data_warnings"] == ["Patients are on both sides."]


def test_classes_called_none_or_na_are_classes(tmp_path):
    names = ("None", "NA")
    run = RunFiles(fake_run(tmp_path / "run", classes=names))
    assert run.labels(range(4)).tolist() == [*names, *names] and run.class_numbers(range(4)).tolist() == [0, 1, 0, 1]


def test_nothing_is_left_beside_the_two_files_and_the_list_of_them(tmp_path):
    folder = fake_run(tmp_path / "run")
    before = {path.name for path in folder.iterdir()}
    assert write_report(folder) == folder / "report.html"
    assert {path.name for path in folder.iterdir()} - before == {"report.html", "summary.json", "manifest.jsonl"}


def test_same_folder_gives_the_same_page(tmp_path):
    folder = fake_run(tmp_path / "run")
    assert page(folder) == page(folder)


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_of_any_channels_are_drawn_with_the_same_tags(tmp_path, whole, channels):
    text = page(fake_run(tmp_path / "run", channels=channels))
    colour = check_page(text, outside=[SOURCE])
    assert text.count("data:image/webp") > 20 and set(sections(text)) == set(whole) and "img" in colour.tags


# ---- arms -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arm, ranges, drawn",
    [
        ("normal", {"cat": [0, 0], "dog": [0, 0]}, None),
        ("irrelevant", {"cat": [0, 180], "dog": [0, 180]}, "cat 0 to 180 degrees; dog 0 to 180 degrees"),
        ("biased", {"cat": [-90, 0], "dog": [0, 270]}, "cat −90 to 0 degrees; dog 0 to 270 degrees"),
        ("biased", {"cat": [45, 45], "dog": [90, 180]}, "cat 45 to 45 degrees; dog 90 to 180 degrees"),
        ("biased", {}, None),
    ],
)
def test_what_is_planted_is_drawn_and_nothing_where_nothing_is(tmp_path, arm, ranges, drawn):
    text = page(fake_run(tmp_path / "run", config={"arm": arm, "ranges": ranges}))
    check_page(text, outside=[SOURCE])
    planted = sections(text)["planted"]
    assert re.findall(r'aria-label="Planted angles: ([^"]*)"', planted) == ([drawn] if drawn else [])
    assert (", planted at" in planted) == (arm != "normal") and f"Arm <b>{arm}</b>" in planted


# ---- what is missing --------------------------------------------------------------------------------------------

SHOWN_IN = {  # file: the sections that show something of it
    "items.csv": "planted walks exemplars counterfactuals map",
    "history.csv": "curves",
    "baseline_history.csv": "curves",
    "train.json": "summary planted settings",
    "scan.json": "scan",
    "scan/strips.npz": "scan",
    "navigate.json": "summary scan walks counterfactuals health impact settings",
    "impact.npz": "impact",
    "maps.npz": "map",
    "exemplars.npz": "exemplars",
    "counterfactuals.npz": "counterfactuals",
    "correlations.csv": "correlations",
    "walks/random.npz": "summary walks",
    "walks/lda.npz": "planted walks",
    "explanations/gradcam.npz": "planted gradcam",
    "explanations/response.csv": "response",
    "explanations/tiles_aae.npz": "attributions",
    "explanations/status.csv": "attributions",
    "explain.json": "summary gradcam response settings",
    "skipped.csv": "settings",
    "samples/epoch_0004.png": "planted",
}


def changed_sections(folder, whole):
    """The sections of the folder's page that are not those of the whole page; the page keeps its laws."""
    text = page(folder)
    check_page(text, outside=[SOURCE])
    here = {name: body.replace(str(folder), "") for name, body in sections(text).items()}
    assert list(here) == IDS
    return {name for name in here if here[name] != re.sub(r"/\S*whole0/run", "", whole[name])}


@pytest.mark.parametrize("name", SHOWN_IN)
def test_a_missing_file_changes_only_the_sections_that_show_it(tmp_path, whole, name):
    folder = fake_run(tmp_path / "run")
    (folder / name).unlink()
    assert changed_sections(folder, whole) == set(SHOWN_IN[name].split())


PARTS_SHOWN_IN = {  # entry of navigate.json: the sections that show something of it
    "thresholds": "walks",
    "directions": "walks",
    "dimensions": "health",
    "health": "health",
    "counterfactual": "counterfactuals",
    "naming": "scan walks",
    "walk": "summary scan walks",
    "impact": "summary impact",
    "planted": "summary",
    "meter": "walks",
}


@pytest.mark.parametrize("name", PARTS_SHOWN_IN)
def test_a_missing_part_of_navigate_changes_only_the_sections_that_show_it(tmp_path, whole, name):
    folder = fake_run(tmp_path / "run")
    navigate = json.loads((folder / "navigate.json").read_text())
    write_json(folder / "navigate.json", {key: value for key, value in navigate.items() if key != name})
    assert changed_sections(folder, whole) == set(PARTS_SHOWN_IN[name].split())


def test_settings_alone_say_which_commands_are_missing(tmp_path):
    write_json(tmp_path / "config.json", fake_config() | {"baseline_epochs": 0})
    text = page(tmp_path)
    check_page(text, outside=[SOURCE])
    for command in ("train", f"navigate {tmp_path}", f"explain {tmp_path}"):
        assert f"<code>python main.py {command}</code>" in text
    assert "(baseline_epochs is 0)" in text
    found = summarise(tmp_path)
    assert found["walk"]["rotation_span_deg"] is found["baseline"]["pretrained"] is found["seconds"]["total"] is None


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError, match="is not a run folder: it holds no config.json"):
            write_report(folder)


@pytest.mark.parametrize("name", ["maps.npz", "navigate.json", "history.csv", "samples/epoch_0004.png"])
def test_a_broken_file_is_named_and_nothing_is_written(tmp_path, name):
    folder = fake_run(tmp_path / "run")
    (folder / name).write_bytes(b'PK "half\n1,2\n3,4,5')
    with pytest.raises(InputError, match=rf"(?s){re.escape(name)} cannot be read .*again"):
        write_report(folder)
    assert not (folder / "report.html").exists() and not (folder / "summary.json").exists()


def test_report_uses_no_torch_and_no_room_but_experiment(tmp_path):
    write_json(tmp_path / "config.json", fake_config())
    code = (
        "import sys; from xaae import report; report.write_report(sys.argv[1]);"
        "rooms = {name.split('.')[1] for name in sys.modules if name.startswith('xaae.')};"
        "print(sorted(rooms | {'torch', 'fastai', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['experiment', 'report']"
