"""What a parameter vector is scored on: lines of the scorecard, on few seeds, as targets with numbers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from abm.scenarios import load_scenario
from abm.study.episodes import Episode, episode_lines_of, episode_names, load_episode
from abm.study.impact import MONTH, SLOPES, impact_experiments, impact_lines_of, slope_runs
from abm.study.lines import Line
from abm.study.moments import CALM, calm_experiments, calm_lines_of
from abm.study.paths import Experiment, experiment, run_paths
from abm.study.smm import Target, Targets
from abm.study.targets import read_calm_targets

CALM_DAYS: Final = 100
FAMILIES: Final = {"sd", "kurtosis", "acf_1", "acf_5", "acf_20", "correlation"}  # of calm lines that are fitted
NEVER: Final = ("sign", "band")  # kinds of lines that say the same as others, or have the model's own range


def targets_of(lines: Iterable[Line]) -> Targets:
    """The lines that have a figure of their own to aim at, share lines and yes-or-no lines left out.

    Families: each moment of calm days, their correlations, each experiment of section B, each episode's moves.
    """
    return Targets(tuple(_target(row) for row in lines if _is_fitted(row)))


def _is_fitted(row: Line) -> bool:
    if row.section == "A":
        return row.id.split(".")[1] in FAMILIES and row.id.count(".") > 1
    return row.section in "BC" and bool(row.part_of) and row.kind not in NEVER


def _target(row: Line) -> Target:
    family = row.part_of or ".".join(row.id.split(".")[:2])
    return Target(row.id, family, row.text, row.unit, row.low, row.high)


def results_of(lines: Iterable[Line]) -> dict[str, float]:
    """Result of every line."""
    return {row.id: row.result for row in lines}


@dataclass(frozen=True)
class Simulator:
    """The scorecard on few seeds, the same ones for every parameter vector.

    seeds: per experiment; block b uses seeds b x 1000 + 1 and on, so that other blocks are fresh. state: file of the
    opening state, by default that of January 2026 with its packaged episodes. targets: file of calm targets, by default
    the packaged ones. sections: of A, B, C.
    """

    seeds: int
    workers: int | None = None
    state: str | None = None
    targets: str | None = None
    sections: tuple[str, ...] = ("A", "B", "C")
    days: int = CALM_DAYS

    def design(self) -> dict[str, Any]:
        """What decides the results besides the parameters, as JSON values."""
        files = {"state": self.state, "targets": self.targets}
        texts = {name: Path(path).read_text(encoding="utf-8") if path else "packaged" for name, path in files.items()}
        return {"seeds": self.seeds, "sections": list(self.sections), "calm_days": self.days, **texts}

    def calm_targets(self) -> dict[str, Any] | None:
        """Those of the file, None for the packaged ones."""
        return read_calm_targets(self.targets) if self.targets else None

    def __call__(self, settings: Mapping[str, float], block: int = 0) -> Sequence[Line]:
        """Lines of all sections at these settings. KeyboardInterrupt if interrupted."""
        seeds = range(1000 * block + 1, 1000 * block + 1 + self.seeds)
        experiments: dict[str, Experiment] = {}
        episodes: list[Episode] = []
        if "A" in self.sections:
            calm = load_scenario("baseline", settings, self.days, self.state)
            experiments |= calm_experiments(calm, seeds)
        if "B" in self.sections:
            experiments |= _short_impact(impact_experiments(seeds=seeds[:1], overrides=settings))
        if "C" in self.sections:
            episodes = [load_episode(name, settings) for name in episode_names()]
            experiments |= {episode.name: experiment(episode.scenario, seeds) for episode in episodes}
        runs = run_paths(experiments, workers=self.workers, progress=False)
        lines: list[Line] = []
        if "A" in self.sections:
            lines += calm_lines_of(runs[CALM], self.calm_targets())
        if "B" in self.sections:
            lines += impact_lines_of(runs)
        for episode in episodes:
            lines += episode_lines_of(episode, runs[episode.name])
        return lines


def _short_impact(experiments: dict[str, Experiment]) -> dict[str, Experiment]:
    """Section B without its demand slopes: those of real money are taken from the literature, nothing fits them.

    The purchases of shares that belong to them are kept for the month after which they are measured.
    """
    out = {name: run for name, run in experiments.items() if name not in slope_runs()}
    for market in SLOPES["shares"]:
        run = experiments[f"quiet: slope {market}"]
        out[f"quiet: slope {market}"] = experiment(run.trial.scenario.shortened(MONTH), run.seeds)
    return out
