"""Runs that survive the end of their process: `abm run --checkpoint DIR`, `abm resume DIR`.

DIR holds manifest.json (format, checksum, the resolved scenario, the seeds, code and package versions), one file per
seed that has begun (seeds/SEED.state, see `saved_state`), and the results once there are any, unless they go elsewhere.
A file is written aside, forced to disk and renamed, so it is there wholly or not at all. A seed goes on from its last
file; draws are keyed by seed, purpose and day, so what follows is the same to the last bit.
"""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from abm.output.files import locked, write_aside
from abm.output.tables import content_hash, prepared, read_json
from abm.scenarios import Scenario, scenario_from_resolved
from abm.study.ensemble import Model, market_model
from abm.study.run import RunResult, code_hash, git_revision, package_versions, run
from abm.study.saved_state import holds_a_record, model_from, record_of, recorder_from, state_of
from abm.world.errors import InputError, shown

FORMAT: Final = 1
MANIFEST, SEEDS, LOCK, RESULTS = "manifest.json", "seeds", "lock", "results"
SHARE_OF_TIME: Final = 0.05  # that writing states may take


@dataclass(frozen=True)
class Kept:
    """What a checkpoint directory says is to be run. results: where they are, once it is done."""

    directory: Path
    scenario: Scenario
    seeds: tuple[int, ...]
    figures: bool
    results: str = ""


def start(
    directory: Path,
    scenario: Scenario,
    seeds: Sequence[int],
    figures: bool,
    out: Path | None,
    workers: int | None,
    tell: Callable[[Path], None] | None = None,
) -> RunResult:
    """Begin a run and carry it out. Where it turns out to be impossible, nothing is left behind."""
    new = not directory.exists()
    kept = begin(directory, scenario, seeds, figures)
    try:
        return carry_out(kept, out, workers, tell=tell)
    except InputError:
        for path in (directory / SEEDS, directory / MANIFEST, directory / LOCK):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        if new:
            directory.rmdir()
        raise


def begin(directory: Path, scenario: Scenario, seeds: Sequence[int], figures: bool = True) -> Kept:
    """Describe a run in a new or empty directory. InputError for any other one."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        if (directory / MANIFEST).is_file():
            raise InputError(f"{directory}: holds a run already; abm resume {directory} goes on with it")
        raise InputError(f"{directory}: is not an empty directory, but --checkpoint needs a new or empty one")
    kept = Kept(directory, scenario, tuple(seeds), figures)
    (directory / SEEDS).mkdir(parents=True)
    _describe(kept)
    return kept


def read(directory: Path) -> Kept:
    """The run kept in a directory. InputError, one sentence, if it is none, damaged, or of another program."""
    told = _manifest(directory)
    if told["format"] != FORMAT:
        raise InputError(f"{directory}: has format {shown(told['format'])} of checkpoints, but only {FORMAT} is read")
    if told["sha256"] != content_hash({k: v for k, v in told.items() if k != "sha256"}):
        raise _damaged(directory / MANIFEST, "its content does not have the checksum it should have")
    here = {"code_hash": code_hash(), "packages": package_versions()}
    if any(told[name] != value for name, value in here.items()):
        other = _difference(told, here)
        raise InputError(f"{directory}: was written by another program ({other}); go back to that one to resume")
    if not isinstance(told["scenario"], dict) or not isinstance(told["seeds"], list):
        raise _damaged(directory / MANIFEST, "it has no scenario and no list of seeds")
    scenario = scenario_from_resolved(told["scenario"])
    if scenario.hash != told["scenario_hash"] or not all(type(seed) is int for seed in told["seeds"]):
        raise _damaged(directory / MANIFEST, "its scenario or its seeds are not what it says")
    return Kept(directory, scenario, tuple(told["seeds"]), bool(told["figures"]), str(told["results"]))


def carry_out(
    kept: Kept,
    out: Path | None,
    workers: int | None = None,
    progress: bool = True,
    tell: Callable[[Path], None] | None = None,
) -> RunResult:
    """Run what is missing and save the results, by default in the directory itself. States go when all seeds are done.

    tell: as in `run`. InputError if the run is done already, or another process is at it, or a state is damaged.
    """
    if kept.results:
        raise InputError(f"{kept.directory}: this run is done, its results are in {kept.results}")
    target = out if out is not None else kept.directory / RESULTS
    with locked(kept.directory / LOCK, f"{kept.directory}: another process is at this run; wait for it"):
        for left in prepared(kept.directory / RESULTS):
            shutil.rmtree(left, ignore_errors=True)
        for seed in kept.seeds:
            _checked_state(_state_file(kept.directory, seed))
        build = Checkpointed(kept.directory)
        result = run(
            kept.scenario,
            kept.seeds,
            workers=workers,
            out=target,
            figures=kept.figures,
            progress=progress,
            build=build,
            tell=tell,
        )
        if not result.failures:
            _describe(Kept(kept.directory, kept.scenario, kept.seeds, kept.figures, str(target)))
            shutil.rmtree(kept.directory / SEEDS, ignore_errors=True)
    return result


# -- one seed --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Checkpointed:
    """Makes models that keep their state in a directory and go on from what is there."""

    directory: Path

    def __call__(self, scenario: Any, seed: int) -> Model:
        """The model of a seed, with the days that are known behind it."""
        return KeptModel(scenario, seed, _state_file(self.directory, seed))


class KeptModel:
    """A model that writes its state now and then. Days that the file knows pass without being run again.

    recorder: what happened so far.
    """

    def __init__(self, scenario: Scenario, seed: int, file: Path) -> None:
        self.file, self.last_day = file, scenario.days
        self.day = 0
        content = _checked_state(file)
        if content is not None and holds_a_record(content):
            self.recorder: Any = recorder_from(content)
        else:
            self.model: Any = market_model(scenario, seed) if content is None else model_from(content, scenario)
            self.recorder = self.model.recorder
        if self.recorder.seed != seed:
            raise _damaged(file, f"it is of seed {self.recorder.seed}")
        self.known = self.recorder.last_day
        self._next = 0.0

    def run_for(self, duration: int) -> None:
        """Run so many days, and write the state if it is time or the last day is over."""
        for _ in range(duration):
            self.day += 1
            if self.day > self.known:
                self.model.run_for(1)
                self._keep()

    def _keep(self) -> None:
        begun = time.monotonic()
        over = self.day == self.last_day
        if begun < self._next and not over:
            return
        content = record_of(self.recorder) if over else state_of(self.model)
        write_aside(self.file, lambda opened: opened.write(content))
        done = time.monotonic()
        self._next = done + (done - begun) / SHARE_OF_TIME


def _state_file(directory: Path, seed: int) -> Path:
    return directory / SEEDS / f"{seed}.state"


def _checked_state(file: Path) -> bytes | None:
    """Content of a state file whose checksum is right, None if there is no file."""
    try:
        content = file.read_bytes()
        holds_a_record(content)
    except FileNotFoundError:
        return None
    except InputError as error:
        raise InputError(f"{file}: {error}") from None
    except ValueError as error:
        raise _damaged(file, str(error)) from None
    return content


# -- the directory ---------------------------------------------------------------------------------------------------


def _damaged(file: Path, what: str) -> InputError:
    return InputError(f"{file}: is damaged, {what}; remove it to compute anew what it held, or begin another run")


def _describe(kept: Kept) -> None:
    about = {
        "file": "abm checkpoint",
        "format": FORMAT,
        "scenario_hash": kept.scenario.hash,
        "seeds": list(kept.seeds),
        "figures": kept.figures,
        "results": kept.results,
        "git_revision": git_revision(),
        "code_hash": code_hash(),
        "packages": package_versions(),
        "scenario": kept.scenario.resolved(),
    }
    text = json.dumps({**about, "sha256": content_hash(about)}, indent=1, ensure_ascii=False)
    write_aside(kept.directory / MANIFEST, lambda file: file.write(text.encode()))


def _manifest(directory: Path) -> dict[str, Any]:
    path = directory / MANIFEST
    if not path.is_file():
        raise InputError(f"{directory}: is not the directory of abm run --checkpoint, it has no {MANIFEST}")
    told = read_json(path, "the manifest of abm run --checkpoint")
    if told.get("file") != "abm checkpoint":
        raise InputError(f"{path}: is not the manifest of abm run --checkpoint")
    wanted = ("format", "sha256", "scenario_hash", "seeds", "figures", "results", "code_hash", "packages", "scenario")
    missing = [name for name in wanted if name not in told]
    if missing:
        raise _damaged(path, f"it lacks {missing[0]}")
    return told


def _difference(told: dict[str, Any], here: dict[str, Any]) -> str:
    """The first thing that differs between two programs."""
    theirs, ours = told["packages"], here["packages"]
    for name in sorted({*theirs, *ours}) if isinstance(theirs, dict) else ():
        if theirs.get(name) != ours.get(name):
            return f"{name} {theirs.get(name)}, here {ours.get(name)}"
    return f"revision {told.get('git_revision') or 'unknown'}, here {git_revision() or 'unknown'}"
