"""Draw docs/architecture.svg from the imports in the code: `python docs/diagram.py`.

Rooms are boxes in layers. An arrow leads up from a room to a room that imports it. Arrows that others imply (from
`data` to `audit` where one leads from `data` to `training` and on to `audit`) are not drawn: the box says "also" and
names the room instead. `experiment`, which every room may import, is the ground. An import that breaks the law of
layers is drawn in red.
"""

import ast
from html import escape
from pathlib import Path
from textwrap import wrap

HOME = Path(__file__).resolve().parents[1]
FILE = HOME / "docs" / "architecture.svg"
GROUND = "experiment"
LAYERS = (  # from top to bottom; a room imports only rooms of layers below its own. room: (column, what it does)
    ("door", {"main": (1, "names the commands")}),
    ("commands", {"cli": (1, "one file a command")}),
    ("answers", {"app": (0, "a page that explores a run"), "evaluation": (1, "how good a model is"),
                 "audit": (2, "which explanation reveals a bias")}),
    ("scan", {"scan": (1, "which factors a classifier goes by")}),
    ("walks", {"latent_nav": (0.5, "directions, walks, their names")}),
    ("libraries", {"explain": (1.5, "attributions of any network"), "report": (3, "a run's files to pages, no torch")}),
    ("training", {"training": (1, "settings to a trained run"), "first_look": (0, "what goes with the class")}),
    ("data", {"data": (0, "table, split, planted bias, loaders")}),
    ("parts", {"sources": (0, "where items come from"), "model": (1, "the AAE and its heads"),
               "callbacks": (2, "what changes the training loop")}),
    ("factors", {"factors": (3, "what is planted, and its meters")}),
    ("ground", {GROUND: (0, "settings, run folder, kinds, tasks, names, errors: every room may import it")}),
)  # fmt: skip
LEGEND = ("An arrow leads up from a room", "to a room that imports it.", "also: imports that arrows imply.")
LEFT, TOP, COLUMN, ROW, WIDTH, HEIGHT = 100, 20, 250, 108, 226, 68  # pixels; WIDTH and HEIGHT of a box
INK, SOFT, LINE, BAND, WRONG = "#20262e", "#5b6470", "#1f5fa8", "#f3f5f8", "#c62828"


def imports_of_rooms(home=HOME):
    """{room: rooms that it imports, itself left out}; a room is a folder or a file at the top of the package."""
    rooms, imports = [room for _, layer in LAYERS for room in layer], {}
    for room in rooms:
        files = [*(home / room).rglob("*.py"), *home.glob(f"{room}.py")]
        names = {name for file in files for name in _imported(ast.parse(file.read_text(encoding="utf-8")))}
        imports[room] = sorted(names & set(rooms) - {room})
    return imports


def _imported(tree):
    """The rooms that the imports of a file name, wherever in the file they stand."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "xaae":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("xaae."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("xaae."))


def depth(room):
    """The layer of a room, counted from the top."""
    return next(k for k, (_, layer) in enumerate(LAYERS) if room in layer)


def breaches(imports):
    """(room, imported) of every import that does not lead to a lower layer, or that gives report more than files."""
    pairs = [(room, other) for room, others in imports.items() for other in others]
    return [(a, b) for a, b in pairs if depth(b) <= depth(a) or (a == "report" and b != GROUND)]


def reachable(imports, room):
    """Every room that a room imports, directly or through others. Ends for circles too."""
    seen, todo = set(), [room]
    while todo:
        new = set(imports[todo.pop()]) - seen
        seen |= new
        todo += new
    return seen


def implied(imports, room):
    """The rooms that a room imports and that another room it imports brings along anyway."""
    others = set(imports[room])
    return sorted(b for b in others if any(b in reachable(imports, c) for c in others - {b}))


def _box(room):
    """(left, top) of a room's box."""
    column = LAYERS[depth(room)][1][room][0]
    return LEFT + 20 + COLUMN * column, TOP + ROW * depth(room)


def _beside_boxes(x, row):
    """The place nearest to x where a line passes a row without touching a box."""
    for left in (_box(room)[0] for room in LAYERS[row][1]):
        if left - 12 < x < left + WIDTH + 12:
            return left - 12 if x < left + WIDTH / 2 else left + WIDTH + 12
    return x


def _ports(arrows):
    """{(arrow, end): x}: where each arrow touches its two boxes, spread along the edge in the order of the far ends."""
    ports = {}
    for end, far in ((0, 1), (1, 0)):
        for room in {arrow[end] for arrow in arrows}:
            mine = sorted((a for a in arrows if a[end] == room), key=lambda a: _box(a[far])[0])
            for k, arrow in enumerate(mine):
                ports[arrow, end] = _box(room)[0] + WIDTH * (k + 1) / (len(mine) + 1)
    return ports


def _path(arrow, ports):
    """A smooth line up from the top of the imported room to the bottom of the one that imports it, around boxes."""
    upper, lower = arrow
    x, y, end_x, end_y = ports[arrow, 1], _box(lower)[1], ports[arrow, 0], _box(upper)[1] + HEIGHT + 7
    words = f"M{x:.0f} {y:.0f}"
    slope = (end_x - x) / (depth(lower) - depth(upper))
    for row in range(depth(lower) - 1, depth(upper), -1):
        to_x, to_y = _beside_boxes(x + slope, row), TOP + ROW * row + HEIGHT
        words += f" {_bend(x, y, to_x, to_y)} V{to_y - HEIGHT:.0f}"
        x, y = to_x, to_y - HEIGHT
    return f"{words} {_bend(x, y, end_x, end_y)}"


def _bend(x, y, to_x, to_y):
    """An S-curve that begins and ends upright."""
    middle = (y + to_y) / 2
    return f"C{x:.0f} {middle:.0f} {to_x:.0f} {middle:.0f} {to_x:.0f} {to_y:.0f}"


def _text(x, y, words, size=12, colour=SOFT, **more):
    """One line of text."""
    style = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" fill="{colour}"{style}>{escape(words)}</text>'


def _draw_box(room, about, also):
    """A room: its name, what it does, and what it imports besides what its arrows show."""
    left, top = _box(room)
    parts = [f'<rect x="{left:.0f}" y="{top}" width="{WIDTH}" height="{HEIGHT}" rx="7" fill="#fff" stroke="{LINE}"/>']
    parts += [_text(left + 12, top + 20, room, 15, INK, font_weight="600")]
    parts += [_text(left + 12, top + 37, about)]
    lines = wrap(f"also {', '.join(also)}", 40) if also else []
    return parts + [_text(left + 12, top + 50 + 12 * k, line, 10.5, LINE) for k, line in enumerate(lines)]


def _draw_ground(about, width):
    """The room under all others, as wide as the picture."""
    top = TOP + ROW * depth(GROUND)
    bar = f'<rect x="{LEFT + 20}" y="{top}" width="{width - LEFT - 40}" height="{HEIGHT - 26}" rx="7" fill="{LINE}"/>'
    name = f'<tspan font-size="15" font-weight="600" fill="#fff">{GROUND}</tspan>'
    words = f'<tspan dx="14" fill="#e4ecf6">{escape(about)}</tspan>'
    return [bar, f'<text x="{LEFT + 32}" y="{top + 28}" font-size="12">{name}{words}</text>']


def _draw_bands(width):
    """The layers, with their names at the left."""
    for row, (name, _) in enumerate(LAYERS[:-1]):
        top = TOP + ROW * row - 10
        yield f'<rect x="8" y="{top}" width="{width - 16}" height="{HEIGHT + 20}" rx="9" fill="{BAND}"/>'
        yield _text(24, top + HEIGHT / 2 + 14, name, 12.5, SOFT, font_style="italic")


def draw(imports):
    """The picture as the text of an SVG file, for what `imports_of_rooms` gives."""
    width, height = LEFT + 20 + COLUMN * 3 + WIDTH + 24, TOP + ROW * (len(LAYERS) - 1) + HEIGHT
    wrong = breaches(imports)
    lawful = {a: [b for b in others if b != GROUND and (a, b) not in wrong] for a, others in imports.items()}
    also = {room: implied(lawful, room) for room in lawful}
    arrows = wrong + sorted((a, b) for a, others in lawful.items() for b in others if b not in also[a])
    ports = _ports(arrows)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    lines = [
        f'{head} font-family="system-ui, Segoe UI, Helvetica, Arial, sans-serif">',
        "<title>Rooms in layers and their imports</title>",
    ]
    for name, colour in (("up", LINE), ("wrong", WRONG)):
        lines += [f'<marker id="{name}" viewBox="0 0 8 8" refX="2" refY="4" markerWidth="7" markerHeight="7" '
                  f'orient="auto"><path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>']  # fmt: skip
    lines += [f'<rect width="{width}" height="{height}" rx="12" fill="#fff"/>', *_draw_bands(width)]
    for arrow in arrows:
        name, colour = ("wrong", WRONG) if arrow in wrong else ("up", LINE)
        lines += [f'<path d="{_path(arrow, ports)}" fill="none" stroke="{colour}" stroke-width="1.6" '
                  f'marker-end="url(#{name})"><title>{arrow[0]} imports {arrow[1]}</title></path>']  # fmt: skip
    lines += [_text(LEFT + 20 + COLUMN * 3, TOP + 20 + 17 * k, words) for k, words in enumerate(LEGEND)]
    for _, layer in LAYERS[:-1]:
        lines += [part for room, (_, about) in layer.items() for part in _draw_box(room, about, also[room])]
    return "\n".join([*lines, *_draw_ground(LAYERS[-1][1][GROUND][1], width), "</svg>", ""])


if __name__ == "__main__":
    FILE.write_text(draw(imports_of_rooms()), encoding="utf-8")
    print(f"Written: {FILE}")
