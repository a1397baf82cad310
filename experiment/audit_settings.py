"""The settings of an audit and their presets. Needs no torch."""

from dataclasses import asdict, dataclass, replace

AUDITED_METHODS = (  # one or two attribution methods of every family; any others by --methods
    "saliency",
    "input_x_gradient",
    "integrated_gradients",
    "guided_backprop",
    "deeplift",
    "gradcam",
    "gradcam_plus_plus",
    "layer_cam",
    "lrp_epsilon_plus",
    "excitation_backprop",
    "occlusion",
)


AUDITED_FACTORS = {  # kind -> what an audit plants where nothing else is asked for
    "signal": ("hum", "drift", "shift", "polarity", "spike"),
    "picture": ("rotation", "brightness", "tint", "blur", "tag"),
    "volume": ("rotation", "brightness", "contrast", "blur", "tag"),
}
USUAL_CODE = "plain"  # of arms whose key names none, as those of earlier versions
WALKS = {  # code -> directions that are walked where no others are asked for; a factored code has no head to follow
    "plain": ("lda", "head", "means"),
    "factored": ("led:aae", "led:baseline", "lda", "means"),
}


@dataclass(frozen=True)
class AuditSettings:
    """What an audit plants, trains and asks. The defaults are those of preset `default`; None stands for "by itself".

    factors: what is planted; each with every strength (share of the factor's range) and every contamination (share of
    items that obey). label_noise: share of the biased arm's training items that get another class's label. seeds:
    models of each arm; irrelevant_seeds: of arm irrelevant of the first condition, for the check of chance. probe:
    held-out items that are explained. code: of every AAE, see `settings.CODES`; encoding_dims: of its content, None for
    that code's. directions: of the walks, see `latent_nav.directions`, "led:MODEL" for those that a classifier leads.
    methods: attribution methods. workers: processes at once; scheduler: address of a Dask scheduler, whose workers are
    used instead. arms: folder of the trained arms. classes: found when the data are read. The others
    are as for a run.
    """

    dataset: str = "synthpets"
    factors: tuple[str, ...] = AUDITED_FACTORS["picture"]
    strength: tuple[float, ...] = (1.0,)
    contamination: tuple[float, ...] = (1.0,)
    label_noise: float = 0.4
    seeds: int = 3
    items: int | None = 2400
    size: int | None = 32
    code: str = "factored"
    encoding_dims: int | None = None
    step_channels: int = 16
    batch_size: int = 64
    epochs: int = 12
    baseline_epochs: int = 2
    probe: int = 52
    directions: tuple[str, ...] = WALKS["factored"]
    random_directions: int = 100
    methods: tuple[str, ...] = AUDITED_METHODS
    preset: str = "default"
    irrelevant_seeds: int | None = None
    data_root: str | None = None
    channels: int | None = None
    window: str = "file"
    slices: str = "axial"
    workers: int | None = None
    scheduler: str | None = None
    arms: str | None = None
    command: str | None = None
    classes: tuple[str, ...] | None = None

    @classmethod
    def from_options(cls, preset="default", **given):
        """A preset with what is `given` in its place; None, () and [] stand for "as in the preset".

        KeyError for a preset that is not there, TypeError for a setting that is not there.
        """
        chosen = {name: value for name, value in given.items() if value not in (None, (), [])}
        usual = AUDITS[preset]
        if "directions" not in chosen:
            walks = usual.directions if chosen.get("code", usual.code) == usual.code else WALKS[chosen["code"]]
            left_out = () if chosen.get("baseline_epochs", usual.baseline_epochs) else ("led:baseline",)
            chosen["directions"] = tuple(name for name in walks if name not in left_out)
        return replace(usual, **{n: tuple(v) if isinstance(v, list) else v for n, v in chosen.items()})

    def as_dict(self):
        """The settings that are not None, ready for JSON."""
        return {name: value for name, value in asdict(self).items() if value is not None}


AUDITS = {
    "default": AuditSettings(),
    "smoke": AuditSettings(
        factors=("tag",),
        label_noise=0.0,
        items=400,
        batch_size=32,
        probe=26,
        code="plain",  # a third of the time
        directions=("head",),
        methods=("saliency", "gradcam"),
        preset="smoke",
    ),
}


def audit_settings(**given):
    """The AuditSettings of the command line's options; see `AuditSettings.from_options`."""
    return AuditSettings.from_options(**given)
