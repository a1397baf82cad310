"""Signals in every format that is read: one command each, to a report; ECG200 also beside its published reference.

python -m benchmarks.signals --data ../shared/data --out runs/signals            all of them
python -m benchmarks.signals --data ../shared/data --only ecg200 mitbih          real: ecg200, mitbih, beats, ptb, eeg;
                                                                                 made here: edf, ts, zarr, severity
What is made here is written to OUT/NAME-data; that of eeg from the raw numbers that matplotlib brings, whose example
says that they are 4 channels of 10 s. A recording of one person says no class (ptb, eeg): there it is learned when in
the recording an item begins. Each command of `python main.py` is printed as it is run, and a Markdown table of all runs
in OUT at the end. What is there is not made again. Scores are those of items held out by the run, or of the test part
where the data have one.
"""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from xaae.experiment.run_folder import read_json
from xaae.sources.synthbeats import CHANNEL, RATE, UNIT, draw_beats

MAIN = Path(__file__).resolve().parents[1] / "main.py"
BRIEF = ["--epochs", "30", "--baseline-epochs", "10"]  # half of the usual time, for formats of easy classes
BEATS = 600  # drawn items of a format; the EDF files have half as many


def evoked(label, rng):
    """A second of two channels of EEG (2, 200) in uV after a tone; a P300 follows a rare one."""
    fast = np.arange(200) / 200
    wave = lambda height, at, width: height * np.exp(-(((fast - at) / width) ** 2) / 2)  # noqa: E731
    early = wave(rng.uniform(-8, -4), 0.1, 0.02) + wave(rng.uniform(3, 7), 0.19, 0.03)
    late = wave(rng.uniform(8, 14) if label == "rare" else rng.uniform(0, 3), rng.uniform(0.32, 0.42), 0.06)
    return np.stack([share * (early + late) + rng.normal(0, 0.8, len(fast)) for share in (1, rng.uniform(0.5, 0.8))])


def make_edf(folder):
    """Two EDF+ recordings: two channels of EEG at 200 Hz and breathing at 25 Hz; a tone a second is the class."""
    import edfio

    rng = np.random.default_rng(5)
    folder.mkdir(parents=True)
    for name in ("first", "second"):
        labels = [("frequent", "rare")[i % 2] for i in range(BEATS // 4)]
        breath = 100 * np.sin(2 * np.pi * 0.27 * np.arange(25 * len(labels)) / 25) + rng.normal(0, 3, 25 * len(labels))
        channels = [*np.concatenate([evoked(label, rng) for label in labels], axis=1), breath]
        about = zip(("Cz", "Pz", "resp"), (200, 200, 25), ("uV", "uV", "mV"), strict=True)
        signals = [
            edfio.EdfSignal(values, rate, label=label, physical_dimension=unit)
            for values, (label, rate, unit) in zip(channels, about, strict=True)
        ]
        marks = [edfio.EdfAnnotation(i, 1, label) for i, label in enumerate(labels)]
        edfio.Edf(signals, annotations=marks).write(folder / f"{name}.edf")
    return folder


def make_ts(folder):
    """Drawn beats in the .ts of the UCR archive, with its own test part."""
    folder.mkdir(parents=True)
    values, table = draw_beats(BEATS, 1)
    for part, rows in (("TRAIN", slice(0, BEATS // 2)), ("TEST", slice(BEATS // 2, None))):
        head = ["@problemName Beats", "@univariate true", "@classLabel true notched smooth", "@data"]
        items = zip(values[rows, 0], table.label[rows], strict=True)
        lines = [f"{','.join(f'{v:.5g}' for v in item)}:{label}" for item, label in items]
        (folder / f"Beats_{part}.ts").write_text("\n".join([*head, *lines]) + "\n")
    return folder / "Beats_TRAIN.ts"


def make_zarr(folder):
    """Drawn beats in a Zarr group, the hearts that they are of as groups."""
    import zarr

    folder.mkdir(parents=True)
    values, table = draw_beats(BEATS, 2)
    group = zarr.open_group(folder / "beats.zarr", mode="w")
    for name, array in {"X": values, "y": table.label, "group": table.group}.items():
        group.create_array(name, data=np.asarray(array, None if name == "X" else str))
    group.attrs.update(fs=RATE, names=[CHANNEL], units=[UNIT])
    return folder / "beats.zarr"


def make_eeg(folder):
    """The EEG of matplotlib's example "MRI with EEG" as a CSV file, with the times and names that it gives them."""
    from matplotlib.cbook import get_sample_data

    folder.mkdir(parents=True)
    with get_sample_data("eeg.dat") as file:
        values = np.frombuffer(file.read(), float).reshape(800, 4)
    table = pd.DataFrame(values, columns=["PG3", "PG5", "PG7", "PG9"])
    table.assign(time=np.arange(800) / 80).to_csv(folder / "eeg.csv", index=False)
    return folder / "eeg.csv"


def make_severity(folder):
    """Drawn beats as CSV files and a table of the width of their QRS complex."""
    folder.mkdir(parents=True)
    values, table = draw_beats(2 * BEATS, 3)
    table["path"] = [f"{i:04d}.csv" for i in range(len(table))]
    for item, name in zip(values, table.path, strict=True):
        time = np.arange(item.shape[1]) / RATE
        pd.DataFrame({"time": time, f"{CHANNEL} ({UNIT})": item[0]}).to_csv(folder / name, index=False)
    table[["path", "qrs_ms"]].to_csv(folder / "items.csv", index=False)
    return folder / "items.csv"


PLAIN = [  # the plain code: its regression orders the items and is seen in the decoded beats
    *["--preset", "smoke", "--items", "1200", "--epochs", "40"],
    *["--classification-weight", "1", "--baseline-epochs", "4"],
]
WHEN = ["--target", "start_s", "--unit", "s"]  # when in its recording an item begins is learned
REAL = {  # name -> (its file under --data, what the command has beside it)
    "ecg200": ("ucr/ECG200/ECG200_TRAIN.arff", []),
    "mitbih": ("mitbih-100/100.hea", ["--balance", "loss"]),
    "beats": ("mitbih-100/beats_100_MLII.npz", ["--balance", "loss"]),
    "ptb": ("wfdb-samples/s0010_re.hea", ["--cut", "0.3:0.5", *WHEN, *BRIEF]),
}
MADE = {  # name -> (what makes its data and returns the path, what the command has beside it)
    "eeg": (make_eeg, ["--cut", "0.2", *WHEN]),
    "edf": (make_edf, ["--split", "stratified", *BRIEF]),
    "ts": (make_ts, BRIEF),
    "zarr": (make_zarr, BRIEF),
    "severity": (make_severity, ["--target", "qrs_ms", "--unit", "ms", *PLAIN]),
}
IN_FOLDER = {"eeg": "eeg.csv", "ts": "Beats_TRAIN.ts", "zarr": "beats.zarr", "severity": "items.csv"}  # what was made


def dataset(name, out, data):
    """(the path that `--dataset` gets, further options); made where it has to be made."""
    if name in REAL:
        file, more = REAL[name]
        return data / file, more
    make, more = MADE[name]
    folder = (out / f"{name}-data").absolute()
    return (folder / IN_FOLDER.get(name, "") if folder.exists() else make(folder)), more


def run(name, out, data):
    """Train, walk and report on one set, and evaluate its test part; the line of the table."""
    path, more = dataset(name, out, data)
    folder = out / name
    command = [str(MAIN), "--dataset", str(path), *more, "--out", str(folder)]
    print("python", shlex.join(command), flush=True)
    if not (folder / "report.html").exists():
        subprocess.run([sys.executable, *command], check=True)
    return row(name, folder, path)


SCORES = {"balanced_accuracy": "balanced accuracy", "spearman": "Spearman"}  # of classes, of a severity


def row(name, folder, path):
    """A line of the table: what was learned in which time, how it was decoded, what the walk changes."""
    found, counts = read_json(folder / "summary.json"), pd.read_csv(folder / "items.csv").split.value_counts()
    part = "test" if "test" in counts else "valid"
    seconds = read_json(folder / "train.json")
    key = next(each for each in SCORES if found["aae"].get(f"valid_{each}") is not None)
    scores = held_out_scores(folder) if part == "test" else found
    cells = [name, f"{counts['train']} / {counts[part]}"]
    for model in ("aae", "baseline"):
        prefix = "" if part == "test" else "valid_"
        cells.append(f"{SCORES[key]} {scores[model][prefix + key]:.3f} ({seconds[model]['seconds']:.0f} s)")
    named = found["naming"][found["walk"]["direction"]]["named"]
    cells += [f"{found['aae']['recon_mse']:.4f}", ", ".join(named) or "nothing"]
    return f"| {' | '.join([*cells, nearest_neighbour(path) if name == 'ecg200' else ''])} |"


def held_out_scores(folder):
    """{model: scores} of the test part, by `python main.py evaluate`."""
    if not (folder / "evaluate.json").exists():
        subprocess.run([sys.executable, str(MAIN), "evaluate", str(folder), "--split", "test"], check=True)
    return read_json(folder / "evaluate.json")


def nearest_neighbour(path):
    """A sentence on 1-NN by dynamic time warping on the test part, which the archive publishes an error of 0.23 for."""
    from scipy.io import arff

    parts = []
    for file in (path, path.with_name(path.name.replace("TRAIN", "TEST"))):
        values = pd.DataFrame(arff.loadarff(file)[0])
        parts.append((values.iloc[:, :-1].to_numpy(float), values.iloc[:, -1].to_numpy()))
    (train, labels), (test, truth) = parts
    nearest = warped_distances(test, train).argmin(1)
    return f"1-NN with DTW: accuracy {(labels[nearest] == truth).mean():.3f}"


def warped_distances(a, b):
    """Squared distances (A, B) between series a (A, T) and b (B, T) under dynamic time warping, with no limit to it."""
    cost = (a[:, None, :, None] - b[None, :, None, :]) ** 2
    total = np.full((len(a), len(b), a.shape[1] + 1, b.shape[1] + 1), np.inf, np.float32)
    total[:, :, 0, 0] = 0
    for i in range(1, total.shape[2]):
        for j in range(1, total.shape[3]):
            before = np.minimum(total[:, :, i - 1, j], np.minimum(total[:, :, i, j - 1], total[:, :, i - 1, j - 1]))
            total[:, :, i, j] = cost[:, :, i - 1, j - 1] + before
    return total[:, :, -1, -1]


def main():
    """Make the runs that are asked for and print their table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("runs/signals"))
    parser.add_argument("--only", choices=[*REAL, *MADE], nargs="+", default=[*REAL, *MADE])
    args = parser.parse_args()
    lines = [run(name, args.out, args.data.absolute()) for name in args.only]
    titles = ["data", "trained / held out", "AAE", "1-D ResNet", "MSE", "the walk names", "beside it"]
    print("\n".join([f"| {' | '.join(titles)} |", "|---" * len(titles) + "|", *lines]))


if __name__ == "__main__":
    main()
