"""Small files of signals in every format that is read."""

import numpy as np

RATE = 100.0


def pulses(n, samples=64, channels=1, seed=0):
    """(values (n, C, T) float32 of one pulse each, narrow or wide in turn, in two channels' heights; labels (n,))."""
    rng, time = np.random.default_rng(seed), np.arange(samples)
    width = np.where(np.arange(n) % 2, samples / 10, samples / 30)
    place = rng.uniform(0.3, 0.7, n) * samples
    shape = np.exp(-(((time - place[:, None]) / width[:, None]) ** 2) / 2)
    values = shape[:, None] * np.arange(1, channels + 1)[:, None] + 0.01 * rng.normal(size=(n, channels, samples))
    return values.astype(np.float32), np.array(["narrow", "wide"])[np.arange(n) % 2]


def save_edf(path, channels, rates, units=None, annotations=()):
    """An EDF+ (or by its ending BDF+) file; annotations (seconds, duration or None, text)."""
    import edfio

    make = edfio.BdfSignal if str(path).endswith(".bdf") else edfio.EdfSignal
    whole = edfio.Bdf if str(path).endswith(".bdf") else edfio.Edf
    units = units or ["uV"] * len(channels)
    signals = [
        make(np.asarray(values, float), rate, label=f"C{i}", physical_dimension=unit)
        for i, (values, rate, unit) in enumerate(zip(channels, rates, units, strict=True))
    ]
    whole(signals, annotations=[edfio.EdfAnnotation(*each) for each in annotations]).write(path)
    return path


def heartbeats(rate, seconds=16):
    """(an ECG (T,) in mV with a beat every 0.8 s, the samples of its beats)."""
    at = (np.arange(0.6, seconds - 0.6, 0.8) * rate).round().astype(int)
    time = (np.arange(round(seconds * rate)) - at[:, None]) / rate
    waves = ((0.1, -0.16, 0.02), (1.0, 0.0, 0.012), (-0.2, 0.03, 0.01), (0.25, 0.25, 0.04))  # height, place, width
    ecg = sum(high * np.exp(-(((time - place) / width) ** 2) / 2) for high, place, width in waves).sum(0)
    return ecg + 0.005 * np.random.default_rng(0).normal(size=ecg.shape), at


def save_record(folder, name, values, rate=RATE, units="mV", beats=(), names=None):
    """A WFDB record of values (C, T) and, where there are beats (sample, symbol), its annotator .atr."""
    import wfdb

    names = names or [f"L{i}" for i in range(len(values))]
    form = {"fmt": ["16"] * len(values), "units": [units] * len(values), "sig_name": names}
    wfdb.wrsamp(name, fs=rate, p_signal=np.asarray(values, float).T, write_dir=str(folder), **form)
    if len(beats):
        places, symbols = zip(*beats, strict=True)
        wfdb.wrann(name, "atr", np.array(places), symbol=list(symbols), write_dir=str(folder))
    return folder / f"{name}.hea"


def save_zarr(path, rate=RATE, **arrays):
    """A Zarr group of arrays, with the rate in its attributes."""
    import zarr

    group = zarr.open_group(path, mode="w")
    for name, values in arrays.items():
        group.create_array(name, data=np.asarray(values))
    group.attrs["fs"] = rate
    return path


def save_ts(path, values, labels, about="@classLabel true narrow wide"):
    """Items (N, C, T) in sktime's and aeon's .ts."""
    lines = ["# made by a test", "@problemName made", about, "@data"]
    for item, label in zip(values, labels, strict=True):
        lines.append(":".join([",".join(f"{v:.6g}" for v in channel) for channel in item] + [str(label)]))
    path.write_text("\n".join(lines) + "\n")
    return path


def save_arff(path, values, labels):
    """Items (N, C, T) in Weka's .arff: of one channel a number for each sample, of several a relational attribute."""
    classes = "{" + ",".join(sorted(set(labels))) + "}"
    if values.shape[1] == 1:
        head = [f"@attribute a{i} numeric" for i in range(values.shape[2])] + [f"@attribute target {classes}"]
        rows = [",".join([f"{v:.6g}" for v in x[0]] + [label]) for x, label in zip(values, labels, strict=True)]
    else:
        head = ["@attribute series relational", "@attribute a numeric", "@end series", f"@attribute target {classes}"]
        texts = ["\\n".join(",".join(f"{v:.6g}" for v in channel) for channel in x) for x in values]
        rows = [f"'{text}',{label}" for text, label in zip(texts, labels, strict=True)]
    path.write_text("\n".join(["% made by a test", "@relation made", *head, "@data", *rows]) + "\n")
    return path


def save_lines(path, values, labels, divider="\t"):
    """Items (N, 1, T), one a line, the class first, as the UCR archive has them; shorter ones are filled with NaN."""
    rows = [divider.join([str(label), *(f"{v:.6g}" for v in x[0])]) for x, label in zip(values, labels, strict=True)]
    path.write_text("\n".join(rows) + "\n")
    return path


def save_csv(path, values, rate=RATE, unit="mV"):
    """One recording (C, T) in a CSV file: a column of time, then the channels with their unit."""
    names = ["time", *(f"L{i} ({unit})" for i in range(len(values)))]
    rows = [",".join([f"{t / rate:.6f}", *(f"{v:.6g}" for v in column)]) for t, column in enumerate(values.T)]
    path.write_text("\n".join([",".join(names), *rows]) + "\n")
    return path


def class_folder(folder, n=6, save=None, **about):
    """A folder CLASS/FILE of pulses, as .npy unless `save` (path without ending, values (C, T)) writes them."""
    values, labels = pulses(n, **about)
    for i, (item, label) in enumerate(zip(values, labels, strict=True)):
        (folder / label).mkdir(parents=True, exist_ok=True)
        place = folder / label / f"{i:03d}"
        save(place, item) if save else np.save(place, item)
    return folder
