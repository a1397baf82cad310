"""Laws of a process of this program, and of the command that is printed: it works from where the user stands."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import xaae
from xaae.experiment.machine import command_line

HOME = Path(xaae.__path__[0]).resolve()


@pytest.mark.skipif(os.name == "nt", reason="words are quoted otherwise there")
def test_a_printed_command_works_from_where_the_user_stands(tmp_path, monkeypatch):
    """In the clone main.py, elsewhere its whole path, as a command itself; each by its whole path where PATH does not
    lead to it."""
    console, python = tmp_path / "bin" / "xaae", Path(sys.executable)
    console.parent.mkdir()
    console.write_text("")
    console.chmod(0o755)
    cases = [  # called as, in, PATH -> first words
        ("main.py", HOME, "", [str(python), "main.py"]),
        (str(HOME / "main.py"), tmp_path, "", [str(python), str(HOME / "main.py")]),
        (str(console), tmp_path, str(console.parent), ["xaae"]),
        (str(console), HOME, "", [str(console)]),
    ]
    for called, place, path, words in cases:
        monkeypatch.setattr(sys, "argv", [called])
        monkeypatch.chdir(place)
        monkeypatch.setenv("PATH", path)
        assert shlex.split(command_line(["--dataset", "my data"])) == [*words, "--dataset", "my data"]


def test_python_is_called_by_its_name_where_path_leads_to_it(tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(sys, "argv", ["main.py"])
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(HOME)
    assert command_line([]) == "python main.py"


def test_a_process_that_ends_does_not_look_for_garbage_in_all_that_it_loaded():
    code = (
        "import atexit, gc\n"
        "atexit.register(lambda: print(gc.get_freeze_count() > len(gc.get_objects())))\n"  # is called last
        "from xaae.experiment.machine import quieten\n"
        "quieten()\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "True\n"
