"""The page of a run: every section and the summary into the template."""

from pathlib import Path

from xaae.experiment.kinds import KINDS
from xaae.experiment.run_folder import is_run, read_arrays, read_json
from xaae.experiment.vocabulary import models_of
from xaae.report.run import attribution_tables, factor_curves, item_tables, latent_health
from xaae.report.run.conclusions import paragraphs
from xaae.report.run.latent_map import map_section
from xaae.report.run.learning_curves import learning_curves
from xaae.report.run.led_section import led_section
from xaae.report.run.planted_ranges import planted_section
from xaae.report.run.scan_section import scan_section
from xaae.report.run.target_section import target_section
from xaae.report.run.walk_panels import walk_panels
from xaae.report.shared.run_files import RunFiles
from xaae.report.shared.templates import render_template

PAPERS = {  # kind -> where its baseline is from
    "picture": "He et al., Deep Residual Learning for Image Recognition, 2016, arXiv 1512.03385",
    "signal": "Wang, Yan and Oates, Time Series Classification from Scratch with Deep Neural Networks, IJCNN 2017, "
    "arXiv 1611.06455",
    "volume": "He et al., Deep Residual Learning for Image Recognition, 2016, arXiv 1512.03385",
}
SPRITE_SECTIONS = ("exemplars", "counterfactuals", "gradcam", "scanned", "led")


def render_run(run: RunFiles, summary: dict) -> str:
    """The whole page as one HTML text without any outside reference; everything from the run is escaped."""
    sections = _sections(run, summary)
    return render_template(
        "run.html.j2",
        s=summary,
        config=run.config,
        where=str(run.path),
        kind=run.kind,
        models=models_of(run.kind),
        papers=PAPERS,
        painter=run.painter,
        classes=list(enumerate(run.classes)),
        text=paragraphs(summary),
        planted_as=run.planted,
        measured_as=run.measured,
        sprites=_sprites(sections),
        command=_command(run.config),
        **sections,
    )


def render_scan(folder) -> str:
    """The page of a scan alone, of a run or of a folder of items. InputError if there is no scan or a broken one."""
    scan = read_json(Path(folder) / "scan.json")
    strips = Path(folder) / "scan" / "strips.npz"
    about = read_json(Path(folder).parent / "config.json") if is_run(Path(folder).parent) else scan
    scanned = scan_section(scan, read_arrays(strips) if strips.is_file() else None, about)
    parts = {"questions": scan.get("questions") or [], "walked": False, "planted_arm": ""}
    return render_template("scan.html.j2", scanned=scanned, kind=KINDS[scan["kind"]], where=str(folder), **parts)


def _sections(run: RunFiles, summary: dict) -> dict:
    """What every section of the page shows, by the name that the template uses."""
    return {
        "planted": planted_section(run, summary["walk"]["direction"] or "lda"),
        "questions": summary["questions"],
        "walked": True,
        "planted_arm": run.config.get("arm"),
        "scanned": scan_section(run.json("scan.json"), run.arrays("scan/strips.npz", "label"), run.config),
        "predicted": target_section(run, summary),
        "curves": learning_curves(run),
        "led": led_section(run, summary),
        "panels": walk_panels(run, summary),
        "exemplars": item_tables.exemplar_section(run),
        "counterfactuals": item_tables.counterfactual_section(run, summary),
        "gradcam": attribution_tables.gradcam_section(run),
        "attributions": attribution_tables.method_tables(run),
        "responses": factor_curves.response_section(run, summary),
        "impact": factor_curves.impact_section(run),
        "correlations": latent_health.correlation_section(summary),
        "maps": map_section(run),
        "health": latent_health.health_section(summary),
        "skipped": _skipped(run),
    }


def _skipped(run: RunFiles) -> list[dict]:
    """Items that could not be read, and why."""
    table = run.table("skipped.csv")
    rows = () if table is None else zip(table["path"], table["reason"], strict=True)
    return [{"path": str(path), "reason": str(reason)} for path, reason in rows]


def _sprites(sections: dict) -> dict[str, dict]:
    """Every sprite of the page by its CSS class."""
    holders = [*sections["panels"], *sections["attributions"], *(sections[name] or {} for name in SPRITE_SECTIONS)]
    return {name: sprite for holder in holders for name, sprite in holder.get("sprites", {}).items()}


def _command(config: dict) -> str | None:
    """The command line that made the run, if the settings hold it."""
    command = config.get("command") or config.get("command_line") or config.get("argv")
    return " ".join(map(str, command)) if isinstance(command, list) else command
