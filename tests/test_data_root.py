"""Where data are kept: as fastai says, without loading it."""

import subprocess
import sys
from pathlib import Path

import pytest
from fastai.data.external import fastai_cfg

from xaae.sources.data_root import default_root


@pytest.mark.parametrize("written", [b"", b"data = elsewhere\n", b"[DEFAULT]\n", b"\xff\xfe\x00", None], ids=repr)
def test_data_have_their_place_whatever_became_of_fastais_settings(tmp_path, monkeypatch, written):
    """A disk that was full when they were first written leaves them empty, or cut off."""
    monkeypatch.setenv("FASTAI_HOME", str(tmp_path))
    if written is not None:
        (tmp_path / "config.ini").write_bytes(written)
    assert default_root() == tmp_path / "data"


@pytest.mark.parametrize("written", [None, "[DEFAULT]\ndata = pictures\n", "[DEFAULT]\ndata = /somewhere/else\n"])
def test_it_is_that_of_fastai_and_nothing_of_its_settings_is_lost(tmp_path, monkeypatch, written):
    """Both write the same settings where there are none."""
    for home in (tmp_path / "ours", tmp_path / "fastais"):
        home.mkdir()
        if written:
            (home / "config.ini").write_text(written)
    monkeypatch.setenv("FASTAI_HOME", str(tmp_path / "fastais"))
    theirs = fastai_cfg.__wrapped__().path("data", "data")
    monkeypatch.setenv("FASTAI_HOME", str(tmp_path / "ours"))
    ours = default_root()
    assert str(ours).replace("ours", "fastais") == str(theirs)
    assert (tmp_path / "ours" / "config.ini").read_text() == (tmp_path / "fastais" / "config.ini").read_text()


def test_a_home_that_cannot_be_written_has_a_place_too(monkeypatch):
    monkeypatch.setenv("FASTAI_HOME", "/proc/nowhere")
    assert default_root() == Path("/proc/nowhere/data")


def test_nothing_large_is_loaded_for_it():
    asks = (
        "import sys; from xaae.sources import drawing_ahead; drawing_ahead.default_root()\n"
        "print({'torch', 'fastai', 'pandas', 'cv2'} & {*sys.modules})"
    )
    assert subprocess.check_output([sys.executable, "-c", asks], text=True).strip() == "set()"
