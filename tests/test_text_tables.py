"""Laws of tables of the user's: whatever divides their columns, the same texts and numbers are read."""

import pandas as pd
import pytest
from helpers.pictures import save_pictures

from xaae.experiment.errors import InputError
from xaae.experiment.text_tables import read_user_table
from xaae.sources.class_folders import own_data
from xaae.sources.path_lists import list_items
from xaae.sources.splits import SplitPlan, split_by_plan

ROWS = [("left/000.png", "a; b, c", "1,5"), ("right/001.png", "NA", "-0,25"), ("right/002.png", "", "")]
PLAIN = pd.DataFrame([(path, text, number.replace(",", ".")) for path, text, number in ROWS],
                     columns=["path", "label", "score"])  # fmt: skip


def written(divider, point=",", head=""):
    """ROWS as a spreadsheet writes them."""
    lines = [("path", "label", "score"), *((path, text, number.replace(",", point)) for path, text, number in ROWS)]
    quoted = [[f'"{cell}"' if {";", ","} & set(cell) and cell[:1].isalpha() else cell for cell in row] for row in lines]
    return head + "\n".join(divider.join(row) for row in quoted) + "\n"


@pytest.mark.parametrize(("text", "said"), [
    (written(",", "."), ""), (written(";"), "semicolons; commas in the numbers of score are decimal points"),
    (written(";", "."), "semicolons."), (written("\t"), "tabs; commas"),
    (written(";", head="\ufeffsep=;\n"), "semicolons"),
])  # fmt: skip
def test_tables_are_read_whatever_divides_their_columns(tmp_path, text, said):
    (tmp_path / "items.csv").write_text(text, encoding="utf-8")
    table, words = read_user_table(tmp_path / "items.csv")
    pd.testing.assert_frame_equal(table, PLAIN)
    assert said in words and bool(said) == bool(words)


def test_texts_with_commas_are_no_numbers(tmp_path):
    (tmp_path / "items.csv").write_text("path;dose;code\na,1.png;1,5;1,5\nb.png;1.5;x\n")
    table, words = read_user_table(tmp_path / "items.csv")
    assert list(table.path) == ["a,1.png", "b.png"] and list(table.dose) == ["1,5", "1.5"] and "points" not in words


@pytest.mark.parametrize("text", ["path,label\na.png,x,\n", "path;label\na.png;x;1\n"])
def test_no_cell_becomes_the_name_of_a_row(tmp_path, text):
    (tmp_path / "items.csv").write_text(text)
    with pytest.raises(InputError, match="more cells"):
        read_user_table(tmp_path / "items.csv")


def test_every_table_of_the_users_may_have_semicolons(tmp_path, capsys):
    """The items and their severity, the list that predict reads, the file of splits: each says it in a line."""
    save_pictures(tmp_path, n=4)
    names = [f"{side}/00{i}.png" for side in ("left", "right") for i in range(4)]
    file = tmp_path / "items.csv"
    file.write_text("path;score;split\n" + "".join(f"{name};{i},5;{'valid' if i % 4 == 0 else 'train'}\n"
                                                   for i, name in enumerate(names)))  # fmt: skip
    found = own_data(file, target=("score",))
    assert [float(score) for score in found.table.score] == [i + 0.5 for i in range(8)]
    assert any("semicolons" in note for note in found.notes)
    assert len(list_items(file)) == 8 and "semicolons" in capsys.readouterr().out
    split = split_by_plan(found.table.drop(columns="split").assign(label="a"), SplitPlan(file=str(file)), own=True)
    assert (split.table.split == "valid").sum() == 2 and any("semicolons" in note for note in split.notes)
