"""Laws of beats that no annotation marks: they are found where they are, and cut, or it is said why not."""

import numpy as np
import pytest
from helpers.command_line import succeed
from helpers.recorded import (
    heartbeats,
    save_record,
)

from xaae import data
from xaae.experiment.errors import InputError
from xaae.sources.class_folders import own_data
from xaae.sources.ecg_beats import find_beats
from xaae.sources.signals import read_signal


def save_ecg(folder, name, rate=250, names=("RESP", "II"), units="mV"):
    """A record without annotations whose last channel is an ECG, and the samples of its beats."""
    ecg, at = heartbeats(rate)
    breath = np.sin(np.arange(len(ecg)) / rate)
    scale = 1000 if units == "uV" else 1
    return save_record(folder, name, scale * np.stack([breath, ecg]), rate, units, names=list(names)), at


@pytest.mark.parametrize(("rate", "units"), [(250, "mV"), (360, "uV"), (1000, "mV")])
def test_beats_are_found_where_they_are_at_any_rate_and_unit(tmp_path, rate, units):
    path, at = save_ecg(tmp_path, "ecg", rate, units=units)
    found, lead = find_beats(read_signal(path))
    assert lead == "II" and len(at) >= len(found) >= len(at) - 1
    assert np.abs(found[:, None] - at).min(1).max() <= 0.04 * rate


def test_records_without_annotations_are_cut_around_their_beats(tmp_path):
    path, at = save_ecg(tmp_path, "ecg")
    found = own_data(path, cut="0.3:0.4")
    assert len(found.table) >= len(at) - 2 and set(found.table.label) == {""}
    beats, lead = find_beats(read_signal(path))
    assert found.notes[0] == f"There are no annotations: {len(beats)} beats were found in lead {lead} (XQRS of wfdb)."
    with pytest.raises(data.InputError, match="Nothing says the class of the .* one folder per class, or write a CSV"):
        data.load_dataset(str(path), asked={"cut": "0.3:0.4"})
    assert set(own_data(path, cut="2").table.label) == {""} and len(own_data(path, cut="2").table) == 8
    for name in "ab":
        (tmp_path / "data" / name).mkdir(parents=True)
        save_ecg(tmp_path / "data" / name, f"{name}1")
    classes = own_data(tmp_path / "data", cut="0.3:0.4")
    assert set(classes.table.label) == {"a", "b"} and classes.table.group.nunique() == 2
    assert "of 2 recordings were found in lead II" in classes.notes[0]
    assert read_signal(classes.table.path[0]).values.shape == (2, 175)


def test_why_there_are_no_beats_is_said(tmp_path):
    save_record(tmp_path, "flat", np.zeros((1, 2000)), 250, names=["ECG"])
    ramp = save_record(tmp_path, "none", np.arange(600.0)[None] / 100, beats=[])
    for path, words in (
        (ramp, "no channel is called like a lead of an ECG"),
        (tmp_path / "flat.hea", "no beats were found in lead ECG"),
    ):
        with pytest.raises(InputError, match=f"annotations that items could be cut by .*{words}.*folders of their"):
            own_data(path, cut="0.3:0.4")


def test_a_first_look_shows_signals_without_classes(tmp_path):
    path, _ = save_ecg(tmp_path, "ecg")
    text = succeed("data", path, "--cut", "0.3:0.4", "--out", tmp_path / "out")
    page = (tmp_path / "out" / "data.html").read_text()
    for told in text, page:
        assert "classes: none are given" in told and "beats were found in lead II" in told
        assert "Training would refuse this: Nothing says the class" in told
    assert "without classes so far" in page and (tmp_path / "out" / "contact_sheet.png").is_file()
