"""Laws of every page: it is whole, leads nowhere outside, and shows text as text."""

import re
from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
ADDRESSES = {"src", "href", "srcset", "action", "formaction", "data", "poster", "background", "xlink:href"}
FORBIDDEN = {"link", "iframe", "object", "embed", "base", "frame", "applet"}  # tags that load something
POINTERS = {"for", "aria-labelledby", "aria-describedby", "aria-controls"}  # attributes that hold ids
HOSTILE = "<script>alert('x')</script>&\""  # a name that must stay a name


class Page(HTMLParser):
    """A page taken apart: its tags in order, its ids, what its attributes point to, its text and its styles.

    Fails where a tag is closed that is not open, or is left open.
    """

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.ids, self.pointers = [], [], [], []
        self.addresses, self.classes, self.unnamed = [], [], []
        self.text, self.code, self.styles = [], [], []
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        found = dict(attributes)
        assert len(found) == len(attributes), f"an attribute twice in <{tag} {attributes}>"
        self.tags.append(tag)
        self.ids += [found["id"]] if "id" in found else []
        self.pointers += [name for key in POINTERS & set(found) for name in found[key].split()]
        self.addresses += [(tag, found[key] or "") for key in ADDRESSES & set(found)]
        self.classes += (found.get("class") or "").split()
        self.styles += [found["style"]] if "style" in found else []
        self.unnamed += [tag] if tag == "img" and not found.get("alt") else []
        self.text += [found[key] for key in ("alt", "title", "aria-label") if found.get(key)]

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]} at {self.getpos()}"
        self.open.pop()

    def handle_data(self, data):
        kinds = {"style": self.styles, "script": self.code}
        kinds.get(self.open[-1] if self.open else "", self.text).append(data)

    @property
    def words(self):
        """Everything that a reader or a screen reader meets, on one line."""
        return " ".join(" ".join(self.text).split())


def check_page(text, outside=()):
    """The Page of a text that keeps the laws. outside: addresses that it may hold, as text."""
    page = Page(text)
    assert text.startswith("<!doctype html>") and page.tags.count("h1") == 1 and page.tags.count("main") == 1
    assert len(set(page.ids)) == len(page.ids), "an id stands twice"
    links = [address[1:] for _, address in page.addresses if address.startswith("#")]
    assert not set(links + page.pointers) - set(page.ids), "an id that there is not"
    _check_addresses(page, outside)
    assert not page.unnamed, "a picture without words for those who cannot see it"
    assert not re.search(r"\b(?:None(?! of these)|nan|NaN|undefined|Undefined)\b|\{\{|\{%", page.words), (
        "a value that is none"
    )
    return page


def _check_addresses(page, outside):
    """Everything that the page loads is inside it."""
    assert not FORBIDDEN & set(page.tags)
    strange = [address for _, address in page.addresses if not address.startswith(("#", "data:image/"))]
    assert not strange, strange
    styles = "\n".join(page.styles)
    assert all(target.strip("'\" ").startswith("data:") for target in re.findall(r"url\(([^)]*)\)", styles))
    assert not re.search(r"@import|@font-face", styles)
    found = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+", "\n".join([*page.text, *page.code, *page.styles])))
    assert found <= set(outside), found


def sections(text):
    """{id: the text of the section} of a page."""
    return dict(re.findall(r'<section id="([\w-]+)"(.*?)</section>', text, re.DOTALL))


def words_of(page):
    """What a reader sees of a page: its text and labels, without styles, scripts and embedded files."""
    bare = re.sub(r"<(style|script)\b.*?</\1>|data:[^\"']*", "", page, flags=re.S)
    labels = re.findall(r'(?:alt|title|aria-label)="([^"]*)"', bare)
    return " ".join(re.sub(r"<[^>]*>", "", bare).split() + labels)
