"""Laws of the page's section of led walks: both classifiers from the same starts, each with its own answers."""

import json

import numpy as np
import pytest
from helpers.report_fakes import S, T, fake_run, page

from xaae.experiment.run_folder import write_arrays, write_json
from xaae.experiment.vocabulary import MODELS
from xaae.report.run.led_section import FRAMES, ROWS


def lead(run, answers):
    """Give a made-up run a walk that each of `answers` {classifier: probability of the last class} leads."""
    found, walk = json.loads((run / "navigate.json").read_text()), dict(np.load(run / "walks" / "lda.npz"))
    for name, p in answers.items():
        direction = f"led_{name}"
        led = {"reach": 2.0, "starts": S, "brought_over": 1.0, "random_change": 3.0, "answers_of": MODELS[name]}
        about = {"kind": "led", "leader": {"name": name, "title": MODELS[name], "function": ""}, "reach": 2.0}
        found["directions"][direction] = found["directions"]["lda"] | about
        found["naming"][direction] = found["naming"]["lda"]
        found["walk"]["by_direction"][direction] = found["walk"]["by_direction"]["lda"] | led
        said = np.stack([np.full((S, T), 1 - p), np.full((S, T), p)], -1).astype(np.float32)
        write_arrays(
            run / "walks" / f"{direction}.npz", **walk | {"probability.led": said, "start": walk["start"][::-1]}
        )
    write_json(run / "navigate.json", found)


def section(text):
    """The section of led walks in the text of a page."""
    return text[text.index('<section id="led"') :].split("</section>")[0]


@pytest.fixture
def run(tmp_path):
    return fake_run(tmp_path / "run")


def test_each_classifier_has_its_strip_with_its_own_answers(run):
    lead(run, {"aae": 0.21, "baseline": 0.87})
    text = section(page(run))
    assert text.count(">0.21<") == text.count(">0.87<") == min(ROWS, S) * min(FRAMES, T)
    first, second = text.split("<b>")[1:3]
    assert (
        first.startswith("AAE.") and ">0.87<" not in first and second.startswith("ResNet34.") and ">0.21<" not in second
    )
    assert "that the AAE gives this frame" in first and "that the ResNet34 gives this frame" in second
    starts = [[row.split("<")[0] for row in part.split('<th scope="row">')[1:]] for part in (first, second)]
    assert starts[0] == starts[1] and len(starts[0]) == min(ROWS, S)


def test_summary_holds_each_led_walk(run):
    lead(run, {"aae": 0.21, "baseline": 0.87})
    page(run)
    led = json.loads((run / "summary.json").read_text())["led"]
    assert list(led) == list(MODELS) and led["baseline"]["direction"] == "led_baseline"
    assert {"change", "change_ci", "spearman", "largest_step_share", "match", "named", "reach"} <= set(led["aae"])


def test_one_that_was_left_out_is_said_so_and_none_at_all_too(run):
    assert "python main.py navigate" in section(page(run))
    found = json.loads((run / "navigate.json").read_text()) | {"left_out": {"led_aae": "The AAE says <b>dog</b> of 0."}}
    write_json(run / "navigate.json", found)
    lead(run, {"baseline": 0.87})
    text = section(page(run))
    assert "The AAE says &lt;b&gt;dog&lt;/b&gt; of 0." in text and "ResNet34." in text and "The walk begins" in text
