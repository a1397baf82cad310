"""List in docs/architecture.md every dict that is keyed by kind or by task: `python docs/seams.py`.

These dicts are all that a new kind of item or a new task has to be filled in.
"""

import ast
import re
from pathlib import Path

from xaae.experiment.kinds import KINDS
from xaae.experiment.tasks import TASKS

HOME = Path(__file__).resolve().parents[1]
PAGE = HOME / "docs" / "architecture.md"
BEGIN, END = "<!-- seams: made by python docs/seams.py -->\n", "<!-- end of seams -->"
NAMES = {"kind": KINDS, "task": TASKS}


def find_seams(home=HOME):
    """(seam, file, name of the dict, keys that are filled in, comment) of every dict keyed by kind or task."""
    found = []
    rooms = [package.parent for package in home.glob("*/__init__.py")]
    for path in [*home.glob("*.py"), *(path for room in rooms for path in room.rglob("*.py"))]:
        text = path.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict) and (seam := _seam(node.value)):
                comment = _comment(text.splitlines(), node.value)
                found.append(
                    (seam, path.relative_to(home).as_posix(), node.targets[0].id, _filled_in(node.value), comment)
                )
    return sorted(found)


def _comment(lines, dictionary):
    """What is said behind the first line of a dict, or behind its last; words to tools are none."""
    said = [lines[n - 1].partition("  # ")[2] for n in (dictionary.lineno, dictionary.end_lineno)]
    return next((words for words in said if words and not words.startswith(("fmt:", "noqa"))), "")


def _key(node):
    """The name that a key of a dict stands for: "picture", PICTURE.name; else None."""
    if isinstance(node, ast.Constant):
        return node.value
    named = isinstance(node, ast.Attribute) and node.attr == "name" and isinstance(node.value, ast.Name)
    return node.value.id.lower() if named else None


def _seam(dictionary):
    """ "kind" or "task" if all keys of a dict are names of such, else None."""
    keys = {_key(key) for key in dictionary.keys}
    return next((seam for seam, names in NAMES.items() if keys and keys <= names.keys()), None)


def _filled_in(dictionary):
    """The keys whose value is something, in order."""
    empty = [isinstance(value, ast.Dict) and not value.keys for value in dictionary.values]
    return [_key(key) for key, nothing in zip(dictionary.keys, empty, strict=True) if not nothing]


def seam_table(seams):
    """The seams as a Markdown table."""
    rows = ["| chosen by | dict | filled in for | what it holds |", "| --- | --- | --- | --- |"]
    for seam, file, name, keys, comment in seams:
        words = re.sub(r"^(kind|task) -> |,? ?by kind$|^by the kind's name$", "", comment).replace("|", "\\|")
        rows.append(f"| {seam} | `{file}:{name}` | {', '.join(keys)} | {words} |")
    return "\n".join(rows) + "\n"


def with_seams(page, seams):
    """The page with its table of seams made anew."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}{seam_table(seams)}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(with_seams(PAGE.read_text(encoding="utf-8"), find_seams()), encoding="utf-8")
    print(f"Written: {PAGE}")
