"""Laws of labels: a class may be called by any text, from what a user types to the page; no file is named by it."""

import json
import os
from html import escape

import click
import pandas as pd
import pytest
from helpers.command_line import BRIEFLY, EXACT, SMALL, succeed
from helpers.pictures import save_pictures

from xaae import data
from xaae.cli import option_types, train
from xaae.experiment.run_folder import MOST_LETTERS, file_stem, read_items
from xaae.experiment.text_tables import read_texts, write_texts
from xaae.sources.class_folders import own_data
from xaae.training.preparation import class_order

HOSTILE = [
    "a:b=c, d", "-$x_{", "../../../etc/x", "rest", "1e5", "A", "a", "100 %", "<b>&\"'", "{{config}}", " x ",
    "two\nlines", "Icon\r",
    "\u732b \U0001f408", "\u0642\u0637\u0629", "\u00b2", "_hidden", "long" * 75, "</script>", "=1+1",
]  # fmt: skip


@pytest.mark.parametrize("label", HOSTILE)
def test_a_range_is_given_to_a_class_of_any_name(label):
    assert train._parse_ranges(None, None, [f"{label}=0:90", "dog=-1.5:2"]) == {label: (0, 90), "dog": (-1.5, 2)}


@pytest.mark.parametrize("label", HOSTILE)
def test_names_in_quotes_hold_commas(label):
    quoted = '"' + f"lda@rest:{label}".replace('"', '""') + '"'
    assert option_types.parse_names(None, None, f"lda, {quoted},pca:2") == ["lda", f"lda@rest:{label}".strip(), "pca:2"]


def test_names_without_quotes_are_as_before():
    assert option_types.parse_names(None, None, " lda,pca:2 ,, ") == ["lda", "pca:2"]
    assert option_types.parse_names(None, None, None) == []
    assert option_types.parse_names(None, None, 'lda@rest:5" disk') == ['lda@rest:5" disk']
    for text in ("", " , ", 'lda,"pca'):
        with pytest.raises(click.BadParameter):
            option_types.parse_names(None, None, text)


def test_classes_are_in_the_order_of_numbers_where_they_are_numbers():
    names = ["10", "9", "b", "\u00b2", "-1", "1e5", "A", "7" * 5000, "02"]
    assert class_order(pd.DataFrame({"label": names}))[:4] == ["-1", "02", "9", "10"]
    assert set(class_order(pd.DataFrame({"label": HOSTILE}))) == set(HOSTILE)


def test_labels_come_back_from_the_table_of_a_run(tmp_path):
    table = pd.DataFrame({name: HOSTILE for name in ("path", "label", "group")})
    write_texts(table.assign(split="train", factor="tag", value=0.5), tmp_path / "items.csv")
    found = read_items(tmp_path)
    assert list(found.label) == list(found.group) == list(found.path) == HOSTILE


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_is_part_of_a_file_name(tmp_path, text):
    (tmp_path / f"{file_stem(text)}.png").write_bytes(b"")
    assert [p.parent for p in tmp_path.rglob("*.png")] == [tmp_path] and len(file_stem(text)) <= MOST_LETTERS


def test_a_name_that_is_no_text_is_listed(tmp_path):
    """A file system may hold names that are no UTF-8: no table, JSON file or page can hold them."""
    save_pictures(tmp_path, n=4)
    try:
        os.rename(tmp_path / "left" / "000.png", os.path.join(os.fsencode(tmp_path / "left"), b"caf\xe9.png"))
    except OSError:
        pytest.skip("this disk holds no such names")
    found = own_data(tmp_path)
    assert len(found.table) == 7 and [reason for _, reason in found.left_out] == ["its name is no text in UTF-8"]
    data.load_dataset(str(tmp_path)).left_out.to_csv(tmp_path / "skipped.csv", index=False)
    assert "caf" in (tmp_path / "skipped.csv").read_text(encoding="utf-8")


# ---- from a table to the page -----------------------------------------------------------------------------------

FEW = ["rest", "-$x_{", "a:b=c, d", "../</script>", "nan", "\u732b \U0001f408", "long" * 75]


def write_hostile(folder):
    """A CSV of seven classes of small pictures, called by FEW."""
    pictures = save_pictures(folder, classes=[str(k) for k in range(len(FEW))], n=12, size=20)
    rows = [(p.relative_to(folder), FEW[int(p.parent.name)]) for p in sorted(pictures.rglob("*.png"))]
    write_texts(pd.DataFrame(rows, columns=["path", "label"]).astype(str), folder / "items.csv")
    return folder / "items.csv"


def test_classes_of_any_name_go_through_every_command(tmp_path):
    run, items = tmp_path / "run", write_hostile(tmp_path / "data")
    ranges = [part for k, name in enumerate(FEW) for part in ("--range", f"{name}={20 * k}:{20 * k + 20}")]
    options = ["--items", "84", "--epochs", "1", "--baseline-epochs", "0", "--starts", "4", "--random-directions", "4"]
    told = [*SMALL, *options, *EXACT, "--size", "16", "--arm", "biased", *ranges]
    succeed("train", *told, "--dataset", items, "--out", run)
    config = json.loads((run / "config.json").read_text())
    assert set(config["classes"]) == set(FEW) and config["ranges"] == {
        c: [20 * k, 20 * k + 20] for k, c in enumerate(FEW)
    }
    own = '"lda@rest:a:b=c, d"'
    succeed("navigate", run, "--contrast", "a:b=c, d:-$x_{", "--directions", f"lda,lda@rest:nan,{own}", *BRIEFLY[2:])
    about = json.loads((run / "navigate.json").read_text())["directions"]
    assert [d["contrast"] for d in about.values()] == ["a:b=c, d to -$x_{", "rest to nan", "rest to a:b=c, d"]
    succeed("evaluate", run)
    succeed("predict", run, items, "--samples", "2")
    assert set(read_texts(run / "predictions.csv").predicted) <= set(FEW)
    succeed("explain", run, "--methods", "saliency", "--items", "2", "--target", FEW[3])
    assert "<script>" not in succeed("report", run)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "../</script>" not in page and all(escape(name) in page for name in FEW)
    assert {p.resolve().is_relative_to(run) for p in run.rglob("*")} == {True}
