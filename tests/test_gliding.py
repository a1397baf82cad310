"""Laws of gliding: equal steps of what is seen, and a turn, a jump and a cross-fade are told apart on made pictures."""

import numpy as np
import pytest
import torch
from helpers.pictures import draw_pets
from helpers.toys import small_aae

from xaae.experiment.walk_words import FADE, GLIDE, TELLING, is_fade, manner
from xaae.factors.meters import METERS
from xaae.factors.registry import FACTORS
from xaae.latent_nav import gliding, walks
from xaae.latent_nav.walks import Walk

T = 21
CHANGES = {  # factor: values of both ends
    "rotation": (45, 135),
    "zoom": (-15, 15),
    "shift_x": (-10, 10),
    "brightness": (-0.44, 0.44),
    "tint": (-0.44, 0.44),
    "blur": (1, 9),
    "tag": (0.1, 0.9),
}
MIXED = ("brightness", "tint", "blur", "tag")  # changes that are mixtures of their own ends, or nearly


@pytest.fixture(scope="module")
def pets():
    return draw_pets(4, 64)


@pytest.fixture(scope="module")
def turned(pets):
    """Pets that really turn by 90 degrees: (4, T, 3, 64, 64)."""
    return gliding.planted_frames(pets, FACTORS["rotation"].plant, *CHANGES["rotation"], T)


def faded(frames, way=None):
    """A cross-fade between the first and the last of these frames; way (T,): the last one's share."""
    share = (np.linspace(0, 1, frames.shape[1]) if way is None else way)[None, :, None, None, None]
    return ((1 - share) * frames[:, :1] + share * frames[:, -1:]).astype(np.float32)


def jumped(frames):
    """The first frame, then the last."""
    return faded(frames, np.arange(frames.shape[1]) >= frames.shape[1] // 2)


def numbers(frames, pets, factor="rotation", least=10.0):
    """The numbers of a walk of these frames whose factor is this one."""
    meter, ends = FACTORS[factor].meter, CHANGES[factor]
    plant = FACTORS[factor].plant
    shift = walks.planted_shift(pets, plant, *ends, METERS[meter])
    real = gliding.RealChange(pets, plant, ends, shift, FACTORS[factor])
    steps = {"arc": gliding.largest_path_steps(frames)}
    walk = Walk(frames, np.arange(T), torch.zeros(len(frames), T, 1), path_steps=steps, spacing="arc")
    walk.readings = {meter: METERS[meter].measure(frames)}
    return gliding.glide_numbers(walk, meter, least, real)


# ---- equal steps ------------------------------------------------------------------------------------------------


class Turning:
    """A decoder whose pictures turn as fast as a function of the code says; each start at a speed of its own."""

    def __init__(self, pets, angle):
        self.pets, self.angle, self.decoded = pets, angle, 0

    def __call__(self, codes):
        start = torch.arange(len(codes)) % len(self.pets)
        flat = self.pets[start].repeat_interleave(codes.shape[1], 0)
        self.decoded += len(flat)
        values = self.angle(codes[..., 0]).flatten()
        return FACTORS["rotation"].plant(flat, values).view(*codes.shape[:2], *flat.shape[1:]).numpy()


@pytest.mark.parametrize("sharpness", [1.0, 8.0, 40.0], ids=["slow", "fast", "within one step of alpha"])
def test_the_frames_are_in_equal_steps_of_the_decoded_path(pets, sharpness):
    turning = Turning(pets, lambda z: 90 * torch.sigmoid(sharpness * (z - 0.07)))
    alpha = walks.alphas(T)
    codes = torch.from_numpy(alpha).float()[None, :, None].repeat(len(pets), 1, 1)
    even = turning(codes)
    chosen, found = gliding.even_path(turning, codes, alpha, even)
    assert chosen.shape == (len(pets), T) and (np.diff(chosen, axis=1) > 0).all()
    np.testing.assert_allclose(chosen[:, [0, -1]], [[-3, 3]] * len(pets))
    np.testing.assert_allclose(found, turning(gliding.codes_at(codes, alpha, chosen)), atol=1e-5)
    largest = gliding.largest_path_steps(found)
    assert (largest <= gliding.UNEVEN / (T - 1)).all() and (largest < gliding.largest_path_steps(even)).all()
    reading = METERS["rotation"].measure(found)
    assert (np.abs(np.diff(reading, axis=1)).max(1) / np.abs(reading[:, -1]) < GLIDE).all()


def test_where_nothing_changes_alpha_grows_evenly(pets):
    still = np.repeat(pets[:, None].numpy(), T, 1)
    chosen = gliding.evenly_along(gliding.path_lengths(still), walks.alphas(T), T)
    np.testing.assert_allclose(chosen, np.tile(walks.alphas(T), (len(pets), 1)), atol=1e-9)
    assert np.isnan(gliding.largest_path_steps(still)).all()


def test_codes_between_others_lie_on_the_lines_between_them():
    codes, alpha = torch.randn(2, 5, 3), np.linspace(-1, 1, 5)
    wanted = np.array([[-1, -0.5, 0.25, 1], [-1, 0.1, 0.5, 1]])
    found = gliding.codes_at(codes, alpha, wanted)
    expected = [[np.interp(wanted[s], alpha, codes[s, :, d]) for d in range(3)] for s in range(2)]
    np.testing.assert_allclose(found, np.transpose(expected, (0, 2, 1)), atol=1e-6)


@pytest.mark.parametrize("spacing", ["arc", "probability", "alpha"])
def test_a_walk_keeps_its_ends_and_its_columns_whatever_the_spacing(spacing):
    aae, y = small_aae(), torch.eye(2)[[0, 1, 0]]
    alpha = walks.alphas(7)
    codes = torch.randn(3, 1, 4) + torch.linspace(-3, 3, 7)[None, :, None]
    favour = lambda frames: walks.second_look(aae, frames)[..., 1]  # noqa: E731
    found = gliding.spaced_walk(aae, codes, y, alpha, spacing, favour=favour)
    assert found.spacing == spacing and found.alpha.shape == ((7,) if spacing == "alpha" else (3, 7))
    torch.testing.assert_close(found.z[:, [0, -1]], codes[:, [0, -1]])
    np.testing.assert_allclose(found.frames, walks.decode_codes(aae, found.z), atol=1e-5)
    assert set(found.path_steps) == {"alpha", "arc"} and found.probability.shape == (3, 7, 2)
    assert (found.path_steps["arc"] <= found.path_steps["alpha"] + 1e-6).all()
    if spacing == "probability":
        steps = np.abs(np.diff(favour(found.frames), axis=1))
        assert (steps.max(1) / steps.sum(1) <= gliding.UNEVEN / 6 + 1e-6).all()


# ---- how a walk gets from end to end ----------------------------------------------------------------------------


def test_a_turn_glides_a_cross_fade_fades_and_a_jump_jumps(pets, turned):
    said = {name: numbers(make, pets) for name, make in
            {"turn": turned, "fade": faded(turned), "jump": jumped(turned)}.items()}  # fmt: skip
    assert {name: manner(found) for name, found in said.items()} == {"turn": "glides", "fade": "fades", "jump": "jumps"}
    assert said["turn"]["largest_step_share"] == pytest.approx(1 / (T - 1), abs=0.04)
    assert said["jump"]["largest_step_share"] == said["jump"]["path_step_share"]["arc"] == 1
    assert said["jump"]["largest_step"] == pytest.approx(90, abs=2)
    assert said["fade"]["ends_explain"] == pytest.approx(1, abs=1e-3)
    assert said["turn"]["ends_explain"] == pytest.approx(said["turn"]["real_ends_explain"], abs=0.05)
    assert said["turn"]["ends_explain"] < TELLING < FADE


def test_a_walk_that_does_not_change_the_factor_does_neither(pets, turned):
    brighter = gliding.planted_frames(pets, FACTORS["brightness"].plant, *CHANGES["brightness"], T)
    for still in (np.repeat(turned[:, :1], T, 1), brighter):
        found = numbers(still, pets)
        assert found["largest_step_share"] is found["ends_explain"] is found["real_ends_explain"] is None
        assert manner(found) == ""


def test_a_fade_through_grey_is_explained_whole_too(turned):
    contrast = 1 - 0.8 * np.sin(np.linspace(0, np.pi, T))[None, :, None, None, None]
    assert (gliding.explained_by_ends(0.5 + (faded(turned) - 0.5) * contrast) > 0.999).all()
    assert np.isnan(gliding.explained_by_ends(np.full_like(turned, 0.5))).all()


@pytest.mark.parametrize("factor", CHANGES)
def test_the_test_for_cross_fades_speaks_only_of_changes_that_are_none_themselves(pets, factor):
    real = gliding.planted_frames(pets, FACTORS[factor].plant, *CHANGES[factor], T)
    own, fade = (float(np.median(gliding.explained_by_ends(frames))) for frames in (real, faded(real)))
    assert fade == pytest.approx(1, abs=1e-3)
    assert is_fade(fade, own) == (factor not in MIXED)
    assert not is_fade(own, own)


@pytest.mark.parametrize("factor", ["brightness", "tint", "blur"])
def test_a_real_change_of_light_or_focus_glides(pets, factor):
    real = gliding.planted_frames(pets, FACTORS[factor].plant, *CHANGES[factor], T)
    found = numbers(real, pets, factor, least=0.0)
    assert manner(found) == "glides" and found["largest_step_share"] < 0.15
    assert found["ends_explain"] == pytest.approx(found["real_ends_explain"], abs=0.02)


@pytest.mark.parametrize("factor", ["rotation", "brightness", "tint", "blur", "tag"])
@pytest.mark.parametrize("back", [False, True], ids=["there", "back"])
def test_ends_that_differ_by_the_factor_alone_are_alike_once_it_is_undone(pets, factor, back):
    real = gliding.planted_frames(pets, FACTORS[factor].plant, *CHANGES[factor], T)
    found = numbers(real[:, ::-1].copy() if back else real, pets, factor, least=0.0)
    assert found["undone_match"] > 0.93
    other = numbers(np.concatenate([real[:, :1], np.roll(real[:, 1:], 1, axis=0)], 1), pets, factor, least=0.0)
    assert other["undone_match"] < found["undone_match"] - 0.1


def test_a_real_change_goes_as_far_as_the_walk(pets):
    ends, shift = CHANGES["rotation"], 90.0
    real = gliding.RealChange(pets, FACTORS["rotation"].plant, ends, shift, FACTORS["rotation"])
    far, near = (real.explained(change, T) for change in (-90.0, 15.0))
    assert near > far + 0.2  # a small turn is nearly a mixture of its ends, and a walk of one is not tested
    assert real.explained(None, T) is None
    assert (
        gliding.RealChange(pets, FACTORS["rotation"].plant, ends, 0.0, FACTORS["rotation"]).explained(90.0, T) is None
    )
