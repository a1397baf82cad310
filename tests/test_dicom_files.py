"""Laws of DICOM files: values, windows and inversion as a viewer shows them, frames as items, faults in a sentence."""

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.command_line import BRIEFLY, SMALL, succeed
from helpers.scans import save_dicom, twins

pydicom = pytest.importorskip("pydicom")

from xaae.data import load_dataset  # noqa: E402
from xaae.experiment.errors import InputError  # noqa: E402
from xaae.sources import dicom_files, formats, picture_files  # noqa: E402
from xaae.sources.class_folders import own_data  # noqa: E402
from xaae.sources.items import reading_options  # noqa: E402
from xaae.sources.path_lists import read_pictures  # noqa: E402
from xaae.sources.raster_scaling import Window, parse_window  # noqa: E402
from xaae.training.trained_run import open_trained_run  # noqa: E402

CENTRE, WIDTH = 1300, 801
RAMP = np.linspace(0, 4095, 32 * 32).round().reshape(32, 32)


def pixels(path, window=None):
    """A file as the trainer gets it (32, 32)."""
    return picture_files.decode_picture(path, 32, 1, *([window] if window else []))[0].numpy()


@pytest.mark.parametrize("window", ["file", "dataset"])
def test_an_inverted_twin_is_the_same_picture(tmp_path, window):
    values, inverted = twins(0)
    first = save_dicom(tmp_path / "a.dcm", values, (CENTRE, WIDTH))
    second = save_dicom(tmp_path / "b.dcm", inverted, (4096 - CENTRE, WIDTH), "MONOCHROME1")
    chosen = Window("dataset", 900.0, 1700.0) if window == "dataset" else parse_window(window)
    assert np.ptp(pixels(first, chosen)) > 150
    np.testing.assert_array_equal(pixels(first, chosen), pixels(second, chosen))


def test_a_fixed_window_is_applied_to_the_files_own_values_before_inversion(tmp_path):
    path = save_dicom(tmp_path / "a.dcm", RAMP, photometric="MONOCHROME1")
    expected = 255 * (1 - np.clip((RAMP - 500) / 1500, 0, 1))
    np.testing.assert_allclose(pixels(path, parse_window("500:2000")), expected, atol=0.51)


FUNCTIONS = {  # PS3.3, C.11.2.1.2 and C.11.2.1.3
    "LINEAR": lambda x: np.clip((x - (CENTRE - 0.5)) / (WIDTH - 1) + 0.5, 0, 1),
    "LINEAR_EXACT": lambda x: np.clip((x - CENTRE) / WIDTH + 0.5, 0, 1),
    "SIGMOID": lambda x: 1 / (1 + np.exp(-4 * (x - CENTRE) / WIDTH)),
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_window_of_a_file_is_obeyed_after_its_modality_values(tmp_path, function):
    tags = {"RescaleSlope": 2, "RescaleIntercept": -1000, "Modality": "CT", "VOILUTFunction": function}
    path = save_dicom(tmp_path / "a.dcm", RAMP, (CENTRE, WIDTH), **tags)
    np.testing.assert_allclose(pixels(path), 255 * FUNCTIONS[function](2 * RAMP - 1000), atol=0.51)
    assert formats.read_item(path).unit == "HU"


def test_a_table_of_brightness_is_obeyed(tmp_path):
    """A VOI LUT that doubles, of values from 1000 on."""
    table = pydicom.Dataset()
    table.add_new("LUTDescriptor", "US", [256, 1000, 8])
    table.add_new("LUTData", "US", [*range(0, 256, 2)] * 2)
    path = save_dicom(tmp_path / "a.dcm", np.tile(np.arange(984, 1016) + 60, (32, 1)), VOILUTSequence=[table])
    np.testing.assert_allclose(pixels(path)[0], 2 * (np.arange(984, 1016) + 60 - 1000) % 256, atol=1)


def test_without_a_window_each_file_has_its_own_and_padding_does_not_count(tmp_path):
    values, _ = twins(0)
    empty = values.copy()
    empty[:3] = 0
    path = save_dicom(tmp_path / "a.dcm", empty, PixelPaddingValue=0)
    low, high = values[3:].min(), values[3:].max()
    expected = 255 * (np.where(np.arange(32)[:, None] < 3, low, values) - low) / (high - low)
    np.testing.assert_allclose(pixels(path), expected, atol=0.51)


def test_eight_bits_stay_and_are_inverted(tmp_path):
    values = (RAMP / 16).astype(np.uint8)
    first, second = (
        save_dicom(tmp_path / f"{kind}.dcm", values, None, kind, 8) for kind in ("MONOCHROME2", "MONOCHROME1")
    )
    np.testing.assert_array_equal(pixels(first), values)
    np.testing.assert_array_equal(pixels(second), 255 - values)


def test_few_bits_are_black_and_white(tmp_path):
    masks = save_dicom(tmp_path / "a.dcm", (RAMP > 2000).astype(np.uint8), bits=1)
    assert set(np.unique(pixels(masks))) == {0, 255}


LOSSLESS = ["JPEGLosslessProcess14_1", "JPEGLSLossless", "JPEG2000Lossless", "RLELossless"]


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_compression_changes_no_value(tmp_path, name):
    gdcm = pytest.importorskip("gdcm")
    plain, packed = save_dicom(tmp_path / "a.dcm", twins(0)[0]), str(tmp_path / "b.dcm")
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(plain)
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, name)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFileName(packed)
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    assert formats.file_facts(packed)["compression"] != formats.file_facts(plain)["compression"]
    np.testing.assert_array_equal(formats.read_item(packed).values, formats.read_item(plain).values)


def test_pixels_that_are_no_squares_are_made_such(tmp_path):
    values, _ = twins(0)
    flat = values[::2]  # half the rows: pixels that are twice as high as wide
    raster = formats.read_item(save_dicom(tmp_path / "a.dcm", flat, PixelSpacing=[1.0, 0.5]))
    assert raster.values.shape == (32, 32)


def test_each_frame_is_an_item(tmp_path):
    frames = np.stack([np.full((16, 16), 100 * (i + 1)) for i in range(3)])
    frames[:, 0, 0] = 1000
    for label in "ab":
        (tmp_path / label).mkdir()
        save_dicom(tmp_path / label / f"{label}.dcm", frames + (label == "b"))
    found = own_data(tmp_path)
    assert [path.rpartition("#")[2] for path in found.table.path] == ["frame/0", "frame/1", "frame/2"] * 2
    assert list(found.table.label) == ["a"] * 3 + ["b"] * 3
    assert any("2 files hold several items" in note for note in found.notes)
    middle = formats.read_item(found.table.path[1])
    assert middle.values[5, 5] == 200 and middle.values.shape == (16, 16)


@pytest.mark.parametrize(("patients", "grouped"), [(3, True), (1, False), (12, False)])
def test_no_patient_is_in_two_parts_unasked(tmp_path, patients, grouped):
    """Where each class has several patients with several files; the table has no name of them."""
    for k, label in enumerate("ab"):
        (tmp_path / label).mkdir()
        for i in range(12):
            save_dicom(tmp_path / label / f"{i}.dcm", twins(20 * k + i)[0], PatientID=f"{label}{i % patients}")
    table = load_dataset(str(tmp_path)).table
    assert (table.group != "").all() == grouped
    assert not grouped or (table.group.nunique() == 6 and table.groupby("group").split.nunique().max() == 1)
    assert not table.group.str.contains("a0").any()


def test_a_file_without_an_ending_is_known_and_its_tags_are_told(tmp_path):
    values, _ = twins(0)
    path = save_dicom(tmp_path / "IM0001", values, Manufacturer="Maker", PatientID="007", KVP=120)
    facts = formats.file_facts(path)
    assert (facts["width"], facts["bits"], facts["channels"]) == (32, 12, 1)
    assert (facts["Manufacturer"], facts["KVP"]) == ("Maker", 120.0)
    assert facts["PatientID"] == dicom_files.patient_of(path) and "007" not in facts["PatientID"]


def cut(path):
    with open(path, "rb+") as file:
        file.truncate(file.seek(0, 2) - 500)


def without_pixels(path):
    found = pydicom.dcmread(path)
    for name in ("PixelData", "Rows", "Columns"):
        delattr(found, name)
    found.Modality = "SR"
    found.save_as(path)


def without_columns(path):
    found = pydicom.dcmread(path)
    del found.Columns
    found.save_as(path)


def directory(path):
    found = pydicom.dcmread(path)
    found.file_meta.MediaStorageSOPClassUID = found.SOPClassUID = pydicom.uid.MediaStorageDirectoryStorage
    found.save_as(path)


def no_dicom(path):
    with open(path, "wb") as file:
        file.write(b"nothing of the kind")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (cut, "cut short"),
        (without_pixels, r"without pixels \(SR\)"),
        (no_dicom, "no DICOM file"),
        (directory, "DICOMDIR"),
        (without_columns, "without pixels"),
    ],
)
def test_a_fault_is_listed_with_its_reason(tmp_path, change, words):
    path = save_dicom(tmp_path / "a.dcm", twins(0)[0])
    change(path)
    with pytest.raises(InputError, match=words):
        formats.read_item(path)
    assert isinstance(picture_files.try_decode(path, 32, 1), str)
    assert picture_files.picture_channels([path]) in (1, 3)  # whatever the head says, it is no traceback


def test_a_decoder_that_panics_is_a_reason(tmp_path, monkeypatch):
    """Decoders in Rust raise what is no Exception; Ctrl-C is none either, and stops all the same."""
    path, kinds = save_dicom(tmp_path / "a.dcm", twins(0)[0]), [type("PanicException", (BaseException,), {})]
    monkeypatch.setattr("pydicom.pixels.pixel_array", lambda *given, **options: raise_(kinds[0]("out of bounds")))
    assert "cannot be unpacked" in picture_files.try_decode(path, 32, 1)
    kinds[0] = KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        picture_files.try_decode(path, 32, 1)
    monkeypatch.setattr(pydicom, "dcmread", lambda *given, **options: raise_(pydicom.errors.BytesLengthException()))
    other = save_dicom(tmp_path / "b.dcm", twins(1)[0])
    assert "broken or cut short" in picture_files.try_decode(other, 32, 1)


def raise_(error):
    raise error


def test_without_pydicom_the_extra_is_named(tmp_path, monkeypatch):
    path = save_dicom(tmp_path / "a.dcm", twins(0)[0])
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pip install "xaae\[dicom\]"'):
        formats.read_item(path)


# ---- the files of pydicom's own tests -----------------------------------------------------------------------------

SAMPLES = {  # file -> (items, shape of the last, unit), or the reason why it cannot be read
    "CT_small.dcm": (1, (128, 128), "HU"),
    "JPEG-lossy.dcm": "12 bits.*pylibjpeg-libjpeg",
    "JPEG2000.dcm": (1, (1024, 256), ""),
    "MR_small.dcm": (1, (64, 64), ""),
    "MR_small_RLE.dcm": (1, (64, 64), ""),
    "MR_truncated.dcm": "cut short",
    "SC_rgb_jpeg_dcmtk.dcm": (1, (100, 100, 3), ""),
    "SC_rgb_rle_2frame.dcm": (2, (100, 100, 3), ""),
    "SC_rgb_small_odd.dcm": (1, (3, 3, 3), ""),
    "examples_overlay.dcm": (1, (300, 484), ""),
    "examples_palette.dcm": (1, (350, 800, 3), ""),
    "examples_rgb_color.dcm": (1, (240, 320, 3), ""),
    "examples_ybr_color.dcm": (30, (240, 320, 3), ""),
    "reportsi.dcm": r"without pixels \(SR\)",
}


@pytest.mark.real("dicom-samples")
@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_read_or_refused_with_the_right_reason(real, name):
    path, expected = str(real / "dicom-samples" / name), SAMPLES[name]
    if isinstance(expected, str):
        with pytest.raises(InputError, match=expected):
            formats.read_item(path)
        return
    items = formats.items_of(path)
    raster = formats.read_item(items[-1])
    assert (len(items), raster.values.shape, raster.unit) == expected
    assert pixels(items[-1]).std() > 1


@pytest.mark.real("dicom-samples")
def test_no_sample_is_without_a_word(real):
    assert {path.name for path in (real / "dicom-samples").glob("*.dcm")} == set(SAMPLES)


@pytest.mark.real("dicom-samples")
def test_compression_changes_no_value(real):
    plain, packed = (formats.read_item(str(real / "dicom-samples" / f"MR_small{end}.dcm")) for end in ("", "_RLE"))
    np.testing.assert_array_equal(plain.values, packed.values)


# ---- a run --------------------------------------------------------------------------------------------------------


def test_a_run_on_dicom_is_walked_and_predicts_twins_alike(tmp_path):
    """Half of each class is stored inverted: one model gives a file and its twin the same codes and answers."""
    folder, files = tmp_path / "scans", tmp_path / "twins"
    files.mkdir()
    for k, name in enumerate(("clear", "nodule")):
        (folder / name).mkdir(parents=True)
        for i in range(12):
            values, inverted = twins(20 * k + i, 300 + 500 * k)
            plain, other = ((values, (CENTRE, WIDTH)), (inverted, (4096 - CENTRE, WIDTH), "MONOCHROME1"))
            save_dicom(folder / name / f"IM{i:03d}", *(other if i % 2 else plain))
        save_dicom(files / f"{name}-plain", *plain)
        save_dicom(files / f"{name}-twin", *other)
    cut(save_dicom(folder / "clear" / "cut.dcm", values))
    out = tmp_path / "run"
    printed = succeed("train", *SMALL, "--epochs", 1, "--baseline-epochs", 0, "--dataset", folder, "--out", out)
    assert "24 pictures with more than 8 bits a value: by the window that their files say" in printed
    assert "cut short" in (out / "skipped.csv").read_text()
    succeed("navigate", out, *BRIEFLY)
    succeed("predict", out, files, "--samples", 2, "--out", tmp_path / "p.csv")
    answers = pd.read_csv(tmp_path / "p.csv").set_index("path")
    assert len(answers) == 4 and answers.error.isna().all()
    trained = open_trained_run(out)
    network, options = trained.model().eval(), reading_options(trained.kind, trained.config)
    for name in ("clear", "nodule"):
        pair = [str(files / f"{name}-{which}") for which in ("plain", "twin")]
        first, second = (answers.loc[path].filter(like="probability_") for path in pair)
        pd.testing.assert_series_equal(first, second, check_names=False)
        x, _ = read_pictures(pair, trained.config.input_size, 1, **options)
        codes = [network.encode(each[None].to(next(network.parameters()).device)) for each in x]
        assert torch.equal(*x) and torch.equal(*codes)
