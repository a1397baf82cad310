"""What one trained arm is asked, and the one place where its answers are kept: beside the arm, in `audit/`.

A question is a value: the process that answers it and the one that judges it make the same question, and the question
says where its answer is, writes it and reads it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from xaae.audit.arms import Arm, Condition, digest
from xaae.experiment import run_folder
from xaae.factors.registry import FACTORS

SETS = {  # items that are explained in each arm: all probe items with the factor; a quarter of them with and without
    "biased": ("with", "pair"),
    "irrelevant": ("with",),
    "normal": ("pair",),
}
SCANNED = 100  # held-out items of a factor scan


@dataclass(frozen=True)
class ArmQuestion:
    """A question to one model of a trained arm.

    folder: of the arm. condition: under which it is asked. model: a name in MODELS. probe: number of probe items.
    cost: what the answer takes, in units of one training.
    """

    folder: str
    condition: Condition
    model: str
    probe: int
    cost: ClassVar[float] = 0.02

    @property
    def asked_with(self):
        """What tells this question's answer from the same question's with other settings: any JSON value."""
        return self.probe

    @property
    def file_name(self):
        """The name of the file that holds the answer."""
        raise NotImplementedError

    @property
    def path(self):
        """The file that holds the answer; it is there once the whole answer is."""
        key = digest([self.condition.key, self.asked_with])
        return Path(self.folder) / "audit" / f"{self.condition.file_name}-{key}" / self.file_name

    def is_answered(self):
        """Is the answer kept?"""
        return self.path.is_file()

    def write(self, answer):
        """Keep the answer, a dict of arrays and numbers."""
        run_folder.write_arrays(self.path, **answer)

    def read(self):
        """The kept answer: a dict of arrays. InputError if its file is broken."""
        return run_folder.read_arrays(self.path)


@dataclass(frozen=True)
class AnswersQuestion(ArmQuestion):
    """What does the model say of probe items, whatever the factor's value? See `arm_answers`."""

    @property
    def file_name(self):
        """One file for each model."""
        return f"answers-{self.model}.npz"


@dataclass(frozen=True)
class ScanQuestion(ArmQuestion):
    """Which factors does the model go by? See `arm_scans`. items: number of held-out items that are changed."""

    items: int = SCANNED

    @property
    def cost(self):
        """As `ArmQuestion.cost`: a ResNet34 takes longer than an AAE."""
        return 0.12 if self.model == "baseline" else 0.04

    @property
    def asked_with(self):
        """The number of items and the names of all factors that there are."""
        return [self.items, *FACTORS]

    @property
    def file_name(self):
        """One file for each model."""
        return f"scan-{self.model}.npz"


@dataclass(frozen=True)
class WalksAnswer:
    """shift and error: of gate 1, in the planted meter's unit. tables {direction: rows of the naming table}.

    arrays {direction: {name: array}}, see `arm_walks.walk_arrays`.
    """

    shift: float
    error: float
    tables: dict
    arrays: dict


@dataclass(frozen=True)
class WalksQuestion(ArmQuestion):
    """What do walks from the probe items show? directions: of the walks; random_directions: how many for the null.

    oracle: folder of the arm whose AAE knows the content and not the factor, None for arm normal. spacing: of the
    walks' frames, one of SPACINGS. See `arm_walks`.
    """

    directions: tuple[str, ...] = ()
    random_directions: int = 100
    oracle: str | None = None
    spacing: str = "arc"
    cost: ClassVar[float] = 0.12

    @property
    def asked_with(self):
        """The number of probe items, the directions, the oracle, wherever its arm is kept, and the spacing.

        Answers of versions that knew no other spacing than even steps of alpha stay answers to that question alone.
        """
        oracle = Path(self.oracle).name if self.oracle else ""
        spaced = [] if self.spacing == "alpha" else [self.spacing]
        return [self.probe, list(self.directions), self.random_directions, oracle, *spaced]

    @property
    def file_name(self):
        """The file that is written last; the arrays of each walk stand beside it."""
        return "walks.json"

    def _arrays_path(self, direction):
        """The file of one walk's arrays."""
        return self.path.with_name(f"walks-{direction}.npz")

    def write(self, answer):
        """Keep a WalksAnswer; differences of frames in half precision."""
        for direction, arrays in answer.arrays.items():
            small = arrays | {"difference": arrays["difference"].astype(np.float16)}
            run_folder.write_arrays(self._arrays_path(direction), **small)
        about = {"shift": answer.shift, "error": answer.error, "tables": answer.tables}
        run_folder.write_json(self.path, about)

    def read(self):
        """The kept WalksAnswer."""
        about = run_folder.read_json(self.path)
        arrays = {direction: run_folder.read_arrays(self._arrays_path(direction)) for direction in about["tables"]}
        return WalksAnswer(**about, arrays=arrays)


@dataclass(frozen=True)
class MapsQuestion(ArmQuestion):
    """What maps does an attribution method give? See `arm_maps`.

    parameters: of the method, pairs of name and value. sets: which items, see SETS. checks: also how alike the maps of
    random weights are, and what covering the strongest places does.
    """

    method: str = ""
    parameters: tuple = ()
    sets: tuple[str, ...] = ()
    checks: bool = False

    @property
    def asked_with(self):
        """The number of probe items, the parameters, the sets of items and whether there are checks."""
        return [self.probe, dict(self.parameters), list(self.sets), self.checks]

    @property
    def file_name(self):
        """One file for each model and method."""
        return f"{self.model}-{self.method}.npz"

    @property
    def cost(self):
        """As `ArmQuestion.cost`: a ResNet34 takes longer than an AAE."""
        items = ("with" in self.sets) + 0.5 * ("pair" in self.sets)
        return items * (0.03 if self.model == "baseline" else 0.004)

    def write(self, answer):
        """Keep a dict of arrays, in single precision, and numbers."""
        single = {k: v.astype(np.float32) if isinstance(v, np.ndarray) else v for k, v in answer.items()}
        super().write(single)


@dataclass(frozen=True)
class ArmQuestions:
    """All that one trained arm is asked under one condition: what is answered and what is judged.

    answers {model: AnswersQuestion}. scans {model: ScanQuestion}. maps {(method, model): MapsQuestion}.
    """

    answers: dict
    scans: dict
    walks: WalksQuestion
    maps: dict

    def __iter__(self):
        yield from self.answers.values()
        yield from self.scans.values()
        yield self.walks
        yield from self.maps.values()


@dataclass(frozen=True)
class QuestionPlan:
    """What every arm of an audit is asked.

    models: names in MODELS. probe: number of probe items. directions, random_directions: of the walks. methods
    {model: {attribution method: its parameters}}. seeds: models of each arm that are judged.
    """

    models: tuple[str, ...]
    probe: int
    directions: tuple[str, ...]
    random_directions: int
    methods: dict
    seeds: int

    def questions(self, condition, folders):
        """{arm: [ArmQuestions of each seed]} of a condition, from the folders {arm: [folder of each seed]}."""
        return {
            arm: [self._arm_questions(condition, arm, number, folders) for number in range(len(folders[arm]))]
            for arm in folders
        }

    def _arm_questions(self, condition, arm, number, folders):
        """The ArmQuestions of model `number` of an arm."""
        folder, sets = folders[arm][number], SETS[arm]
        about = {model: (folder, condition, model, self.probe) for model in self.models}
        oracle = self._oracle(arm, number, folders)
        maps = {
            (method, model): MapsQuestion(*about[model], method, tuple(parameters.items()), sets, arm == "biased")
            for model in self.models
            for method, parameters in self.methods[model].items()
        }
        walks = WalksQuestion(*about["aae"], self.directions, self.random_directions, oracle)
        answers = {model: AnswersQuestion(*about[model]) for model in self.models}
        return ArmQuestions(answers, self._scans(condition, arm, number, folder), walks, maps)

    def _scans(self, condition, arm, number, folder):
        """{model: ScanQuestion}, of what the arm was trained with: arm normal is scanned once for all conditions."""
        trained = Arm(condition, arm, number).trained_condition()
        return {model: ScanQuestion(folder, trained, model, self.probe) for model in self.models}

    def _oracle(self, arm, number, folders):
        """The folder of the model that is asked as oracle about the walks of model `number` of an arm.

        It is a model of arm irrelevant, of another seed where that arm itself walks; arm normal has none.
        """
        if arm == "normal":
            return None
        return folders["irrelevant"][number if arm == "biased" else (number + 1) % self.seeds]
