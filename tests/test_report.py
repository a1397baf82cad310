"""Laws of the report: it shows what the files hold, nothing else, and needs nothing but itself."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from report import in_words, summarise, write_report
from report.verdict import reading

ROOT = Path(__file__).parent.parent
S, T, A, N, V, R = 5, 7, 3, 20, 12, 30  # starts, frames, angles, items, held-out items, random directions
CONFIG = {
    "dataset": "pets",
    "dataset_note": "see https://example.org",
    "arm": "biased",
    "factor": "rotation",
    "fill": "black",
    "ranges": {"cat": [0, 90], "dog": [90, 180]},
    "classes": ["cat", "dog"],
    "seed": 3,
    "preset": "tiny",
    "input_size": 16,
    "input_channels": 3,
    "epochs": 4,
    "baseline_epochs": 2,
    "device": "cpu",
    "precision": "fp32",
    "versions": {"numpy": "2"},
}
WALK = {
    "direction": "lda",
    "rotation_span_deg": 92.0,
    "rotation_span_deg_ci": [85.0, 97.0],
    "rotation_spearman": 0.98,
    "random_span_deg": 6.0,
    "match": 0.93,
    "starts": S,
    "frames": T,
    "p_value": 0.0099,
    "probability_first": 0.02,
    "probability_last": 0.99,
    "by_direction": {
        name: {"rotation_span_deg": 92.0, "rotation_spearman": 0.98, "match": 0.9} for name in ("lda", "head")
    },
}


def fake_run(folder: Path, classes=("cat", "dog"), channels: int = 3, config=None, walk=None) -> Path:
    """A whole run folder as the commands write it, with small random pictures."""
    rng = np.random.default_rng(0)
    for part in ("walks", "explanations", "samples"):
        (folder / part).mkdir(parents=True)
    ranges = dict(zip(classes, ([0, 90], [90, 180]), strict=True))
    put(folder, "config.json", {**CONFIG, "classes": classes, "ranges": ranges, **(config or {})})
    write_tables(folder, classes, rng)
    write_numbers(folder, {**WALK, **(walk or {})}, classes)
    write_walks(folder, rng, channels)
    write_maps(folder, rng, classes, channels)
    Image.fromarray(pictures(rng, channels=3, size=48)).save(folder / "samples/epoch_0004.png")
    return folder


def put(folder: Path, name: str, content) -> None:
    """One JSON file; NaN is written as NaN, as Python does."""
    (folder / name).write_text(json.dumps(content))


def pictures(rng, *lead: int, channels: int = 1, size: int = 16) -> np.ndarray:
    """Random uint8 pictures (*lead, size, size, channels)."""
    return rng.integers(0, 255, (*lead, size, size, channels), dtype=np.uint8)


def write_tables(folder: Path, classes, rng) -> None:
    """items.csv, the two histories, response.csv, skipped.csv."""
    rows = [f"{i}.png,{classes[i % 2]},valid,{i},rotation,{rng.uniform(0, 90) + 90 * (i % 2):.1f}" for i in range(N)]
    losses = ["1,reconstruct,0.5,0.4,,0.7", "2,reconstruct,nan,0.3,0.4,0.8", "3,adversarial,0.3,0.2,0.5,0.9"]
    answers = [
        f"{m},{c},{a},{a / 180},{a / 200},1,9" for m in ("aae", "baseline") for c in classes for a in (0, 90, 180)
    ]
    for name, head, body in (
        ("items.csv", "path,label,split,group,factor,value", rows),
        (
            "history.csv",
            "epoch,stage,train_reconstruction,valid_reconstruction,train_adversarial,valid_accuracy",
            losses,
        ),
        ("baseline_history.csv", "epoch,train_loss,valid_loss,accuracy", ["1,0.5,0.4,0.9"]),
        ("explanations/response.csv", "model,label,angle,mean,low,high,n", answers),
        ("skipped.csv", "path,reason", ["<i>bad</i>.png,not an image"]),
    ):
        (folder / name).write_text("\n".join([head, *body]) + "\n")


def write_numbers(folder: Path, walk: dict, classes) -> None:
    """train.json, navigate.json, explain.json."""
    aae = {
        "valid_accuracy": 0.98,
        "valid_precision": 0.97,
        "valid_recall": 0.96,
        "recon_mse": 0.011,
        "parameters": 12345,
        "epochs": 4,
        "seconds": 20.0,
        "images_per_second": 90.0,
    }
    baseline = {"valid_accuracy": 0.99, "parameters": 21000000, "pretrained": True, "note": "ImageNet", "seconds": 10.0}
    put(
        folder,
        "train.json",
        {
            "aae": aae,
            "baseline": baseline,
            "items": {"train": 8, "valid": 12, "test": 0, "skipped": 1},
            "seconds": {"aae": 20.0, "baseline": 10.0},
        },
    )
    put(
        folder,
        "navigate.json",
        {
            "walk": walk,
            "meter": {"reconstruction_error_deg": 5.0},
            "seconds": 4.0,
            "impact": {
                "spearman": 0.9,
                "within_class_spearman": 0.7,
                "slope_deg": 100.0,
                "baseline_spearman": 0.75,
                "baseline_within_class_spearman": float("nan"),
                "baseline_slope_deg": 80.0,
            },
        },
    )
    put(
        folder,
        "explain.json",
        {
            "response": {"aae": {classes[0]: {"swing": 0.9}}},
            "spurious_score": {"aae": 0.9, "baseline": 0.8},
            "gradcam": {"unrotated_ncc": 0.95},
            "seconds": 1.0,
        },
    )


def write_walks(folder: Path, rng, channels: int) -> None:
    """Two directions, both with holes in their angles, and the random ones."""
    for name in ("lda", "head"):
        angle = np.cumsum(rng.uniform(0, 30, (S, T)), axis=1)
        angle[1], angle[:, 3] = np.nan, np.nan
        np.savez(
            folder / f"walks/{name}.npz",
            frames=pictures(rng, S, T, channels=channels),
            alpha=np.linspace(-3, 3, T),
            angle=angle,
            match=np.ones((S, T)),
            probability=np.full((S, T, 2), 0.5),
            discriminator=np.ones((S, T)),
            start=np.arange(S),
            start_image=pictures(rng, S, channels=channels),
        )
    np.savez(folder / "walks/random.npz", span=np.r_[rng.uniform(0, 20, R - 2), 120, np.nan], spearman=np.zeros(R))


def write_maps(folder: Path, rng, classes, channels: int) -> None:
    """impact.npz, map.npz and the Grad-CAM arrays."""
    curve = {
        f"{m}.{key}": np.r_[np.linspace(0, 1, 9), np.nan]
        for m in ("aae", "baseline")
        for key in ("distance", "difference")
    }
    np.savez(
        folder / "impact.npz",
        **curve,
        value=rng.uniform(0, 180, V),
        label=np.array(classes)[np.arange(V) % 2],
        **{f"{m}.position": rng.uniform(size=V) for m in ("aae", "baseline")},
    )
    xy = rng.normal(size=(V, 2))
    np.savez(
        folder / "map.npz",
        xy=xy,
        row=np.arange(V),
        arrow=np.array([[0, 0], [1, 1.0]]),
        thumb_row=np.arange(4),
        thumb_xy=xy[:4],
        thumb_image=pictures(rng, 4, channels=channels),
    )
    heat = rng.uniform(size=(S, A, 16, 16)).astype(np.float32)
    heat[0] = 0
    np.savez(
        folder / "explanations/gradcam.npz",
        images=pictures(rng, S, A, channels=channels),
        heat=heat,
        angle=np.array([0, 90, 180.0]),
        row=np.arange(S),
        probability=np.full((S, A, 2), 0.5),
        target=np.arange(S) % 2,
    )


def page(folder: Path) -> str:
    """The written page as text."""
    return write_report(folder).read_text(encoding="utf-8")


def strict(constant: str):
    """Refuses NaN and infinity, which are no JSON."""
    raise AssertionError(f"{constant} in JSON")


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
    assert all(found["walk"][key] == WALK[key] for key in WALK if key != "by_direction")
    assert (
        found["walk"]["by_direction"]["lda"]["random_at_least_as_far"] == 1
        and found["walk"]["random_directions"] == R - 1
    )
    assert found["impact"]["spearman"] == 0.9 and found["impact"]["within_class_spearman"] == 0.7
    assert found["boundary_deg"] == 90


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


def test_page_has_every_section_and_slider_data(tmp_path):
    html = page(fake_run(tmp_path / "run"))
    for name in ("summary", "planted", "curves", "walks", "gradcam", "response", "impact", "map", "settings"):
        assert f'<section id="{name}"' in html
    assert 'class="missing"' not in html
    data = re.search(r'id="walk-data">(.*?)</script>', html, re.DOTALL).group(1)
    walks = json.loads(data, parse_constant=strict)
    assert len(walks) == 2 and len(walks[0]["alpha"]) == T and walks[0]["angle"][0][3] is None
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
        "map.npz",
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
    (folder / "map.npz").write_bytes(b"PK half")
    with pytest.raises(ValueError, match=r"map\.npz cannot be read"):
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


def test_walks_without_any_angle(tmp_path):
    folder = fake_run(tmp_path / "run", walk={"rotation_span_deg": float("nan"), "rotation_spearman": float("nan")})
    with np.load(folder / "walks/lda.npz") as archive:
        arrays = dict(archive)
    np.savez(folder / "walks/lda.npz", **{**arrays, "angle": np.full((S, T), np.nan)})
    assert "no walk has been measured yet" in page(folder)


@pytest.mark.parametrize(
    "walk, form, sentence",
    [
        ({}, "turns", "This is a clear turn"),
        ({"rotation_span_deg": 4.0, "rotation_spearman": 0.1, "p_value": 0.6}, "does not turn", "This is no turn"),
        (
            {"rotation_span_deg": 30.0},
            "undecided",
            "This is undecided: the turn is 30 degrees, and 45 degrees are asked for.",
        ),
        ({"rotation_spearman": 0.5}, "undecided", "Spearman 0.50, and 0.8 is asked for"),
        ({"p_value": 0.2}, "undecided", "p against random directions is 0.200"),
        ({"p_value": None}, "undecided", "This is undecided"),
    ],
)
def test_three_forms_of_the_sentence(tmp_path, walk, form, sentence):
    folder = fake_run(tmp_path / "run", walk=walk)
    assert summarise(folder)["walk"]["reading"] == form
    html = page(folder)
    assert sentence in html and "Only the control arms" in html


def test_a_decoder_that_cannot_show_rotation_never_gives_a_no():
    still = {"rotation_span_deg": 2.0, "rotation_spearman": 0.0, "p_value": 0.9}
    assert reading(still, {"reconstruction_error_deg": 5.0}) == "does not turn"
    assert reading(still, {"reconstruction_error_deg": 40.0}) == "undecided"


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


@pytest.mark.parametrize(("arm", "said"), [("biased", True), ("irrelevant", False), ("normal", False)])
def test_the_opening_says_what_planting_the_angle_does(tmp_path, arm, said):
    folder = fake_run(tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"arm": arm}))
    html = page(folder)
    assert ("Planting the other class" in html) == said
    assert (f"--arm {arm}" not in html.split("</section>")[0]) and "step by step" not in html
    assert ("counts as none" in html or "clear turn" in html or "undecided" in html) and in_words(summarise(folder))
