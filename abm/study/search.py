"""The search for the best parameters: CMA-ES of Optuna, every trial kept in a journal, resumed where it stopped.

A proposal depends on the finished trials, the seed and the trial's number alone, so a search that was interrupted, or
killed, goes on with the proposals it would have made.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import optuna
from optuna.samplers import CmaEsSampler, RandomSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from abm.output.files import cut_half_line
from abm.study.free import Free

JOURNAL: Final = "trials.journal"
STUDY: Final = "calibration"
RESULTS: Final = "results"
SEED: Final = 20260113


@dataclass(frozen=True)
class Trial:
    """A finished trial. values: by parameter. results: by target."""

    number: int
    values: dict[str, float]
    loss: float
    results: dict[str, float]


type Objective = Callable[[Mapping[str, float]], tuple[float, Mapping[str, float]]]


def search(
    free: Sequence[Free],
    start: Mapping[str, float],
    objective: Objective,
    trials: int,
    directory: Path,
    told: Callable[[Sequence[Trial]], None] = lambda done: None,
) -> list[Trial]:
    """Trials in order, the first at `start`, until there are so many.

    start: values by parameter. objective: loss and results of values; the loss must be finite. directory: where the
    journal is, or will be. told: called after every trial, and once at the beginning, with all that are done.
    KeyboardInterrupt of the objective passes; the trial it stopped is the first of the next call.
    """
    with _quiet_optuna():
        study = _study(directory / JOURNAL)
        if not study.get_trials(deepcopy=False):
            study.enqueue_trial(dict(start))
        told(_finished(study))
        while len(_finished(study)) < trials:
            trial = _next(study, start)
            values = {one.name: trial.suggest_float(one.name, one.low, one.high, log=one.log) for one in free}
            loss, results = objective(values)
            trial.set_user_attr(RESULTS, dict(results))
            study.tell(trial, loss)
            told(_finished(study))
        return _finished(study)


def best(trials: Sequence[Trial]) -> Trial:
    """The trial with the least loss, the earliest of equals."""
    return min(trials, key=lambda trial: (trial.loss, trial.number))


def _study(journal: Path) -> optuna.Study:
    if journal.is_file():
        cut_half_line(journal)
    storage = JournalStorage(JournalFileBackend(str(journal)))
    return optuna.create_study(study_name=STUDY, storage=storage, load_if_exists=True)


def _next(study: optuna.Study, start: Mapping[str, float]) -> optuna.Trial:
    """The trial that was under way when the search stopped, else a new one; the sampler is seeded by its number."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    number = (
        running[0].number if running else sum(t.state != TrialState.WAITING for t in study.get_trials(deepcopy=False))
    )
    study.sampler = CmaEsSampler(
        x0=dict(start),
        seed=SEED + number,
        independent_sampler=RandomSampler(seed=SEED + number),
        warn_independent_sampling=False,
    )
    return optuna.Trial(study, running[0]._trial_id) if running else study.ask()


def _finished(study: optuna.Study) -> list[Trial]:
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [_trial(t) for t in sorted(done, key=lambda t: t.number)]


def _trial(frozen: FrozenTrial) -> Trial:
    results: dict[str, Any] = frozen.user_attrs[RESULTS]
    assert frozen.value is not None
    return Trial(frozen.number, dict(frozen.params), frozen.value, results)


@contextmanager
def _quiet_optuna() -> Any:
    """No log lines between the progress bar's, and no warning that an interface may change."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            warnings.simplefilter("ignore", FutureWarning)  # x0 goes in Optuna 6, which pyproject.toml excludes
            yield
    finally:
        optuna.logging.set_verbosity(before)
