"""Laws of the report: it shows what the files hold, nothing else, and needs nothing but itself."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_report_fakes import CONFIG, DIRECTIONS, WALK, R, T, fake_run, page, put, strict

from xaae.report import summarise, write_report

ROOT = Path(__file__).parent.parent


def test_summary_holds_what_the_files_say(tmp_path):
    found = summarise(fake_run(tmp_path / "run"))
    assert {k: found[k] for k in ("dataset", "arm", "seed", "device", "precision")} == {
        k: CONFIG[k] for k in ("dataset", "arm", "seed", "device", "precision")
    }
    assert found["seconds"]["total"] == 20 + 10 + 4 + 1
    assert (
        found["aae"]["valid_accuracy"] == 0.98
        and found["aae"]["recon_mse"] == 0.011
        and found["aae"]["parameters"] == 12345
    )
    assert found["baseline"]["valid_accuracy"] == 0.99 and found["baseline"]["pretrained"] is True
    assert all(found["walk"][key] == value for key, value in WALK.items())
    assert (
        found["walk"]["by_direction"]["lda"]["random_at_least_as_far"] == 1
        and found["walk"]["random_directions"] == R - 1
    )
    assert found["impact"]["spearman"] == 0.9 and found["impact"]["within_class_spearman"] == 0.7
    assert found["boundary"] == found["boundary_deg"] == 90 and found["impact"]["slope_deg"] == 100
    assert found["meter"]["reconstruction_error_deg"] == 5


def test_summary_file_is_strict_json_with_null_for_nan(tmp_path):
    folder = fake_run(tmp_path / "run")
    write_report(folder)
    found = json.loads((folder / "summary.json").read_text(encoding="utf-8"), parse_constant=strict)
    assert found == summarise(folder)
    assert found["impact"]["baseline_within_class_spearman"] is None


def test_page_needs_nothing_from_outside(tmp_path):
    html = page(fake_run(tmp_path / "run"))
    assert html.count("https://") == 1 and "see https://example.org" in html  # the dataset's note, as text
    assert all(value.startswith("data:image/webp;base64,") for value in re.findall(r'\ssrc="([^"]*)"', html))
    assert all(value.startswith(("#", "data:image/")) for value in re.findall(r'\shref="([^"]*)"', html))
    assert all(value.startswith("data:") for value in re.findall(r"url\(([^)]*)\)", html))
    assert not re.search(r"<link|<iframe|@import|@font-face|srcset|<script[^>]+src", html)


SECTIONS = (
    *("summary", "planted", "curves", "walks", "exemplars", "counterfactuals", "gradcam"),
    *("attributions", "response", "impact"),
    *("correlations", "map", "health", "settings"),
)


def test_page_has_every_section_and_slider_data(tmp_path):
    html = page(fake_run(tmp_path / "run"))
    for name in SECTIONS:
        assert f'<section id="{name}"' in html
    assert 'class="missing"' not in html
    data = re.search(r'id="walk-data">(.*?)</script>', html, re.DOTALL).group(1)
    walks = json.loads(data, parse_constant=strict)["walks"]
    assert len(walks) == len(DIRECTIONS) and len(walks[0]["alpha"]) == T and walks[0]["reading"][0][3] is None
    assert not re.search(r"\bnan\b|\bNone\b", re.sub(r"base64,[A-Za-z0-9+/=]*", "", html))


def test_names_are_escaped_everywhere(tmp_path):
    html = page(
        fake_run(tmp_path / "run", classes=("<b>cat</b>", "dog"), config={"dataset": "<script>alert(1)</script>"})
    )
    assert "<b>cat" not in html and "&lt;b&gt;cat&lt;/b&gt;" in html
    assert "<script>alert" not in html and "<i>bad" not in html


def test_nothing_is_left_beside_the_two_files(tmp_path):
    folder = fake_run(tmp_path / "run")
    before = {path.name for path in folder.iterdir()}
    assert write_report(folder) == folder / "report.html"
    assert {path.name for path in folder.iterdir()} - before == {"report.html", "summary.json"}


def test_same_folder_gives_the_same_page(tmp_path):
    folder = fake_run(tmp_path / "run")
    assert page(folder) == page(folder)


def test_config_alone_says_which_commands_are_missing(tmp_path):
    put(tmp_path, "config.json", {**CONFIG, "baseline_epochs": 0})
    html = page(tmp_path)
    for command in ("train", f"navigate {tmp_path}", f"explain {tmp_path}"):
        assert f"<code>python main.py {command}</code>" in html
    found = summarise(tmp_path)
    assert found["walk"]["rotation_span_deg"] is found["baseline"]["pretrained"] is found["seconds"]["total"] is None


@pytest.mark.parametrize(
    "name",
    [
        "items.csv",
        "history.csv",
        "baseline_history.csv",
        "train.json",
        "navigate.json",
        "impact.npz",
        "maps.npz",
        "exemplars.npz",
        "counterfactuals.npz",
        "correlations.csv",
        "walks/random.npz",
        "walks/lda.npz",
        "explanations/gradcam.npz",
        "explanations/response.csv",
        "explain.json",
        "skipped.csv",
        "samples/epoch_0004.png",
    ],
)
def test_any_one_file_may_be_missing(tmp_path, name):
    folder = fake_run(tmp_path / "run")
    (folder / name).unlink()
    assert "</html>" in page(folder)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ValueError, match="is not a run folder: it holds no config.json. Give a folder that"):
            write_report(folder)


def test_a_broken_file_is_named(tmp_path):
    folder = fake_run(tmp_path / "run")
    (folder / "maps.npz").write_bytes(b"PK half")
    with pytest.raises(ValueError, match=r"maps\.npz cannot be read"):
        write_report(folder)


def test_grey_pictures(tmp_path):
    assert "data:image/webp" in page(fake_run(tmp_path / "run", channels=1))


@pytest.mark.parametrize(
    "arm, ranges",
    [
        ("normal", {"cat": [0, 0], "dog": [0, 0]}),
        ("irrelevant", {"cat": [0, 180], "dog": [0, 180]}),
        ("biased", {"cat": [-90, 0], "dog": [0, 270]}),
        ("biased", {}),
    ],
)
def test_every_arm_draws(tmp_path, arm, ranges):
    assert "</html>" in page(fake_run(tmp_path / "run", config={"arm": arm, "ranges": ranges}))


def test_report_imports_no_torch_and_no_other_room(tmp_path):
    put(tmp_path, "config.json", CONFIG)
    code = (
        "import sys, report; report.write_report(sys.argv[1]); "
        "print(sorted({'torch', 'fastai', 'model', 'data', 'latent_nav', 'explain', 'main'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
