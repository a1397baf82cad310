"""The audit's page: whole, escaped, self-contained, and not broken by what is missing."""

import json
import re

import numpy as np
import pytest
from PIL import Image

import report

FACTORS = {  # name: (unit, noun, local, range of each class)
    "rotation": ("degrees", "angle", False, {"cat": [0, 90], "dog": [90, 180]}),
    "brightness": ("of full brightness", "brightness", False, {"cat": [-0.3, 0], "dog": [0, 0.3]}),
    "tint": ("of full warmth", "warmth", False, {"cat": [-0.2, 0], "dog": [0, 0.2]}),
    "blur": ("pixels", "blur", False, {"cat": [0, 1], "dog": [1, 2]}),
    "tag": ("of full opacity", "opacity of the tag", True, {"cat": [0, 0.2], "dog": [0.8, 1]}),
}
MAPS = "Saliency,Input x gradient,SmoothGrad,Integrated gradients,Guided backpropagation,DeepLIFT,Grad-CAM,Grad-CAM++,\
LayerCAM,Guided Grad-CAM,LRP epsilon,LRP epsilon-plus,Excitation backpropagation,Occlusion,Kernel SHAP"
CONTROLS = {"oracle": "REVEALS", "constant": "DOES NOT", "random": "DOES NOT", "edges": "DOES NOT"}
ASKED = {"spurious_biased": 0.85, "spurious_control": 0.1, "meter_error": 0.1667, "detection": 0.9}
ASKED |= {"no_detection": 0.7, "false_alarms": 0.1, "p_holm": 0.05, "spearman": 0.8, "span": 0.5, "p": 0.01}
ASKED |= {"non_trivial": 0.5, "pointing": 0.5, "same_map": 0.8, "randomised": 0.9}
WALK_SCORES = ("spearman", "span", "slope", "p_random", "non_trivial", "flips", "realism", "boundary_error")
MAP_SCORES = ("same_map", "randomised", "removal", "ccm", "fam", "k_ssd")
POINTING = ("relevance_mass", "relevance_rank", "confounder_sensitivity")


def described(maps):
    """What audit.json says of the explanations: {name: {kind, title, means, paper}}."""
    about = lambda kind, title, means="", paper="": dict(kind=kind, title=title, means=means, paper=paper)  # noqa: E731
    found = {f"walk:{d}": about("walk", f"walk ({d})", "decoded frames along a direction of the latent space", "thesis")
             for d in ("lda", "head", "means", "pca_1")}  # fmt: skip
    found["sorted"] = about("sorted", "real pictures, sorted", "real pictures sorted by the model's logit")
    for title in maps:
        found[title.lower().replace(" ", "_")] = about("map", title, "how much each place counts", "Author & others")
    for name, verdict in CONTROLS.items():
        found[f"control:{name}"] = about("control", f"control: {name}", "a known thing") | {"expected": verdict}
    return found


def models_of(name):
    """Whose explanation it is."""
    kind = name.partition(":")[0]
    return {"walk": ("aae",), "control": ("none",)}.get(kind, ("aae", "baseline"))


def fake_cell(rng, name, model, key, figure="figures/map.jpg"):
    """A cell as audit.json has it, with numbers drawn so that its verdict is one that they allow."""
    verdict = CONTROLS.get(name.removeprefix("control:")) or str(rng.choice(["REVEALS", "DOES NOT", "UNDECIDED"]))
    auroc = {"REVEALS": rng.uniform(0.92, 1), "DOES NOT": rng.uniform(0.4, 0.6)}.get(verdict, rng.uniform(0.7, 0.9))
    names = WALK_SCORES if name.startswith("walk") else ("within_class",) if name == "sorted" else MAP_SCORES
    names = () if name.startswith("control") else (*names, *POINTING) if key == "tag" and names == MAP_SCORES else names
    cell = {"explanation": name, "model": model, "factor": key, "verdict": verdict, "status": "ok", "reason": ""}
    cell |= {"clause": f"detection {auroc:.2f}", "auroc": auroc, "low": auroc - 0.06, "high": min(1, auroc + 0.05)}
    cell |= {"p": 1e-5, "p_holm": 0.0004, "false_alarms": float(rng.integers(0, 2) / 6), "named": verdict == "REVEALS"}
    cell |= {"pairs": (auroc + rng.normal(0, 0.02, (3, 3))).clip(0, 1).tolist(), "naming": f"named as: {key}, {key}"}
    cell |= {"null": rng.uniform(0.4, 0.7, 6).tolist(), "scores": {n: float(rng.uniform(0, 1)) for n in names}}
    return cell | {"figure": None if name.startswith("control") else figure}


def trouble(cell, status, reason):
    """The same cell of an explanation that could not be asked."""
    gone = dict.fromkeys(("auroc", "low", "high", "p", "p_holm", "false_alarms", "named", "figure"))
    return cell | gone | {"status": status, "reason": reason, "verdict": "UNDECIDED", "scores": {}, "clause": status}


def fake_factor(rng, name):
    """A factor as audit.json has it."""
    unit, noun, local, ranges = FACTORS[name]
    grid = np.linspace(ranges["cat"][0], ranges["dog"][1], 13)
    rise = 1 / (1 + np.exp(-8 * np.linspace(-1, 1, 13)))
    flat = lambda p: {"value": grid.tolist(), "cat": [1 - p] * 13, "dog": [p] * 13}  # noqa: E731
    answers = {"biased": {"value": grid.tolist(), "cat": (0.9 * rise).tolist(), "dog": (0.1 + 0.9 * rise).tolist()}}
    answers |= {"irrelevant": flat(0.9), "normal": flat(0.8)}
    low, high = (
        {"biased": 0.93, "irrelevant": 0.01, "normal": 0.4},
        {"biased": 1.0, "irrelevant": 0.05, "normal": 0.6},
    )
    gate = {"spurious": {arm: rng.uniform(low[arm], high[arm], 3).tolist() for arm in low}, "flips": 0.97}
    gate |= {"accuracy": {arm: rng.uniform(0.9, 1, 3).tolist() for arm in low}, "clause": None}
    limit = float(np.ptp(grid) / 12)
    shown = {
        "errors": [0.2 * limit] * 3,
        "limit": limit,
        "shift": 6 * limit,
        "meter": name,
        "unit": unit,
        "clause": None,
    }
    about = {"factor": name, "title": name, "unit": unit, "noun": noun, "local": local, "strength": 1.0}
    about |= {"contamination": 1.0, "ranges": ranges, "figure": "figures/probe.jpg", "seeds": {"biased": [0, 1, 2]}}
    about |= {"gates": {"aae": gate, "baseline": gate, "shown": shown}}
    return about | {"response": {"aae": answers, "baseline": answers}}


def fake_audit(factors=("rotation", "tag"), maps=("Saliency", "Grad-CAM"), seed=0):
    """An audit.json as a dict, of these factors and heat maps."""
    rng, about = np.random.default_rng(seed), described(maps)
    head = {"kind": "audit", "dataset": "synthpets", "preset": "default", "complete": True, "size": 32, "workers": 2}
    head |= {"classes": ["cat", "dog"], "command": "python main.py audit", "device": "cpu", "memory_mb": 3426.6}
    head |= {"seconds": {"total": 3000.0, "training": 2000.0, "explaining": 900.0, "scoring": 100.0}}
    head |= {"arms_trained": 33, "arms_cached": 0, "models": {"aae": "AAE", "baseline": "ResNet34"}}
    head |= {"settings": {"seeds": 3, "methods": list(maps), "training": {"lr": 0.003}}, "thresholds": ASKED}
    head |= {"versions": {"torch": "2.14.1"}, "explanations": about}
    head["factors"] = {key: fake_factor(rng, key) for key in factors}
    head["cells"] = [fake_cell(rng, e, m, k) for k in factors for e in about for m in models_of(e)]
    reveals = {f"{e}/{m}": 0 for e in about for m in models_of(e) if m != "none"}
    head["chance"] = {"factor": factors[0], "pairs": 10, "reveals": reveals, "detected": reveals | {"walk:lda/aae": 3}}
    return head | {"summary": [f"Models were trained with {len(factors)} shortcuts.", "Walks reveal.", "Maps do not."]}


@pytest.fixture
def folder(tmp_path):
    """A folder with the figures that `fake_audit` names."""
    (tmp_path / "figures").mkdir()
    for name, size in {"map": (64, 24), "probe": (64, 16)}.items():
        Image.fromarray(np.full((*size[::-1], 3), 90, np.uint8)).save(tmp_path / "figures" / f"{name}.jpg")
    return tmp_path


@pytest.fixture
def page(folder):
    """page(result) writes an audit and returns its page's text."""

    def write(result):
        (folder / "audit.json").write_text(json.dumps(result))
        path = report.write_audit_page(folder)
        assert path == folder / "report.html" and not list(folder.glob(".*"))
        return path.read_text(encoding="utf-8")

    return write


def section(text, name):
    """The part of the page with this id."""
    return re.search(rf'<section id="{name}".*?</section>', text, re.S).group(0)


def details(text, number):
    """The evidence under cell `number` (from 1)."""
    return re.search(rf'<details class="evidence" id="cell-{number}">.*?</details>', text, re.S).group(0)


def test_every_cell_has_its_evidence_and_every_link_arrives(page):
    result = fake_audit()
    text = page(result)
    links, ids = re.findall(r'href="#([^"]+)"', text), re.findall(r'\sid="([^"]+)"', text)
    assert set(links) <= set(ids) and len(ids) == len(set(ids))
    table = re.findall(r'href="#(cell-\d+)"', section(text, "verdicts"))
    assert sorted(table) == sorted(f"cell-{i}" for i in range(1, len(result["cells"]) + 1))


def test_each_cell_of_the_table_says_its_verdict_in_words_and_its_auroc(page):
    result = fake_audit()
    table = section(page(result), "verdicts")
    for i, cell in enumerate(result["cells"], 1):
        shown = re.search(rf'<a href="#cell-{i}".*?</a>', table, re.S).group(0)
        assert f">{cell['verdict']}</span>" in shown and f"{cell['auroc']:.2f}" in shown


def test_groups_come_in_order_whatever_the_order_of_the_cells(page):
    result = fake_audit()
    result["cells"].reverse()
    found = re.findall(r'scope="rowgroup">([^<]+)', page(result))
    assert [name.split()[0] for name in found] == ["Walks", "Real", "Heat", "Heat", "Controls:"]
    assert "ResNet34" in found[2] and "AAE" in found[3]


def test_the_page_is_self_contained(page):
    text = page(fake_audit())
    assert not re.search(r"https?://", text)
    assert all(v.startswith("data:image/webp;base64,") for v in re.findall(r'\ssrc="([^"]*)"', text))
    assert text.count("<img") >= 12 and not re.search(r"<link|<iframe|@import|url\(|srcset", text)


def test_everything_from_the_file_is_escaped(page):
    evil = "<script>alert('x')</script>\""
    result = fake_audit(("rotation",), ("Saliency",))
    swapped = json.dumps(result).replace("rotation", "ZZ").replace('"cat"', '"CC"').replace("Saliency", "SS")
    names = ("synthpets", "ZZ", "CC", "SS", "AAE", "how much each place counts", "Author & others", "degrees", "cpu")
    names += ("angle", "python main.py audit", "named as", "Walks reveal.", "2.14.1", "default", "detection 0")
    for name in names:
        swapped = swapped.replace(name, f"{name}{evil}".replace('"', '\\"'))
    text = page(json.loads(swapped))
    assert "<script>alert" not in text and text.count("&lt;script&gt;alert") > 40
    assert text.count("<script>") == 2 and not re.search(r"""=\"[^\"]*</script""", text)


def test_scores_stand_with_plain_names_and_what_they_want(page):
    result = fake_audit(("tag",))
    at = next(i for i, c in enumerate(result["cells"], 1) if c["explanation"] == "grad-cam")
    result["cells"][at - 1]["scores"] = {"relevance_rank": 0.42, "ccm": 0.11, "fam": None, "same_map": 0.95}
    shown = " ".join(re.sub(r"<[^>]+>", " ", details(page(result), at)).split())
    assert "lie on the factor 0.42 high, at least 0.5 not met" in shown and "(CCM) 0.11 low" in shown
    assert "(FAM)" not in shown and "at most 0.8" not in shown  # none; not asked of a local factor
    assert "below 0.001" in shown and "Named" in shown


def test_gates_pass_or_fail_in_words(page):
    result = fake_audit(("rotation", "tag"))
    gates = result["factors"]["rotation"]["gates"]
    gates["aae"] = gates["aae"] | {"clause": "no bias learned", "spurious": {"biased": [0.5, None, 0.7]}}
    gates["shown"]["clause"] = "the decoder cannot show this factor"
    text = page(result)
    failed, well = (re.sub(r"<[^>]+>", "", section(text, f"factor-{i}")) for i in (1, 2))
    assert "Failed: No bias learned." in failed and "Failed: The decoder cannot show this factor." in failed
    assert "0.50, –, 0.70" in failed and "0.60 failat least 0.85" in failed and "passat most 0.10" in failed
    assert (
        "Failed:" not in well
        and well.count("Passed.") == 3
        and "failat" not in well
        and well.count("reported only") == 2
    )


def test_refused_and_failed_cells_say_why(page):
    result = fake_audit(("rotation",), ("Saliency",))
    result["cells"][0] = trouble(result["cells"][0], "refused", "it has no <convolution>")
    result["cells"][1] = trouble(result["cells"][1], "error", "out of memory")
    text = page(result)
    assert "refused: it has no &lt;convolution&gt;" in details(text, 1) and "<table" not in details(text, 1)
    assert "failed: out of memory" in details(text, 2) and "UNDECIDED" in details(text, 2)


def test_controls_that_come_out_wrong_are_told_first(page):
    result = fake_audit(("rotation",))
    assert "Do not trust" not in page(result)
    next(c for c in result["cells"] if c["explanation"] == "control:edges")["verdict"] = "REVEALS"
    text = page(result)
    assert "Do not trust" in section(text, "summary") and section(text, "verdicts").count(">wrong<") == 1
    text = page(result | {"summary": ["One.", "Caution: controls failed."]})  # said by the file: not said twice
    assert text.count("ontrols failed.") == 1 and "Do not trust" not in text
    assert "not finished" in page(result | {"complete": False})


OPTIONAL = "preset command complete size device workers seconds memory_mb arms_trained arms_cached settings versions \
thresholds chance summary".split()


@pytest.mark.parametrize("nothing", ["absent", None])
def test_what_is_missing_breaks_nothing(page, nothing):
    result = fake_audit(("rotation",))
    drop = lambda d, *names: [d.pop(n) if nothing else d.update({n: None}) for n in names]  # noqa: E731
    drop(result, *OPTIONAL)
    for i, cell in enumerate(result["cells"]):
        drop(cell, *("pairs null figure naming named p p_holm false_alarms clause reason".split()[i % 3 :]))
        drop(cell, *(("auroc", "low", "high", "scores") if i % 2 else ()))
    about = result["factors"]["rotation"]
    drop(about, "figure", "unit", "noun", "strength", "contamination", "seeds")
    drop(about["gates"]["aae"], "accuracy", "flips")
    drop(about["gates"], "shown")
    drop(about["response"], "baseline")
    text = page(result)
    assert "<img" not in text and "Gate 1" not in text and 'id="chance"' not in text and "None" not in text


def test_one_model_no_normal_arm_no_walk(page):
    result = fake_audit(("rotation",))
    del result["models"]["aae"], result["factors"]["rotation"]["gates"]["aae"]
    result["cells"] = [c for c in result["cells"] if c["model"] == "baseline"]
    gate, answers = (result["factors"]["rotation"][k]["baseline"] for k in ("gates", "response"))
    for each in (gate["spurious"], gate["accuracy"], answers):
        del each["normal"]
    text = page(result)
    assert "AAE" not in text.partition("<main>")[2].partition('id="made"')[0] and "factor is not there" not in text
    assert page(result | {"factors": {}, "cells": []}).count("<section") == 4


def test_figures_that_are_gone_or_elsewhere_are_not_shown(page, folder):
    result = fake_audit(("rotation",), ())
    (folder / "figures" / "broken.jpg").write_text("no picture")
    outside = folder.parent / "outside.jpg"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(outside)
    for cell, name in zip(result["cells"], ("figures/gone.jpg", "figures/broken.jpg", "../outside.jpg"), strict=False):
        cell["figure"] = name
    text = page(result)
    assert all("figure of this cell is gone" in details(text, i) and "<img" not in details(text, i) for i in (1, 2, 3))
    assert "<img" in details(text, 4)


def test_chance_names_who_raised_an_alarm(page):
    result = fake_audit(("rotation",))
    assert "No explanation got REVEALS." in section(page(result), "chance")
    result["chance"]["reveals"]["grad-cam/baseline"] = 2
    told = section(page(result), "chance")
    assert "REVEALS all the same: 2 times" in told and re.search(
        r"<tbody><tr><th[^>]*>Grad-CAM, ResNet34</th><td>2 of 10", told
    )


def mended(**more):
    """The text of an audit.json with other parts."""
    return json.dumps(fake_audit(("rotation",)) | more)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"kind": "run"}', '{"kind": "audit"}', mended(factors={}),
                                     mended(cells=[{"explanation": "saliency"}]), mended(classes=[]),
                                     mended(explanations=3), mended(models=None),
                                     mended().replace('"DOES NOT"', '"MAYBE"')])  # fmt: skip
def test_broken_files_are_refused_in_a_sentence(tmp_path, content):
    if content is not None:
        (tmp_path / "audit.json").write_text(content)
    with pytest.raises(ValueError, match="audit.json .*again|run `audit` first"):
        report.write_audit_page(tmp_path)
    assert not list(tmp_path.glob("*.html"))


@pytest.mark.parametrize("low", [0.0, 0.4, 0.9])
def test_labels_of_the_detection_do_not_overlap(page, low):
    result = fake_audit(("rotation",), ())
    result["cells"][0] |= {"auroc": 0.95, "low": low, "high": 1.0}
    text = details(page(result), 1)
    chance, wanted = (re.search(rf"<text([^>]*)>{name}", text).group(1) for name in ("chance", "wanted"))
    assert 'text-anchor="end"' in chance and 'text-anchor="end"' in wanted
    gap = float(re.search(r'x="([^"]+)', wanted).group(1)) - float(re.search(r'x="([^"]+)', chance).group(1))
    assert gap > 70  # units: as wide as the longer label at its size
