"""What can be refused before PyTorch is loaded, which takes seconds: by the typed words and a look at small data.

Most are callbacks of an option. The commands check again, and more, when they read what they were given.
"""

import ast
import os
from contextlib import suppress
from functools import cache
from pathlib import Path

from xaae.experiment.errors import InputError
from xaae.experiment.item_sizes import check_size, check_thesis_size
from xaae.experiment.kinds import KINDS, PICTURE, SIGNAL
from xaae.experiment.machine import command_line
from xaae.experiment.settings import arm_for, check_settings, is_own
from xaae.sources.folder_walk import files_below

DATA = Path(__file__).parents[1] / "data.py"  # importing it would load PyTorch
FEW, HEAVY = 500, 32 * 2**20  # files, and bytes in all of them, that can be looked at twice in a moment
AFTER_COLON = ("folder", "medmnist")  # names of datasets that need something after them, which tells what they hold


def check_run(ctx, param, path):
    """The path of a run. InputError if it is no run folder."""
    if path is not None and not (Path(path) / "config.json").is_file():
        from xaae.experiment.run_folder import open_run  # loads pandas, which a folder that is there need not wait for

        open_run(path, needs="config.json")
    return path


def check_trained(ctx, param, path):
    """The path of a run. InputError if it is no run folder, or one whose training is not finished."""
    path = check_run(ctx, param, path)
    if path and (Path(path) / "checkpoints").is_dir() and not (Path(path) / "train.json").is_file():
        from xaae.experiment.run_folder import CHECKPOINT  # loads pandas, see above

        if (Path(path) / CHECKPOINT).is_file():
            again = command_line(["train", "--resume", path])
            raise InputError(f"The training of {path} is not finished: if it was stopped, go on by `{again}`.")
    return path


def check_dataset(ctx, param, text):
    """The text of --dataset. InputError if it names no dataset and nothing on the disk."""
    names = _dataset_names()
    if text is None or text == "auto" or not names or text.partition(":")[0] in names or Path(text).exists():
        return text
    bare = [name for name in names if name not in AFTER_COLON]
    known = f"{', '.join(bare)}, auto, medmnist:NAME, or the path of a folder or CSV"
    raise InputError(f"There is no dataset {text!r}: use {known}.")


def check_item(path):
    """InputError if PATH is neither a file, nor a folder, nor an item FILE#ITEM of a file."""
    files = path, path.partition("#")[0], path.rpartition("#")[0]
    if path.strip() and not any(Path(each).exists() for each in files if each):
        raise InputError(f"There is no file or folder {path}: give a file, a folder or a CSV with a column path.")


def check_window(ctx, param, text):
    """The text of --window. InputError if it is no window."""
    if text not in (None, "file", "dataset"):
        from xaae.sources.raster_scaling import parse_window  # loads OpenCV, for which the usual words need not wait

        parse_window(text)
    return text


def check_cut(ctx, param, text):
    """The text of --cut. InputError if it is no way to cut recordings."""
    if text:
        from xaae.sources.signal_tables import parse_cut  # loads SciPy, for which others need not wait

        parse_cut(text)
    return text


def check_asked(settings):
    """InputError for settings that make no sense whatever the files hold.

    Of sizes that are wrong for pictures only where the name of the dataset says that it holds pictures.
    """
    if settings.size and settings.dataset in ("auto", *_picture_sets()):
        check_size(settings.size, PICTURE)
        if settings.architecture == "thesis":
            check_thesis_size(settings.size)
    check_settings(settings)
    if names := _dataset_names():
        arm_for(settings, is_own(settings.dataset, names))  # for what it refuses


def check_own(settings, classes=True):
    """InputError for a folder or file of the user's in which nothing can be found, or nothing to learn from.

    Only small ones are looked at, since the command looks again when it reads them. classes: must there be two?
    """
    names, path = _dataset_names(), Path(settings.dataset.removeprefix("folder:")).absolute()
    own = names and settings.dataset != "folder" and is_own(settings.dataset, names)  # "folder": the data root
    if not (own and path.exists()) or _is_large(path):
        return
    from xaae.sources.class_folders import own_data  # loads pandas and the readers of formats
    from xaae.sources.refusals import nothing_found, why_no_classes

    options = settings.slices, settings.cut, settings.outside_files
    found = own_data(path, tuple(settings.predict or ()), *options)
    if found.table.empty:
        raise InputError(nothing_found(settings.dataset, found))
    if classes and not settings.predict and (why := why_no_classes(settings.dataset, found.table, found)):
        raise InputError(why)
    if settings.size and found.kind != SIGNAL.name:
        check_size(settings.size, KINDS[found.kind])


def _is_large(path):
    """Are there more than FEW files below a folder, in a CSV or at a path, or more than HEAVY bytes in them?"""
    many, total = 0, 0
    for many, file in enumerate(_files_of_own(path), 1):
        with suppress(OSError):
            total += os.stat(file).st_size
        if many > FEW or total > HEAVY:
            return True
    return False


def _files_of_own(path):
    """The files below a folder, a CSV and the files that it lists, or the file at a path, one after the other."""
    if path.is_dir():
        yield from files_below(path)
        return
    yield path
    if path.suffix.lower() == ".csv" and path.stat().st_size <= HEAVY:
        from xaae.experiment.text_tables import read_user_table  # loads pandas

        yield from (path.parent / str(name) for name in read_user_table(path)[0].get("path", ()))


def planned_out(out, overwrite):
    """The folder that --out names; None if it is left out. InputError if it is taken or cannot be written."""
    if not out:
        return None
    from xaae.experiment.run_folder import plan_folder  # loads pandas, for which others need not wait

    return plan_folder(out, "", overwrite)


def _picture_sets():
    """Names of the datasets that hold pictures, as data.py has them; [] if its text does not tell."""
    others = [_written_in_data(name) for name in ("SIGNAL_SETS", "VOLUME_SETS")]
    if not all(isinstance(names, ast.Tuple) for names in others):
        return []
    known = {*AFTER_COLON, *(each.value for names in others for each in names.elts if isinstance(each, ast.Constant))}
    return [name for name in _dataset_names() if name not in known]


def _dataset_names():
    """The names that `DATASETS` of data.py holds, read off its text; [] if it is not written as a dict there."""
    written = _written_in_data("DATASETS")
    keys = written.keys if isinstance(written, ast.Dict) else []
    return [key.value for key in keys if isinstance(key, ast.Constant)]


def _written_in_data(name):
    """What data.py gives the name `name`, as it is written there; None if it does not."""
    for node in _statements(DATA.read_text(encoding="utf-8")):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return node.value
    return None


@cache
def _statements(text):
    """The statements of a program; a text is looked at once."""
    return ast.parse(text).body
