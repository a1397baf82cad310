"""What facts of items are called, how their values are written, and whether a classifier can see them."""

import time
from dataclasses import dataclass

SEEN = "seen"  # in the values that a classifier gets
CONTENT = "content"  # it may follow from what the items show
SOURCE = "source"  # it says where items come from
ENDINGS = {  # how a sentence on a fact ends
    SEEN: "{reader} by it",
    CONTENT: "it may follow from what the items show; if not, {reader} by it",
    SOURCE: "no model sees it, but it says that items come from different sources, which may differ in what is seen",
    "": "if it can be seen in the items, {reader} by it",
}
WHO_SEES = {  # task -> who may go by a fact
    "classes": "a classifier can tell the classes",
    "severity": "a model can tell the severity",
    "labels": "a classifier can tell this label",
}
COLUMN = "column "  # with which facts of the user's own columns begin
DAY = 86400  # seconds
DATES = {"file date": "%Y-%m-%d", "date in EXIF": "%Y-%m-%d %H:%M"}  # fact -> how it is written
COPIED = "all files were written within a day, as by a copy"


@dataclass(frozen=True)
class FactAbout:
    """title: in a sentence. unit: of a number. shows: a key of ENDINGS. digits: of a number, after the point."""

    title: str
    shows: str = ""
    unit: str = ""
    digits: int = 0


ABOUT = {  # what is seen comes first: of facts that part the items alike the first is told
    "JPEG quality": FactAbout("JPEG quality", SEEN),
    "width": FactAbout("width", SEEN, "pixels"),
    "height": FactAbout("height", SEEN, "pixels"),
    "depth": FactAbout("depth", SEEN, "slices"),
    "aspect ratio": FactAbout("aspect ratio (width by height)", SEEN, digits=2),
    "bits": FactAbout("bit depth", SEEN, "bits"),
    "mode": FactAbout("colour mode", SEEN),
    "channels": FactAbout("number of channels", SEEN),
    "chroma subsampling": FactAbout("chroma subsampling of the JPEG", SEEN),
    "format": FactAbout("file format", SEEN),
    "rate": FactAbout("sampling rate", SEEN, "Hz"),
    "samples": FactAbout("length", SEEN, "samples"),
    "seconds": FactAbout("length", SEEN, "s", 1),
    "unit": FactAbout("unit", SEEN),
    "units": FactAbout("unit", SEEN),
    "colour profile": FactAbout("colour profile", SEEN),
    "progressive": FactAbout("progressive JPEG", SOURCE),
    "EXIF orientation": FactAbout("EXIF orientation", SOURCE),
    "camera": FactAbout("camera", SOURCE),
    "camera maker": FactAbout("maker of the camera", SOURCE),
    "software": FactAbout("software", SOURCE),
    "date in EXIF": FactAbout("date in EXIF", SOURCE),
    "resolution": FactAbout("resolution", SOURCE, "dots per inch"),
    "frames": FactAbout("number of frames", SOURCE),
    "file size": FactAbout("file size", CONTENT, "bytes"),
    "file date": FactAbout("file date", SOURCE),
    "file name": FactAbout("pattern of the file name", SOURCE),
}


def about_fact(name):
    """The FactAbout of a fact; of one that is not listed, such as a tag of a scanner, its own name."""
    if name in ABOUT:
        return ABOUT[name]
    bare = name.removesuffix(" given")
    if bare != name:
        title = about_fact(bare).title
        there_is = f"whether there is {_article(title)} {title}"
        return FactAbout(f"whether {title} is filled" if bare.startswith(COLUMN) else there_is, SOURCE)
    return FactAbout(f"the {name}" if name.startswith(COLUMN) else name)


def _article(noun):
    """ "a" or "an", by the noun's first letter."""
    return "an" if noun[:1].lower() in "aeiou" else "a"


def facts_in_order(facts):
    """Names of facts: those of ABOUT that are seen, then those that are not listed, then the others, in its order."""
    order = {name: (about.shows != SEEN, i) for i, (name, about) in enumerate(ABOUT.items())}
    return sorted(facts, key=lambda name: order.get(name, (True, -1)))


def fact_value(name, value):
    """A number of a fact as text: "95", "2021-03-04", "1.33", "24.5 kB"."""
    if name in DATES:
        return time.strftime(DATES[name], time.gmtime(value))
    if name == "file size":
        return f"{value / 1000:.3g} kB" if value < 1e6 else f"{value / 1e6:.3g} MB"
    about = about_fact(name)
    text = f"{value:.{about.digits}f}" if name in ABOUT and float(value).is_integer() else f"{value:.4g}"
    return f"{text} {about.unit}" if about.unit else text
