"""What a run folder holds that this project wrote, so that nothing of the user's is ever removed.

Every command that fills a run folder adds two lines to the folder's `manifest.jsonl`: when it begins, the files that
were there and are not known as written; when it ends, the files that it wrote. Lines are only ever added, so that
commands may work side by side, and one that was killed leaves what is needed to tell its files from the user's.
"""

import json
import os
import re
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from xaae.experiment.errors import InputError

try:
    import fcntl
except ImportError:  # no such locks on this system: commands side by side do not know of each other
    fcntl = None

FILE = "manifest.jsonl"
NAMES = (  # regular expressions of every file that some version of this project writes, relative to the run folder
    r"(config|train|navigate|explain|evaluate|unknown|summary|tutorial|scan)\.json",
    r"(items|skipped|(baseline_)?history(_\w+)?|correlations|positions|predictions)\.csv",
    r"(model|baseline|convnet)\.safetensors",
    r"(latents|directions|counterfactuals|exemplars|impact|maps|shap)\.npz",
    r"(counterfactuals|exemplars|impact|maps|unknown|scan|curves|evaluation_(aae|baseline)|shap_(items|picture))\.png",
    r"(report|unknown|scan)\.html",
    r"train\.log",
    r"((network|part)-scan/)?scan/(\w+\.png|strips\.npz)",
    r"(network|part)-scan/scan\.(json|png|html)",
    r"samples/epoch_\d+\.png",
    r"checkpoints/([\w-]+\.pth|(training|side)\.safetensors|tmp\w+/_tmp\.pth)",
    r"walks/(part-)?(random|lda|logistic|head|means|severity|gradient|led_(gradient_)?(aae|baseline|network)|(pca|dim)_\d+|target_.+)(\..+)?\.(npz|png|gif|mp4)",
    r"interpolations/\d+-\d+-(linear|spherical)\.(npz|png|gif|mp4)",
    r"explanations/(.+/)?((response|status|quality_(aae|baseline))\.csv|explain\.log|(gradcam|items|tiles_[^/]+)\.npz)",
    r"explanations/(.+/)?(side_by_side_[^/]+\.png|\.work-.+)",
    r"explanations/(.+/)?maps/[^/]+-[^/]+\.(npz|png|nii|nii\.gz)",
    r"(.+/)?[\w.-]+\.part",
    r"\.(report|unknown)\.html\.\d+\.tmp",
)
_NAME = re.compile("|".join(f"(?:{name})" for name in NAMES))


def written_files(folder):
    """Files in a run folder that this project wrote: sorted paths relative to it.

    Those of the manifest; in a run without one, made by an earlier version, those that are called like its files. What
    a command wrote that was killed is told by its name too, unless it was there before.
    """
    folder = Path(folder)
    there, (wrote, before) = _names_in(folder), _read(folder)
    return sorted(n for n in there if n in wrote or (_NAME.fullmatch(n) and any(n not in old for old in before)))


def other_files(folder):
    """Files in a run folder that this project did not write: sorted paths relative to it."""
    return sorted(_names_in(Path(folder)) - set(written_files(folder)))


def remove_written(folder):
    """Remove what this project wrote in a run folder, and folders that this leaves empty; the manifest begins anew."""
    folder = Path(folder)
    for name in written_files(folder):
        (folder / name).unlink(missing_ok=True)
    for place, _, _ in os.walk(folder, topdown=False):
        if Path(place) != folder and not os.listdir(place):
            os.rmdir(place)
    if (folder / FILE).exists():
        os.truncate(folder / FILE, 0)


@contextmanager
def recording(folder, run=None):
    """Note in the manifest of a run folder what is written there meanwhile. InputError if the folder cannot be written.

    run: nothing is noted where `folder` does not lie in this run folder, None for `folder` itself.
    """
    run = Path(folder if run is None else run)
    if not Path(folder).absolute().is_relative_to(run.absolute()):
        yield
        return
    with _opened(run, alone=False) as manifest, _noting(manifest, run):
        yield


@contextmanager
def replacing(folder, check, kept=""):
    """Remove what this project wrote in a folder and note what is written there anew; nobody else may write meanwhile.

    check(): called first, it raises if the folder must not be used after all. What was begun is removed again if the
    user's settings or the disk end it, unless there is the file `kept` to go on from. InputError if the folder cannot
    be written, or somebody writes there.
    """
    with _opened(folder, alone=True) as manifest:
        check()
        remove_written(folder)
        try:
            with _noting(manifest, folder):
                yield
        except (InputError, OSError):
            if not (kept and (folder / kept).is_file()):
                remove_written(folder)
            raise


@contextmanager
def continuing(folder):
    """Note in the manifest of a run folder what is written there; nobody else may write meanwhile, nothing is removed.

    InputError if the folder cannot be written, or somebody writes there.
    """
    with _opened(folder, alone=True) as manifest, _noting(manifest, folder):
        yield


@contextmanager
def _noting(manifest, folder):
    """Two lines in an open manifest: what was there before, and what was written meanwhile."""
    mark, before, ours = uuid4().hex, _states_in(folder), set(written_files(folder))
    others = sorted(set(before) - ours)
    _add(manifest, {"began": mark, "others": others, "wrote": sorted(ours - _read(folder)[0])})
    try:
        yield
    finally:
        after = _states_in(folder)
        wrote = [name for name in after if _NAME.fullmatch(name) and after[name] != before.get(name)]
        _add(manifest, {"ended": mark, "wrote": sorted(wrote)})


@contextmanager
def _opened(folder, alone):
    """The manifest, open to be added to and locked: for one writer alone, or for many."""
    try:
        manifest = open(folder / FILE, "a", encoding="utf-8")  # noqa: SIM115  (closed below)
    except OSError as e:
        raise InputError(f"{folder} cannot be written ({e.strerror}): choose another folder, or free this one.") from e
    with manifest:
        try:
            if fcntl:
                fcntl.flock(manifest, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"Another command is writing into {folder}: wait until it has ended, or choose another --out."
            ) from None
        except OSError:
            pass  # a disk without locks
        yield manifest


@contextmanager
def locked(path, wait=True):
    """Have a lock file for oneself alone; wait while another process has it. It is free again when its process ends.

    wait: else BlockingIOError if another process has it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _acquired(path, wait):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _acquired(path, wait):
    """The open file that is now at `path`, locked: whoever had the lock before has removed his file."""
    while True:
        file = open(path, "a")  # noqa: SIM115  (closed by the caller)
        if not fcntl:
            return file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            file.close()
            raise
        except OSError:
            pass  # a disk without locks
        with suppress(OSError):
            if os.path.samestat(os.stat(path), os.fstat(file.fileno())):
                return file
        file.close()


def _add(manifest, line):
    """One more line, whole."""
    manifest.write(json.dumps(line) + "\n")
    manifest.flush()


def _read(folder):
    """(names of files that are listed as written, [files that were there when a command began that never ended]).

    Without a manifest: nothing is listed, and nothing is known to have been there before.
    """
    try:
        texts = (folder / FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set(), [()]
    lines = [line for text in texts if isinstance(line := _parse(text), dict)]
    if not lines:
        return set(), [()]
    ended = {line.get("ended") for line in lines}
    wrote = {name for line in lines for name in line.get("wrote", ())}
    return wrote, [set(line["others"]) for line in lines if line.get("began", None) not in ended and "others" in line]


def _parse(text):
    """A line as JSON; None for one that was cut off."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _states_in(folder):
    """{name: what changes when a file is written} of all files in a folder, the manifest left out."""
    found = {}
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names):
            try:
                state = path.lstat()
            except OSError:  # gone meanwhile
                continue
            found[path.relative_to(folder).as_posix()] = (state.st_mtime_ns, state.st_size, state.st_ino)
    found.pop(FILE, None)
    return found


def _names_in(folder):
    """Names of all files in a folder, the manifest left out."""
    return set(_states_in(folder))
