"""One run for each format and target, on data made here: are they read, learned and shown as they are?

python -m benchmarks.formats --out runs/formats                    all of them
python -m benchmarks.formats --out runs/formats --only dicom       one: dicom, nifti, png16, labels, severity, volumes,
                                                                   nifti-volumes
Each makes its folder OUT/NAME-data, gives `python main.py` that folder (the command is printed), and writes OUT/NAME,
with its report. A Markdown table of all runs in OUT is printed at the end. What is made is not made again.
"""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from xaae.experiment.run_folder import read_json
from xaae.sources.items import reading_options
from xaae.sources.path_lists import read_pictures
from xaae.sources.synthpets import draw_pictures
from xaae.training.trained_run import open_trained_run

MAIN = Path(__file__).resolve().parents[1] / "main.py"
BRIEF = ["--preset", "smoke", "--no-pretrained", "--size", "32", "--items", "1200"]
BRIEF += ["--epochs", "12", "--baseline-epochs", "3"]
PETS, SIZE = 1200, 48  # drawn pictures of a format that has pictures of its own, pixels a side
VOLUMES, SIDE = 48, 40  # volumes that are cut into slices, voxels a side
BODIES, HEADS = 480, 120  # volumes that are items, in an archive and as NIfTI
ARCHIVE = "bodies.npz"


def grey(n=PETS, seed=1):
    """Drawn pets as light alone: ((n, SIZE, SIZE) in [0, 1], their table)."""
    pictures, table = draw_pictures(n, SIZE, seed)
    return pictures.mean(axis=3) / 255, table


def class_folders(folder, labels):
    """Make a folder for each label; the path of each item without its suffix."""
    for name in set(labels):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return [folder / name / f"{i:04d}" for i, name in enumerate(labels)]


def save_dicom(path, stored, photometric, centre, width):
    """Write stored values (H, W) of 12 bits as a DICOM file with a window."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation as XRAY
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID, file.SOPInstanceUID, file.Modality = XRAY, generate_uid(), "DX"
    file.Rows, file.Columns = stored.shape
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, photometric
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 12, 11, 0
    file.WindowCenter, file.WindowWidth = centre, width
    file.PixelData = stored.astype(np.uint16).tobytes()
    file.save_as(path, enforce_file_format=True)


def make_dicom(folder):
    """12-bit MONOCHROME1 files with a window; beside them, in FOLDER-twins, the same as MONOCHROME2."""
    light, table = grey()
    stored = (500 + 2000 * light).round()
    twins = folder.with_name(f"{folder.name}-twins")
    places = class_folders(folder, table.label), class_folders(twins, table.label)
    for values, path, twin in zip(stored, *places, strict=True):
        save_dicom(twin.with_suffix(".dcm"), values, "MONOCHROME2", 1500, 2001)
        save_dicom(path.with_suffix(".dcm"), 4095 - values, "MONOCHROME1", 4096 - 1500, 2001)


def make_png16(folder):
    """16-bit PNGs that use an eighth of their range."""
    light, table = grey()
    for values, path in zip(light, class_folders(folder, table.label), strict=True):
        Image.fromarray((20_000 + 8_000 * values).round().astype(np.uint16)).save(path.with_suffix(".png"))


def make_nifti(folder, volumes=VOLUMES):
    """Heads as ellipsoids with a dark chamber in the middle, wide in the class "wide"; noise; drawn positions."""
    import nibabel

    rng = np.random.default_rng(3)
    labels = ["narrow", "wide"] * (volumes // 2)
    places = np.stack(np.meshgrid(*[np.linspace(-1, 1, SIDE)] * 3, indexing="ij"))
    for label, path in zip(labels, class_folders(folder, labels), strict=True):
        centre = rng.uniform(-0.08, 0.08, (3, 1, 1, 1))
        head, chamber = (
            (((places - centre) / np.reshape(radii, (3, 1, 1, 1))) ** 2).sum(0) < 1
            for radii in (
                rng.uniform(0.75, 0.85, 3),
                np.array([0.14 + 0.2 * (label == "wide"), 0.45, 0.5]) * rng.uniform(0.9, 1.1),
            )
        )
        values = 900.0 * head - 500.0 * chamber + rng.normal(0, 40, head.shape) * head
        nibabel.save(nibabel.Nifti1Image(values.astype(np.float32), np.diag([4, 4, 4, 1])), f"{path}.nii.gz")


def make_heads(folder):
    """As many of them as whole volumes need, which are one item each."""
    make_nifti(folder, HEADS)


def draw_bodies(n, side, seed):
    """Volumes (n, side, side, side) uint8 and their classes: bodies with a bright spot, long from head to feet or flat.

    A body is a pale ellipsoid with a spine at its back; it and the spot lie a little elsewhere in each volume. Spots of
    both classes are about as large.
    """
    rng, labels = np.random.default_rng(seed), np.arange(n) % 2
    places = np.stack(np.meshgrid(*[(2 * np.arange(side) + 1) / side - 1] * 3, indexing="ij"))

    def ellipsoid(centre, radii):
        far = (((places - np.reshape(centre, (3, 1, 1, 1))) / np.reshape(radii, (3, 1, 1, 1))) ** 2).sum(0) ** 0.5
        return 1 / (1 + np.exp(np.clip(6 * side * (far - 1) * min(radii) / 4, -30, 30)))

    def body(label):
        at, spot = rng.uniform(-0.05, 0.05, 3), rng.uniform(-0.08, 0.08, 3)
        shape = np.array([0.22, 0.36, 0.36] if label else [0.56, 0.22, 0.22]) * rng.uniform(0.9, 1.1, 3)
        light = 0.35 * ellipsoid(at, rng.uniform(0.9, 1.1, 3) * (0.85, 0.62, 0.75))
        light = np.maximum(light, 0.6 * ellipsoid(at + (0, 0.52, 0), (0.9, 0.12, 0.12)))
        return np.maximum(light, 0.9 * ellipsoid(at + spot, shape)) + rng.normal(0, 0.02, light.shape)

    return np.stack([np.round(255 * np.clip(body(label), 0, 1)).astype(np.uint8) for label in labels]), labels


def make_volumes(folder):
    """A 3-D archive in MedMNIST's keys, 28 voxels a side, with its own splits."""
    volumes, labels = draw_bodies(BODIES, 28, 4)
    names, ends = ("train", "val", "test"), (0, BODIES * 4 // 6, BODIES * 5 // 6, BODIES)
    arrays = {f"{name}_images": volumes[a:b] for name, a, b in zip(names, ends[:-1], ends[1:], strict=True)}
    arrays |= {f"{name}_labels": labels[a:b, None] for name, a, b in zip(names, ends[:-1], ends[1:], strict=True)}
    folder.mkdir(parents=True)
    np.savez_compressed(folder / ARCHIVE, **arrays)


def save_coloured(folder):
    """Drawn pets as PNGs in colour: their table with column path."""
    pictures, table = draw_pictures(PETS, SIZE, 1)
    folder.mkdir(parents=True)
    table["path"] = [f"{i:04d}.png" for i in range(PETS)]
    for pixels, name in zip(pictures, table.path, strict=True):
        Image.fromarray(pixels).save(folder / name)
    return table


def make_labels(folder):
    """A CSV of three labels, dog, striped and bright background; a fifth of the cells is blank."""
    table = save_coloured(folder)
    bright = table.background_lightness > table.background_lightness.median()
    labels = pd.DataFrame({"dog": table.label == "dog", "striped": table.pattern == "stripes", "bright": bright})
    blank = np.random.default_rng(2).random(labels.shape) < 0.2
    pd.concat([table.path, labels.astype(int).mask(blank).astype("Int64")], axis=1).to_csv(
        folder / "items.csv", index=False
    )


def make_severity(folder):
    """A CSV with the size of each animal."""
    table = save_coloured(folder)
    table[["path", "scale"]].to_csv(folder / "items.csv", index=False)


def twin_difference(run, data):
    """A sentence on the largest difference of a code between held-out files and their twins."""
    trained = open_trained_run(run)
    paths = trained.table.path[trained.table.split == "valid"][:100]
    options = reading_options(trained.kind, trained.config)
    codes = []
    for folder in (data, data.with_name(f"{data.name}-twins")):
        again = [str(folder / Path(p).parent.name / Path(p).name) for p in paths]
        x, _ = read_pictures(again, trained.config.input_size, trained.config.input_channels, **options)
        with torch.inference_mode():
            codes.append(trained.model().eval().encode(x))
    largest = float((codes[0] - codes[1]).abs().max())
    return f"codes of {len(paths)} held-out files and of their inverted twins differ by {largest:.2g} at most"


FORMATS = {  # name -> (what makes its data, what the command has beside them)
    "dicom": (make_dicom, []),
    "nifti": (make_nifti, ["--slices", "axial"]),
    "png16": (make_png16, ["--window", "dataset"]),
    "labels": (make_labels, ["--target", "dog,striped,bright"]),
    "severity": (make_severity, ["--target", "scale", "--classification-weight", "1"]),
    "volumes": (make_volumes, ["--size", "28", "--epochs", "30"]),
    "nifti-volumes": (make_heads, ["--slices", "none", "--size", "28", "--epochs", "30"]),
}


def run(name, out):
    """Make the data and train, walk and report on them; the line of the table."""
    make, more = FORMATS[name]
    data, folder = (out / f"{name}-data").absolute(), out / name
    if not data.exists():
        make(data)
    dataset = next((file for name in ("items.csv", ARCHIVE) if (file := data / name).exists()), data)
    command = [str(MAIN), *BRIEF, "--dataset", str(dataset), *more, "--out", str(folder)]
    print("python", shlex.join(command), flush=True)
    if not (folder / "report.html").exists():
        subprocess.run([sys.executable, *command], check=True)
    return row(name, folder, data)


SCORES = {"valid_accuracy": "accuracy", "valid_auroc": "AUROC", "valid_spearman": "Spearman"}  # of classes, labels, ...


def row(name, folder, data):
    """A line of the table: what was read, how well it was learned and decoded."""
    found, counts = read_json(folder / "summary.json"), pd.read_csv(folder / "items.csv").split.value_counts()
    key = next(each for each in SCORES if found["aae"].get(each) is not None)
    cells = [name, f"{counts['train']} / {counts['valid']}"]
    cells += [f"{SCORES[key]} {found[model][key]:.3f}" for model in ("aae", "baseline")]
    cells += [f"{found['aae']['recon_mse']:.4f}", twin_difference(folder, data) if name == "dicom" else ""]
    return f"| {' | '.join(cells)} |"


def main():
    """Make the runs that are asked for and print their table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/formats"))
    parser.add_argument("--only", choices=FORMATS, nargs="+", default=list(FORMATS))
    args = parser.parse_args()
    lines = [run(name, args.out) for name in args.only]
    print("\n".join(["| data | trained / held out | AAE | baseline | MSE | |", "|---" * 6 + "|", *lines]))


if __name__ == "__main__":
    main()
