"""Laws of the factor scan: networks whose answer is known go by what they go by, and by nothing else."""

import json
import re

import numpy as np
import pytest
import torch
from helpers.known_networks import NETWORKS
from PIL import Image

from xaae import report
from xaae.experiment.command_settings import ScanSettings
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import PICTURE
from xaae.factors.registry import FACTORS, factors_for
from xaae.scan import scan_run, scan_sentences, value_ranges
from xaae.scan.factor_scan import ScanItems, scan_factors
from xaae.scan.scan_run import scan

N, SIZE = 60, 32


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """A file of networks whose answer is known; returns "FILE.py:" for a name to follow."""
    path = tmp_path_factory.mktemp("networks") / "nets.py"
    path.write_text(NETWORKS)
    return f"{path}:"


def save_lit(folder, means, n=N, size=SIZE, mode="RGB"):
    """Class folders of n noisy pictures whose mean light is drawn from means {class: (low, high)}."""
    rng = np.random.default_rng(0)
    for name, (low, high) in means.items():
        (folder / name).mkdir(parents=True)
        for i in range(n):
            pixels = rng.uniform(low, high) + rng.normal(0, 0.05, (size, size, 1)) + np.zeros(3)
            pixels[size // 3 : size // 2, size // 4 : size // 2] += 0.15
            image = Image.fromarray((255 * pixels.clip(0, 1)).astype(np.uint8))
            image.convert(mode).save(folder / name / f"{i:03d}.png")
    return folder


@pytest.fixture(scope="module")
def by_class(tmp_path_factory):
    """Pictures whose light tells the class."""
    return save_lit(tmp_path_factory.mktemp("by_class"), {"dark": (0.2, 0.45), "light": (0.55, 0.8)})


@pytest.fixture(scope="module")
def balanced(tmp_path_factory):
    """Pictures whose light tells nothing, so many that nothing else can be meant."""
    return save_lit(tmp_path_factory.mktemp("balanced"), {"one": (0.2, 0.8), "two": (0.2, 0.8)}, n=4 * N)


def scanned(folder, network, tmp_path, **given):
    """What a scan of a folder of pictures by a network says: (results, {factor: row})."""
    given = {"items": 40, "size": SIZE, "precision": "fp32"} | given
    results, _ = scan(folder, ScanSettings(network=network, out=str(tmp_path / "scan"), **given))
    return results, {row["factor"]: row for row in results["models"]["network"]["factors"]}


# ---- what the scan says of networks that are known -----------------------------------------------------------------


SOME = ("brightness", "contrast", "blur", "zoom", "tag")
CASES = {  # network, folder -> (what the brightness is called, is it used)
    ("by_light", "by_class"): ("likely shortcut", "used"),
    ("constant", "by_class"): ("there but not used", "not used"),
    ("by_light", "balanced"): ("used but balanced", "used"),
    ("constant", "balanced"): ("nothing", "not used"),
}


@pytest.mark.parametrize(("network", "data"), CASES)
def test_the_four_planted_cases(request, networks, tmp_path, network, data):
    results, rows = scanned(request.getfixturevalue(data), networks + network, tmp_path, factors=SOME)
    answer, used = CASES[network, data]
    (question,) = [row for row in results["questions"] if row["factor"] == "brightness"]
    assert rows["brightness"]["used"] == used and question["answer"] == answer
    assert {name for name, row in rows.items() if row["used"] == "used"} <= {"brightness"}
    assert set(rows) == set(SOME)


@pytest.mark.parametrize("network", ["by_light", "by_light_binary", "by_light_softmax"])
def test_the_place_where_decisions_flip_is_that_of_the_network(balanced, networks, tmp_path, network):
    _, rows = scanned(balanced, networks + network, tmp_path, factors=("brightness",))
    row = rows["brightness"]
    assert row["used"] == "used" and row["swing"] > 0.9 and row["flips"] > 0.9 and row["unit"] == "of full scale"
    assert row["flips_at"] == pytest.approx(0.5, abs=0.05)
    for each in row["by_class"].values():
        assert each["n"] == 20 and each["swing"] > 0.9 and each["flips_at"] == pytest.approx(0.5, abs=0.05)


def test_items_that_have_a_mark_already_have_no_part_in_its_swing(networks, tmp_path):
    folder = save_lit(tmp_path / "marked", {"bare": (0.3, 0.6), "marked": (0.3, 0.6)})
    for path in (folder / "marked").iterdir():
        pixels = np.asarray(Image.open(path)) / np.float32(255)
        x = torch.from_numpy(pixels).permute(2, 0, 1)[None]
        (marked,) = FACTORS["tag"].plant(x, torch.ones(1), "reflect", None)
        Image.fromarray((255 * marked.permute(1, 2, 0).numpy()).round().astype(np.uint8)).save(path)
    results, rows = scanned(folder, networks + "by_mark", tmp_path, factors=("tag", "blur"), items=60)
    assert results["models"]["network"]["agreement"] == 1
    assert rows["tag"]["used"] == "used" and rows["tag"]["swing"] > 0.9, "bare items all go over"
    assert rows["tag"]["unchanged"] > 20 and "are left out" in rows["tag"]["words"]
    assert rows["blur"]["unchanged"] == 0 and rows["blur"]["used"] != "used"
    (question,) = [q for q in results["questions"] if q["factor"] == "tag"]
    assert question["answer"] == "likely shortcut"


@pytest.mark.parametrize(("slope", "asked"), [(0.25, 50), (0.5, 100), (2.0, 160)])
def test_the_less_an_answer_moves_the_fewer_items_are_asked(slope, asked):
    """From one end to the other these pictures get lighter by 0.3, and the answer moves by `slope` times as much."""
    x = torch.full((160, 3, 8, 8), 0.5)

    def answer(x):
        there = (0.5 + slope * (x.mean((1, 2, 3)) - 0.5)).clamp(0, 1)
        return torch.stack([1 - there, there], 1)

    grid = value_ranges.grid_of("brightness", x, None, given=(-0.3, 0.3))
    items = ScanItems(x, np.full(160, ""))
    (row,), probability, _ = scan_factors(answer, items, [grid], np.random.default_rng(0), beyond=False)
    assert row["n"] == len(probability["brightness"]) == asked
    assert row["swing"] == pytest.approx(min(1, 0.3 * slope), abs=0.01)


def test_outputs_that_are_not_the_classes_are_told(balanced, networks, tmp_path):
    results, _ = scanned(balanced, networks + "by_light_of_three", tmp_path, factors=("zoom",), items=6)
    about = results["models"]["network"]
    assert about["classes"] == ["class 0", "class 1", "class 2"] and about["agreement"] is None
    assert "3 outputs and the items have 2 classes (one, two)" in about["remark"]


def test_more_classes_than_two(tmp_path, networks):
    means = {"dark": (0.2, 0.45), "light": (0.55, 0.8), "never": (0.2, 0.8)}
    results, rows = scanned(
        save_lit(tmp_path / "three", means), networks + "by_light_of_three", tmp_path, items=60, factors=SOME
    )
    assert results["models"]["network"]["classes"] == ["dark", "light", "never"]
    row = rows["brightness"]
    assert row["used"] == "used" and np.shape(row["mean"]) == (3, 9) and np.max(row["mean"][2]) < 0.01
    assert row["swing_of"]["dark"] > 0.9 and row["swing_of"]["never"] < 0.01
    page = report.write_scan_page(tmp_path / "scan").read_text()
    assert "swing of each class&#39;s probability" in page or "swing of each class's probability" in page
    assert {row["used"] for name, row in rows.items() if name != "brightness"} == {"not used"}


def test_grey_pictures_have_no_tint_and_a_flat_folder_no_labels(tmp_path, networks):
    folder = save_lit(tmp_path / "grey", {"all": (0.2, 0.8)}, mode="L")
    results, rows = scanned(folder, networks + "by_light", tmp_path)
    assert set(rows) == {*factors_for(PICTURE, 1)}, "all others, since none was named"
    assert rows["brightness"]["used"] == "used" and not rows["brightness"]["by_class"]
    assert results["models"]["network"]["agreement"] is None and not results["items_by_class"]
    assert {row["data"] for row in results["questions"]} == {None}
    with pytest.raises(InputError, match="needs colour"):
        scanned(folder, networks + "by_light", tmp_path, factors=("tint",))


def test_the_same_seed_says_the_same(balanced, networks, tmp_path):
    first, second, other = (
        scanned(balanced, networks + "by_corner", tmp_path / str(i), seed=seed, factors=("zoom", "noise"))[0]
        for i, seed in enumerate((1, 1, 2))
    )
    for results in (first, second, other):
        del results["seconds"], results["models"]["network"]["seconds"]
    assert first == second != other


def test_a_factor_beyond_the_data_is_told_apart(tmp_path, networks):
    """All pictures are lighter than the network's threshold: within the data nothing flips, far outside all do."""
    folder = save_lit(tmp_path / "light", {"one": (0.6, 0.75), "two": (0.6, 0.75)})
    _, rows = scanned(folder, networks + "by_light", tmp_path, factors=("brightness",))
    row = rows["brightness"]
    assert row["used"] == "not used" and row["flips"] == 0
    beyond = dict(zip(row["beyond"]["values"], row["beyond"]["flips"], strict=True))
    assert (
        beyond[-0.7] == 1 and beyond[0.7] == 0 and -0.7 < row["beyond"]["holds_from"] < row["beyond"]["holds_to"] == 0.7
    )


def test_values_of_ones_own_are_asked_about_instead(tmp_path, networks):
    folder = save_lit(tmp_path / "light", {"one": (0.6, 0.75), "two": (0.6, 0.75)})
    _, rows = scanned(
        folder, networks + "by_light", tmp_path, ranges={"brightness": (-0.7, 0)}, factors=("brightness",)
    )
    row = rows["brightness"]
    assert row["used"] == "used" and row["source"] == "given" and row["axis"][0] == -0.7 and row["axis"][-1] == 0
    results, _ = scanned(folder, networks + "constant", tmp_path, ranges={"zoom": (-5, 5)}, factors=("zoom", "blur"))
    text = scan_sentences.scan_in_words(results)
    assert "goes by none of what was asked about" in text and "not used: blur, zoom between -5" in text
    assert "zoom: within the range that was asked for" in report.write_scan_page(tmp_path / "scan").read_text()


def as_text(page):
    """What a page says, a bar between what stands in tags of its own."""
    return re.sub(r"[|\s]*\|[|\s]*", "|", re.sub(r"<(script|style).*?</\1>|<[^>]+>", "|", page, flags=re.DOTALL))


def test_what_all_items_hold_alike_is_said_not_to_be_asked_about(networks, balanced, tmp_path):
    asked = ("brightness", "zoom", "border")
    results, rows = scanned(balanced, networks + "by_light", tmp_path, factors=asked)
    assert {name: row["one_value"] for name, row in rows.items()} == dict(zip(asked, (False, False, True), strict=True))
    assert rows["border"]["used"] == "not used" and rows["zoom"]["used"] == "not used", "programs read these words"
    assert "    not asked about, for all items hold the same: black border" in scan_sentences.scan_in_words(results)
    assert "border" not in results["models"]["network"]["headline"]
    (question,) = [row for row in results["questions"] if row["factor"] == "border"]
    assert question["answer"] == "same in all items"
    told = as_text(report.write_scan_page(tmp_path / "scan").read_text())
    assert "|black border|0, 0|% of the side|not asked about: same in all items|" in told
    assert "Black border in real pictures, network: same in all items" in told
    assert "they hold as good as one value" in told


def test_a_unit_is_printed_once(networks, balanced, tmp_path):
    ranges = {"zoom": (-10, 10), "rotation": (0, 90)}
    scanned(balanced, networks + "constant", tmp_path, ranges=ranges, factors=tuple(ranges))
    told = as_text(report.write_scan_page(tmp_path / "scan").read_text())
    assert "|-10\u202f%, 10\u202f%|of the size|" in told and "|angle|0\u00b0, 90\u00b0|0.00|" in told
    assert ": -10\u202f% to 10\u202f% of the size|" in told and ": 0\u00b0 to 90\u00b0|" in told


def test_a_scan_of_before_is_shown(networks, balanced, tmp_path):
    scanned(balanced, networks + "constant", tmp_path, factors=("border", "blur"))
    kept = json.loads((tmp_path / "scan" / "scan.json").read_text())
    for row in kept["models"]["network"]["factors"]:
        del row["one_value"]
    (tmp_path / "scan" / "scan.json").write_text(json.dumps(kept))
    told = as_text(report.write_scan_page(tmp_path / "scan").read_text())
    assert "|black border|0, 0|% of the side|0.00|0 % (0 %)|not used|" in told and "as good as one value" not in told


# ---- a run ---------------------------------------------------------------------------------------------------------


def test_a_run_is_scanned_by_its_models_and_read_by_its_report(toy_run, tmp_path):
    from helpers.sharing import copy_of

    run = copy_of(toy_run, tmp_path / "run")
    (run / "scan.json").unlink()
    results, folder = scan(run, ScanSettings(items=12, factors=("rotation", "contrast")))
    kept = json.loads((run / "scan.json").read_text())
    assert folder == run and kept["models"].keys() == results["models"].keys() and kept["planted"] == "rotation"
    (row,) = [r for r in kept["models"]["aae"]["factors"] if r["factor"] == "rotation"]
    keys = {"factor", "unit", "swing", "swing_low", "swing_high", "flips", "p_holm", "used"}
    assert keys <= set(row) and row["source"] == "planted" and row["axis"] == list(np.linspace(0, 180, 9))
    assert row["used"] == "cannot tell", "twelve items are too few to tell"
    assert (run / "scan.png").is_file() and (run / "scan" / "rotation.png").is_file()
    summary = report.summarise(run)
    assert summary["scan"]["aae"]["factors"]["rotation"]["swing"] == row["swing"]
    assert {q["factor"] for q in summary["questions"]} == {r["factor"] for r in kept["models"]["aae"]["factors"]}
    page = report.write_report(run).read_text()
    assert "What each model goes by" in page and page.index('id="scan"') < page.index('id="walks"')


def test_another_network_does_not_replace_the_scan_of_a_runs_models(toy_run, networks, tmp_path):
    from helpers.sharing import copy_of

    run = copy_of(toy_run, tmp_path / "run")
    own = (run / "scan.json").read_text()
    results, folder = scan(run, ScanSettings(items=12, network=networks + "by_light", factors=("brightness",)))
    assert folder == run / "network-scan" and list(results["models"]) == ["network"]
    assert (run / "scan.json").read_text() == own and (folder / "scan.json").is_file()
    _, elsewhere = scan(run, ScanSettings(items=12, of="aae", factors=("zoom",), out=str(tmp_path / "out")))
    assert elsewhere == tmp_path / "out" and (run / "scan.json").read_text() == own


def test_a_scan_that_asks_less_leaves_the_whole_one_alone(toy_run, tmp_path):
    from helpers.sharing import copy_of

    run = copy_of(toy_run, tmp_path / "run")
    own = (run / "scan.json").read_text()
    results, folder = scan(run, ScanSettings(items=6, factors=("zoom",)))
    assert folder == run / "part-scan" and (run / "scan.json").read_text() == own
    assert "none of what was asked about" in results["models"]["aae"]["headline"]
    assert json.loads(own)["whole"] and not results["whole"]
    assert report.write_scan_page(folder).is_file()
    for narrow in ({"of": "aae"}, {"ranges": {"zoom": (-5, 5)}}):
        assert scan_run._folder_in_run(run, run, ScanSettings(**narrow)) == folder
    for same in ({}, {"items": 5}, {"of": "both"}, {"factors": tuple(factors_for(PICTURE, 3))}):
        assert scan_run._folder_in_run(run, run, ScanSettings(**same)) == run


def test_the_planted_factor_of_other_items_is_drawn_without_regard_to_the_class():
    from xaae.factors.bias import make_bias

    bias, labels = make_bias(["cat", "dog"]), np.repeat(["cat", "dog"], 200)
    values = value_ranges.random_values(bias, 400, np.random.default_rng(0))
    cats, dogs = values[labels == "cat"], values[labels == "dog"]
    assert abs(cats.mean() - dogs.mean()) < 20 and np.ptp(cats) > 170 and np.ptp(dogs) > 170


def test_hostile_class_names_are_escaped(tmp_path, networks):
    folder = save_lit(tmp_path / "odd", {"<b>a": (0.2, 0.8), "$x$ & y": (0.2, 0.8)}, n=24)
    scanned(folder, networks + "by_light", tmp_path, items=24, factors=("brightness",))
    page = report.write_scan_page(tmp_path / "scan").read_text()
    assert "<b>a" not in page and "&lt;b&gt;a" in page and "$x$ &amp; y" in page


REFUSED = {
    "nowhere": (["nowhere"], "There is no file or folder"),
    "no network": (["{folder}"], "--network FILE.py:FUNCTION"),
    "both": (["{run}", "--of", "aae", "--network", "{nets}by_light"], "leave out --of"),
    "factor": (["{run}", "--factors", "colour"], "There is no factor 'colour'"),
    "range": (["{run}", "--range", "rotation=9"], "FACTOR=LOW:HIGH"),
    "range beyond": (["{run}", "--range", "blur=-5:9"], "LOW < HIGH"),
    "range of nothing": (["{run}", "--range", "hue=1:2"], "no factor 'hue'"),
    "range twice": (["{run}", "--range", "zoom=0:9", "--range", "zoom=0:5"], "zoom has two ranges"),
    "range unasked": (["{run}", "--range", "zoom=0:9", "--factors", "blur"], "that --factors leaves out"),
    "of a folder": (["{folder}", "--network", "{nets}by_light", "--of", "baseline"], "of a run, and"),
    "no number": (["{folder}", "--network", "{nets}nan"], "answers NaN"),
    "a slip": (["{folder}", "--network", "{nets}with_a_slip"], "in line {line} of nets.py"),
    "signals": (["{beats}", "--network", "{nets}by_light"], "without a run only pictures are scanned"),
    "not a network": (["{folder}", "--network", "{nets}no_network"], "has to return an nn.Module"),
    "size": (["{run}", "--size", "48"], "does not fit"),
    "taken": (["{folder}", "--network", "{nets}by_light", "--out", "{folder}"], "holds something other"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_is_refused_in_one_sentence(door, toy_run, balanced, networks, tmp_path, case):
    words, sentence = REFUSED[case]
    line = 1 + NETWORKS.splitlines().index("        return x.slip")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.csv").write_text("time,x\n0,1\n0.01,2\n0.02,1\n")
    places = {"run": toy_run, "folder": balanced, "nets": networks, "line": line, "beats": tmp_path}
    result = door("scan", *(word.format(**places) for word in words))
    assert result.exit_code == 2 and sentence.format(**places) in result.output and "Traceback" not in result.output
