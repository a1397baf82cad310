"""Laws of walks that a classifier leads: they change what the classifier goes by, and nothing else.

The world is linear and its code is known: light, a mark in the corner, content, and two things that mean nothing. In
the items light goes with the class, and so does the content.
"""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.command_line import BRIEFLY, refused, succeed
from helpers.known_networks import NETWORKS
from helpers.sharing import copy_of
from torch import nn

from xaae.experiment.errors import InputError
from xaae.experiment.tasks import Target
from xaae.factors.bias import Bias
from xaae.factors.picture_plants import marker
from xaae.latent_nav import directions, encoded_run, gradient, led_walks, walks
from xaae.latent_nav.adapter import Adapter
from xaae.latent_nav.contrasts import contrast

CLASSES, SIZE, N = ["cat", "dog"], 24, 240
LIGHT, CORNER, CONTENT = range(3)
MORE = """
def middle(x): return x[:, :, 9:15, 4:10].mean((1, 2, 3)) - x[:, :, 9:15, 14:20].mean((1, 2, 3))
def by_content(): return Reader(middle, 0.0)
def by_content_of_three(): return Reader(middle, 0.0, outputs=3)
def one_sided(): return Reader(light, 9.0)
def by_tag(): return Reader(corner, 0.1)
def by_tag_binary(): return Reader(corner, 0.1, 80.0, 1)
def by_tag_softmax(): return Reader(corner, 0.1, form="softmax")
def of_pixels(): return nn.Linear(3, 2)
"""


@pytest.fixture(autouse=True)
def usual_reaches(monkeypatch, few_reaches):
    """Those that a user's walks are tried at, not the few of other tests."""
    monkeypatch.setattr(led_walks, "REACHES", few_reaches)


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """A file of networks whose answer is known; returns "FILE.py:" for a name to follow."""
    path = tmp_path_factory.mktemp("led") / "nets.py"
    path.write_text(NETWORKS + MORE)
    return f"{path}:"


class Painter(nn.Module):
    """z (B, 5) -> pictures (B, 3, 24, 24): a grey ground and what each number adds to it."""

    def __init__(self):
        super().__init__()
        shapes = torch.zeros(5, 3, SIZE, SIZE)
        shapes[LIGHT] = 0.1
        shapes[CORNER, :, :6, :6] = marker(SIZE) - 0.5
        shapes[CONTENT, :, 9:15, 4:10], shapes[CONTENT, :, 9:15, 14:20] = 0.05, -0.05
        shapes[3, 0, 16:], shapes[4, :, ::2] = 0.03, 0.03
        self.register_buffer("shapes", shapes.flatten(1))

    def forward(self, z):
        return (0.5 + z @ self.shapes).view(-1, 3, SIZE, SIZE)


class Reader(nn.Module):
    """The code that Painter paints a picture of."""

    def __init__(self, painter):
        super().__init__()
        self.weights = nn.Parameter(torch.linalg.pinv(painter.shapes))

    def forward(self, x):
        return (x.flatten(1) - 0.5) @ self.weights


class Opened(SimpleNamespace):
    """What walks ask of a trained run."""

    def rows(self, split):
        return np.flatnonzero(self.table.split == split)

    def numbers(self, rows):
        return None

    def upright(self, rows):
        return self.x[torch.as_tensor(rows)]

    def plant(self, x, values):
        return self.bias.plant(x, values)

    def planted(self, rows):
        return self.plant(self.upright(rows), torch.tensor(self.table.value.to_numpy()[rows], dtype=torch.float32))


def world(tmp_path, factor="brightness", arm="biased"):
    """An EncodedRun of the linear world, with a factor planted by class."""
    rng, painter = np.random.default_rng(0), Painter()
    last = np.arange(N) % 2 == 1
    z = rng.normal(0, 0.4, (N, 5)).astype(np.float32)
    z[:, CORNER] = 0
    z[:, CONTENT] += np.where(last, 1.0, -1.0)
    whole = {"brightness": (-0.3, 0.3), "tag": (0, 1)}[factor]
    middle = np.mean(whole)
    bias = Bias({"cat": (whole[0], middle), "dog": (middle, whole[1])}, arm, "zeros", factor)
    labels = np.array(CLASSES)[last.astype(int)]
    table = pd.DataFrame({"label": labels, "split": np.where(np.arange(N) % 3 == 0, "valid", "train")})
    table["value"] = bias.draw(labels, rng)
    config = SimpleNamespace(seed=0, precision="fp32", task="classes", centres={})
    about = {"classes": CLASSES, "config": config, "table": table, "bias": bias, "target": Target(classes=CLASSES)}
    trained = Opened(folder=tmp_path, x=painter(torch.tensor(z)), **about)
    model = Adapter(Reader(painter), painter, lambda x: torch.stack([-x.mean((1, 2, 3)), x.mean((1, 2, 3))], 1))
    model.head = nn.Linear(5, 2)
    with torch.no_grad():
        codes = model.encode(trained.planted(np.arange(N))).numpy()
    return encoded_run.EncodedRun(trained, model, codes, codes[:, :2], contrast("", CLASSES), rng)


def led(encoded, of, *more):
    """The Direction that a classifier leads."""
    encoded_run.find_directions(encoded, [f"led:{of}", *more])
    return encoded.way


def walked(encoded, direction, n=24):
    """The Walk from held-out items along a direction, with the answers of its leader."""
    start = encoded.codes(encoded.trained.rows("valid")[:n])
    alpha = walks.alphas(reach=direction.reach)
    frames = walks.decode_codes(encoded.model, walks.move(start, direction, alpha))
    return frames, led_walks.ask_frames(direction.leader, frames)[..., 1]


def change_of(frames, part):
    """Median change, from end to end, of the mean over a part of the picture."""
    ends = frames[:, [0, -1]][(..., *part)].reshape(len(frames), 2, -1).mean(-1)
    return float(np.median(ends[:, 1] - ends[:, 0]))


GROUND, MARK = np.s_[:, 6:9], np.s_[:, :6, :6]

# ---- what a classifier goes by is what its walk changes -----------------------------------------------------------


def test_a_network_of_light_leads_to_light_and_leaves_the_rest(networks, tmp_path):
    encoded = world(tmp_path)
    way = led(encoded, networks + "by_light")
    frames, p = walked(encoded, way)
    assert way.name == "led_network" and way.leader.title == "network nets.py:by_light"
    assert np.abs(way.vector[LIGHT]) > 0.98 and change_of(frames, GROUND) > 0.2
    assert p[:, 0].mean() <= 0.1 and p[:, -1].mean() >= 0.9
    assert led_walks.arrived(p) >= 0.8


@pytest.mark.parametrize("form", ["", "_binary", "_softmax"])
def test_a_network_of_the_corner_leads_to_the_tag_whatever_it_returns(networks, tmp_path, form):
    encoded = world(tmp_path, "tag")
    way = led(encoded, networks + "by_tag" + form)
    frames, p = walked(encoded, way)
    assert change_of(frames, MARK) - change_of(frames, GROUND) > 0.15 > 5 * abs(change_of(frames, GROUND))
    assert (p >= 0).all() and (p <= 1).all() and p[:, -1].mean() > p[:, 0].mean() + 0.8


@pytest.mark.parametrize("arm", ["biased", "irrelevant"])
def test_a_network_of_content_names_no_factor_though_it_goes_with_the_class(networks, tmp_path, arm):
    encoded = world(tmp_path, arm=arm)
    way = led(encoded, networks + "by_content", "means")
    frames, p = walked(encoded, way)
    shift = 0.3 * 0.5  # of brightness between the middles of both classes' ranges, on a ground of a half
    assert abs(change_of(frames, GROUND)) < shift / 2 and way.vector[CONTENT] > 0.9 and led_walks.arrived(p) >= 0.8
    assert arm == "irrelevant" or encoded.directions["means"].vector[LIGHT] > 2 * abs(way.vector[LIGHT])


def test_items_are_randomised_whatever_their_class(tmp_path):
    encoded = world(tmp_path)
    rows = led_walks.randomised_rows(encoded.trained.rows("train"), np.random.default_rng(0))
    x = led_walks.randomised_items(encoded.trained, rows, np.random.default_rng(1))
    light, last = x.mean((1, 2, 3)).numpy(), encoded.labels[rows] == "dog"
    planted = encoded.trained.planted(rows).mean((1, 2, 3)).numpy()
    apart = lambda values: values[last].mean() - values[~last].mean()  # noqa: E731
    assert len(rows) >= led_walks.FEWEST and apart(planted) > 0.1 > 3 * abs(apart(light))
    assert light.std() > planted.std() / 2


def test_items_come_in_pairs_whose_factors_mirror_each_other(tmp_path):
    """So who goes by the content alone says the same of both, and the factor's mean on his two sides is the same."""
    trained = world(tmp_path).trained
    rows = led_walks.randomised_rows(trained.rows("train"), np.random.default_rng(0))
    half = len(rows) // 2
    assert np.array_equal(rows[:half], rows[half:])
    x = led_walks.randomised_items(trained, rows, np.random.default_rng(1)).mean((1, 2, 3))
    upright = trained.upright(rows).mean((1, 2, 3))
    moved = (x - upright).view(2, half)
    assert moved.std() > 0.05 and moved.mean(0).std() < 0.1 * moved.std()


def test_in_arm_normal_nothing_is_planted(tmp_path):
    trained = world(tmp_path, arm="normal").trained
    rows = trained.rows("train")
    x = led_walks.randomised_items(trained, rows, np.random.default_rng(0))
    assert torch.equal(x, trained.planted(rows))


def test_in_arm_normal_the_factor_of_the_run_is_moved_a_little_as_others_are(tmp_path):
    """It is not planted there, but the code has a coordinate of it, by which a classifier may go."""
    trained = world(tmp_path, arm="normal").trained
    rows = trained.rows("train")
    x = led_walks.randomised_items(trained, rows, np.random.default_rng(0), [trained.bias.factor])
    change = (x - trained.planted(rows)).mean((1, 2, 3))
    assert change.std() > 0.02 and change.abs().max() < 0.7 * led_walks.SMALL


def test_factors_of_the_code_that_are_not_planted_are_moved_a_little_too(tmp_path):
    trained = world(tmp_path, "tag").trained
    rows = trained.rows("train")
    plain, moved = (led_walks.randomised_items(trained, rows, np.random.default_rng(0), names)
                    for names in ((), ("tag", "brightness")))  # fmt: skip
    change = (moved - plain)[:, :, 8:].mean((1, 2, 3))
    assert change.std() > 0.02 and change.abs().max() < 0.7 * led_walks.SMALL


# ---- how far, and whether at all ----------------------------------------------------------------------------------


def test_a_walk_is_as_long_as_it_takes_and_not_longer(networks, tmp_path):
    encoded = world(tmp_path)
    way = led(encoded, networks + "by_light")
    rows = encoded.codes(encoded.trained.rows("train")[:40])
    half = directions.replace(way, scale=way.scale / 1.5)
    reach, longer = (led_walks.find_reach(encoded.model, d.leader, rows, d, encoded.sides) for d in (way, half))
    assert reach in led_walks.REACHES and reach < longer
    back = directions.replace(way, vector=-way.vector)
    assert led_walks.find_reach(encoded.model, way.leader, rows, back, encoded.sides) == directions.REACH


def test_arrived_counts_those_that_go_over_the_right_way_round():
    p = np.array([[0.0, 0.4, 1.0], [0.3, 0.9, 0.7], [0.9, 0.5, 0.1], [0.6, 0.7, 0.8]])
    assert led_walks.arrived(p) == 0.5 and led_walks.arrived(p, 0.9) == 0.25


def test_who_always_says_the_same_leads_nowhere_and_is_told_so(networks, tmp_path):
    encoded = world(tmp_path)
    with pytest.raises(InputError, match="network nets.py:one_sided says dog of 0 in"):
        led(encoded, networks + "one_sided")
    encoded = world(tmp_path)
    assert led(encoded, networks + "one_sided", "lda").name == "lda" and list(encoded.directions) == ["lda"]
    assert [*encoded.left_out.values()][0].endswith("no walk that it leads can be found.")


def test_who_answers_for_other_classes_is_refused(networks, tmp_path):
    with pytest.raises(InputError, match="answers for 3 classes, and this run has 2 .cat, dog."):
        led(world(tmp_path), networks + "by_content_of_three")


def test_random_directions_are_at_right_angles_to_all(tmp_path):
    z = np.random.default_rng(0).standard_normal((50, 6))
    ways = [directions.scaled("w", v, z) for v in np.random.default_rng(1).standard_normal((8, 6))]
    drawn = np.stack([d.vector for d in directions.random_directions(20, z, np.random.default_rng(2), *ways[:3])])
    assert np.abs(drawn @ np.stack([w.vector for w in ways[:3]], 1)).max() < 1e-4
    drawn = np.stack([d.vector for d in directions.random_directions(20, z, np.random.default_rng(2), *ways)])
    assert np.abs(drawn @ np.stack([w.vector for w in ways[:5]], 1)).max() < 1e-4  # to the first ones


# ---- by the gradient ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "at"), [("by_tag", CORNER), ("by_content", CONTENT)])
def test_the_gradient_of_any_classifier_is_followed_through_the_decoder(networks, tmp_path, name, at):
    encoded = world(tmp_path)
    leader = led_walks.leading(encoded, networks + name)
    z = encoded.codes(np.arange(10))
    found = gradient.gradient_direction(encoded.model, z, 1, leader.logits)
    assert (found[:, at] > 0).all() and (found.abs().argmax(1) == at).all()
    own = gradient.gradient_direction(encoded.model, z, 1)  # the model's own classifier goes by light
    assert (own.abs().argmax(1) == LIGHT).all() and (found[:, LIGHT].abs() < 0.1).all()


def test_a_walk_by_the_gradient_of_a_leader_is_that_leaders(networks, tmp_path):
    encoded = world(tmp_path)
    encoded_run.find_directions(encoded, ["lda", f"led_gradient:{networks}by_tag"])
    way = encoded.directions["led_gradient_network"]
    z = encoded.codes(encoded.trained.rows("valid")[:6])
    frames = walks.decode_codes(encoded.model, walks.path(encoded.model, z, way, walks.alphas()))
    p = led_walks.ask_frames(way.leader, frames)[..., 1]
    assert change_of(frames, MARK) > 0.1 and p[:, 0].mean() < 0.1 and p[:, -1].mean() > p[:, 0].mean() + 0.5


# ---- in a run -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def navigated(toy_run, tmp_path_factory):
    """A copy of the toy run, led by a network that goes by how light its pictures are, and what was printed."""
    folder = tmp_path_factory.mktemp("led")
    run, middle = copy_of(toy_run, folder / "run"), np.load(toy_run / "walks" / "lda.npz")["start_image"].mean() / 255
    (folder / "nets.py").write_text(f"{NETWORKS}\ndef by_middle(): return Reader(light, {middle}, 4000.0)\n")
    few = ["--directions", "led,led_gradient,lda", *BRIEFLY[2:]]
    said = succeed("navigate", run, "--of", f"{folder / 'nets.py'}:by_middle", *few)
    succeed("report", run)
    return run, said


def test_a_walk_that_a_network_leads_is_kept_with_its_answers_and_said_to_be_its_own(navigated):
    run, said = navigated
    found, summary = (json.loads((run / name).read_text()) for name in ("navigate.json", "summary.json"))
    walk = dict(np.load(run / "walks" / "led_network.npz"))
    assert walk["probability.led"].shape == walk["probability"].shape
    np.testing.assert_allclose(walk["probability.led"].sum(-1), 1, atol=1e-5)
    led = summary["led"]["network"]
    assert led["direction"] == "led_network" == found["walk"]["direction"] and led["title"].endswith(":by_middle")
    ends = walk["probability.led"][:, [0, -1], 1].mean(0)
    assert [led["probability_first"], led["probability_last"]] == pytest.approx(ends.tolist(), abs=1e-5)
    assert found["directions"]["led_network"]["reach"] == led["reach"] in led_walks.REACHES
    assert {"random_change", "brought_over", "largest_step_share", "match", "named", "spearman"} <= set(led)
    assert "network nets.py:by_middle" in said
    page = (run / "report.html").read_text()
    assert "walk that the network nets.py:by_middle leads" in page and 'id="led"' in page


def test_a_stored_led_direction_can_be_explained(navigated):
    run, _ = navigated
    succeed("explain", run, "--along", "led_network", "--methods", "saliency", "--items", 2, "--workers", 1)
    assert list((run / "explanations").glob("**/*along-led_network*"))


REFUSED = {
    "nobody": "no classifier 'nobody': choose from aae, baseline, FILE.py:FUNCTION",
    "nets.py:absent": "no function 'absent'",
    "absent.py:make": "There is no file",
    "nets.py:no_network": "has to return an nn.Module",
    "nets.py:of_pixels": "fails on items of shape",
    "nets.py:by_light_of_three": "answers for 3 classes",
}


@pytest.mark.parametrize("of", REFUSED)
def test_what_cannot_lead_is_refused_in_one_sentence(door, toy_run, networks, of):
    typed = of.replace("nets.py:", networks)
    before = (toy_run / "navigate.json").read_bytes()
    assert refused(door("navigate", toy_run, "--of", typed, "--directions", "led"), REFUSED[of])
    assert (toy_run / "navigate.json").read_bytes() == before
