"""Calibration by simulated moments: search, then what the targets say about each parameter, all kept on the way.

A directory holds one calibration: design.json (what was asked), trials.journal (the search), evaluations.jsonl (all
other simulations), and at the end fit.json, fitted.toml, report.md, sensitivity.csv and figures. Whatever interrupts
it, the same call goes on where it stopped.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from abm.output.files import cut_half_line
from abm.output.tables import write_json
from abm.study import smm
from abm.study.free import Free, overrides
from abm.study.lines import Line
from abm.study.run import Interrupted, code_hash, git_revision
from abm.study.search import Trial, best, search
from abm.study.simulator import results_of, targets_of
from abm.world.errors import InputError, MarketFailure, shown

DESIGN: Final = "design.json"
EVALUATIONS: Final = "evaluations.jsonl"
FRESH_BLOCKS: Final = 4  # of other seeds, for the simulation's variance and an honest comparison
STEP: Final = 0.1  # of a parameter's range, to either side, for slopes
PULL: Final = 0.1  # loss added to the search for a whole range's distance from the packaged value, squared


class Simulate(Protocol):
    """What calibration needs of a model."""

    def design(self) -> dict[str, Any]:
        """What decides the results besides the parameters, as JSON values."""

    def __call__(self, settings: Mapping[str, float], block: int = 0) -> Sequence[Line]:
        """Lines at these settings ("sector.parameter" to value); block: which seeds, the same for the same number."""


@dataclass(frozen=True)
class Fit:
    """A finished calibration.

    before, after: results at the packaged and the fitted values, (targets,). u: fitted values in unit coordinates,
    (parameters,). packaged: the same of the values before. interval: 95 %, (2, parameters), in unit coordinates.
    informed: share of each parameter's range that the targets rule out. sensitivity: slopes in standard errors of the
    target per whole range, (targets, parameters). jacobian: slopes, (targets, parameters). simulation_sd: of one
    evaluation, (targets,). fresh_before, fresh_after: losses on other seeds. moved: losses with one parameter a step
    below and above the fit, (2, parameters). path: where it is kept.
    """

    free: tuple[Free, ...]
    targets: smm.Targets
    trials: tuple[Trial, ...]
    before: np.ndarray
    after: np.ndarray
    packaged: np.ndarray
    u: np.ndarray
    interval: np.ndarray
    informed: np.ndarray
    sensitivity: np.ndarray
    jacobian: np.ndarray
    simulation_sd: np.ndarray
    fresh_before: np.ndarray
    fresh_after: np.ndarray
    moved: np.ndarray
    path: Path

    @property
    def losses(self) -> tuple[float, float]:
        """Before and after, on the seeds of the search."""
        return smm.loss(self.targets, self.before), smm.loss(self.targets, self.after)

    def values(self, u: np.ndarray) -> np.ndarray:
        """Values of a point in unit coordinates, (parameters,)."""
        return np.array([one.value(float(x)) for one, x in zip(self.free, u, strict=True)])


type Told = Callable[[str, int, int, Sequence[Trial]], None]


def fit(
    free: Sequence[Free],
    simulate: Simulate,
    packaged: np.ndarray,
    trials: int,
    directory: Path,
    told: Told = lambda stage, done, of, trials: None,
) -> Fit:
    """Search the given number of trials and examine the best, taking up what the directory already holds.

    packaged: unit coordinates from which the search starts, (parameters,). told: called with the stage, how many of its
    simulations are done, of how many, and the trials so far. Raises InputError if the directory holds a calibration of
    another design, `Interrupted` (a KeyboardInterrupt) when interrupted.
    """
    check_design(directory, free, simulate)
    kept = _Kept(directory / EVALUATIONS, simulate)
    done: list[Trial] = []
    try:
        told("search", 0, trials, done)
        targets = kept.targets()

        def objective(values: Mapping[str, float]) -> tuple[float, Mapping[str, float]]:
            u = np.array([one.unit_value(values[one.name]) for one in free])
            results = kept.at(overrides(free, u))
            pull = PULL * float(((u - packaged) ** 2).sum())
            return smm.loss(targets, targets.vector(results)) + pull, {
                row.id: results.get(row.id, np.nan) for row in targets.rows
            }

        def searched(finished: Sequence[Trial]) -> None:
            done[:] = finished
            told("search", len(finished), trials, finished)

        start = {one.name: one.value(float(x)) for one, x in zip(free, packaged, strict=True)}
        search(free, start, objective, trials, directory, searched)
        return _examine(tuple(free), targets, kept, tuple(done), packaged, told)
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted: {len(done)} of {trials} trials are kept in {directory}; the same command with "
            f"--out {directory} goes on",
            None,
        ) from None


def _examine(
    free: tuple[Free, ...],
    targets: smm.Targets,
    kept: "_Kept",
    trials: tuple[Trial, ...],
    packaged: np.ndarray,
    told: Told,
) -> Fit:
    """Simulations around the best trial and on other seeds, and what follows from them."""
    found = best(trials)
    u = np.array([one.unit_value(found.values[one.name]) for one in free])
    jobs = [(_moved(u, i, side), 0) for side in (-STEP, STEP) for i in range(len(free))]
    jobs += [(at, block) for at in (packaged, u) for block in range(1, FRESH_BLOCKS + 1)]
    results = []
    for number, (at, block) in enumerate(jobs):
        told("sensitivities and other seeds", number, len(jobs), trials)
        results.append(targets.vector(kept.at(overrides(free, at), block)))
    told("sensitivities and other seeds", len(jobs), len(jobs), trials)
    n = len(free)
    below, above = np.array(results[:n]), np.array(results[n : 2 * n])
    fresh_before, fresh_after = results[2 * n : 2 * n + FRESH_BLOCKS], results[2 * n + FRESH_BLOCKS :]
    step = np.array([_moved(u, i, STEP)[i] - _moved(u, i, -STEP)[i] for i in range(n)])
    after = targets.vector(found.results)
    jacobian = smm.slopes(below, above, step)
    variance = np.nan_to_num(np.var([after, *fresh_after], axis=0, ddof=1))
    sensitivity = smm.standardised(targets, jacobian, variance)
    interval = smm.intervals(u, smm.precision(targets, sensitivity))
    return Fit(
        free=free,
        targets=targets,
        trials=trials,
        before=targets.vector(kept.at({})),
        after=after,
        packaged=packaged,
        u=u,
        interval=interval,
        informed=smm.informed(interval),
        sensitivity=sensitivity,
        jacobian=jacobian,
        simulation_sd=np.sqrt(variance),
        fresh_before=np.array([smm.loss(targets, x) for x in fresh_before]),
        fresh_after=np.array([smm.loss(targets, x) for x in fresh_after]),
        moved=np.array([[smm.loss(targets, x) for x in side] for side in (below, above)]),
        path=kept.path.parent,
    )


def _moved(u: np.ndarray, parameter: int, by: float) -> np.ndarray:
    """A point with one coordinate moved, within the bounds."""
    out = u.copy()
    out[parameter] = np.clip(out[parameter] + by, 0.0, 1.0)
    return out


class _Kept:
    """Simulations, each done once and kept in a file, one line each."""

    def __init__(self, path: Path, simulate: Simulate) -> None:
        self.path, self.simulate = path, simulate
        self.results: dict[str, dict[str, float]] = {}
        self.rows: list[dict[str, Any]] = []
        if path.is_file():
            cut_half_line(path)
            for line in path.read_text(encoding="utf-8").splitlines():
                self._remember(json.loads(line))

    def targets(self) -> smm.Targets:
        """Targets, as the first simulation at the packaged values gives them."""
        self.at({})
        return smm.Targets(tuple(smm.Target(**row) for row in self.rows))

    def at(self, settings: Mapping[str, float], block: int = 0) -> dict[str, float]:
        """Results by target; none if every seed of a part failed."""
        key = json.dumps([sorted(settings.items()), block])
        if key not in self.results:
            entry = {"key": key, **self._simulated(settings, block)}
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
            self._remember(entry)
        return self.results[key]

    def _simulated(self, settings: Mapping[str, float], block: int) -> dict[str, Any]:
        try:
            lines = self.simulate(settings, block)
        except (MarketFailure, RuntimeError) as error:
            if not settings:
                raise
            return {"results": {}, "failed": str(error)}
        rows = targets_of(lines).rows
        about = {} if settings else {"targets": [asdict(row) for row in rows]}
        results = results_of(lines)
        return {"results": {row.id: results[row.id] for row in rows}, **about}

    def _remember(self, entry: dict[str, Any]) -> None:
        self.results[entry["key"]] = entry["results"]
        self.rows = entry.get("targets", self.rows)


# -- design --------------------------------------------------------------------------------------------------------


def is_calibration(directory: Path) -> bool:
    """Whether a calibration was begun there."""
    return (directory / DESIGN).is_file()


def check_design(directory: Path, free: Sequence[Free], simulate: Simulate) -> None:
    """Write the design, or compare with the one that is there; InputError that names what differs."""
    design = {"free": {one.name: asdict(one) for one in free}, **simulate.design(), "code": code_hash()}
    asked = _flat(json.loads(json.dumps(design)))
    path = directory / DESIGN
    if not path.is_file():
        directory.mkdir(parents=True, exist_ok=True)
        write_json(path, {"git_revision": git_revision(), "design": asked})
        return
    there = json.loads(path.read_text(encoding="utf-8"))["design"]
    changed = [key for key in sorted({*asked, *there}) if asked.get(key) != there.get(key)]
    if changed:
        words = "; ".join(f"{key} was {shown(there.get(key))}, is {shown(asked.get(key))}" for key in changed[:4])
        more = f"; and {len(changed) - 4} more" if len(changed) > 4 else ""
        raise InputError(f"{directory}: holds a calibration of another design: {words}{more}; choose another --out")


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {name: value}
    return {k: v for key, inner in value.items() for k, v in _flat(inner, f"{name}.{key}" if name else key).items()}
