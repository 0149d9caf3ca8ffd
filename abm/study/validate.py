"""The scorecard: what the model is held against, section by section, in one ensemble."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from abm.output.tables import SCORECARD, RunWriter, require_replaceable, write_json
from abm.scenarios import load_scenario
from abm.study.ensemble import Failure
from abm.study.episodes import Episode, episode_lines_of, episode_names, load_episode
from abm.study.impact import impact_experiments, impact_lines_of
from abm.study.lines import Line, share_pct
from abm.study.moments import CALM, calm_experiments, calm_lines_of, stress_lines_of
from abm.study.paths import Experiment, Paths, experiment, run_paths
from abm.study.run import Interrupted, code_hash, default_directory, git_revision, package_versions
from abm.study.stylised import STRESS, stylised_experiments, stylised_lines_of
from abm.study.targets import read_calm_targets, targets
from abm.world.economy import DAYS_PER_YEAR
from abm.world.errors import InputError, shown

SECTIONS: Final = {"A": "calm", "B": "impact of one flow", "C": "episodes", "S": "stylised facts"}
STRESS_EPISODES: Final = (STRESS, "2026-01")  # whose runs section A's stress lines read
FORMAT: Final = 1


@dataclass(frozen=True)
class Bar:
    """A share of lines that should pass, and that does. result: NaN where there is nothing to count."""

    name: str
    text: str
    least_pct: float
    result_pct: float
    count: int

    @property
    def passed(self) -> bool:
        """Whether the share is reached."""
        return self.result_pct >= self.least_pct


def _row(entry: Line) -> dict[str, Any]:
    """A line as plain values, rounded to what can be told apart."""
    values = asdict(entry)
    return {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in values.items()}


@dataclass(frozen=True)
class Scorecard:
    """All lines of a validation. seeds: per section, of its largest ensemble. about: versions, time, settings."""

    lines: tuple[Line, ...]
    seeds: dict[str, int]
    failures: tuple[tuple[str, Failure], ...] = ()
    about: dict[str, Any] = field(default_factory=dict)
    path: Path | None = None

    @property
    def counted(self) -> tuple[Line, ...]:
        """Lines that count by themselves."""
        return tuple(entry for entry in self.lines if entry.counts)

    def bars(self) -> list[Bar]:
        """The shares that decide, of the sections that were run."""
        out = []
        for name, text, lines in self._groups():
            if lines:
                out.append(Bar(name, text, float(targets()["bars"][name]), share_pct(lines), len(lines)))
        return out

    def _groups(self) -> list[tuple[str, str, list[Line]]]:
        def counted(section: str) -> list[Line]:
            return [entry for entry in self.counted if entry.section == section]

        def moves(kind: str) -> list[Line]:
            return [entry for entry in self.lines if entry.section == "C" and entry.kind == kind and not entry.counts]

        return [
            ("A_lines", "A, calm: lines passed", counted("A")),
            ("B_experiments", "B, impact: experiments inside their ranges", counted("B")),
            ("C_signs", "C, episodes: signs of moves above one daily sd", moves("sign")),
            ("C_factor_two", "C, episodes: the same within a factor of two", moves("factor_two")),
            ("C_bands", "C, episodes: moves inside the 5-95 % band", moves("band")),
            ("S_lines", "S, stylised facts: lines passed", counted("S")),
        ]

    def document(self) -> dict[str, Any]:
        """Everything as plain values, for scorecard.json."""
        return {
            "format": FORMAT,
            "bars": [{**asdict(bar), "passed": bar.passed} for bar in self.bars()],
            "seeds": self.seeds,
            "failures": [{"experiment": name, **asdict(failure)} for name, failure in self.failures],
            **self.about,
            "lines": [_row(entry) for entry in self.lines],
        }


def validate(
    sections: Sequence[str] = tuple(SECTIONS),
    episodes: Sequence[str | Path | Episode] = (),
    *,
    seeds: int | None = None,
    days: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    workers: int | None = None,
    out: Path | str | None = None,
    state: str | None = None,
    calm_targets: Path | str | None = None,
    progress: bool = True,
    figures: bool = True,
) -> Scorecard:
    """Score the model and save the scorecard.

    sections: of A, B, C, S. episodes: files or packaged names for section C, by default the packaged ones. seeds,
    days: for a quick look, seeds of every ensemble at most and days of the calm year; by default 100 x 250 calm, 200
    per episode. overrides: "sector.parameter" or "switches.rule" to value, as for `--set`. out: directory; an earlier
    scorecard there is replaced. state, calm_targets: files of an opening state and of targets for section A, which is
    then scored without its stress lines.
    Raises `Interrupted`, keeping nothing, and InputError before anything is computed.
    """
    target = Path(out) if out is not None else default_directory("validate")
    require_replaceable(target, SCORECARD)
    begun = time.monotonic()
    own = None if state is None and calm_targets is None else _Own.of(state, calm_targets)
    plan = _Plan.of(sections, episodes, seeds, days, overrides, own)
    try:
        runs = run_paths(plan.experiments, workers=workers, progress=progress)
    except KeyboardInterrupt:
        raise Interrupted("interrupted: nothing of the scorecard is kept; run it again", None) from None
    about = _about(overrides, days, time.monotonic() - begun)
    card = Scorecard(tuple(plan.lines(runs)), plan.seeds(), _failures(runs), about)
    _save(card, target, figures)
    return Scorecard(**{**vars(card), "path": target})


def _about(overrides: Mapping[str, Any] | None, days: int | None, seconds: float) -> dict[str, Any]:
    return {
        "overrides": dict(overrides or {}),
        "calm_days": days or DAYS_PER_YEAR,
        "wall_time_s": round(seconds, 1),
        "git_revision": git_revision(),
        "code_hash": code_hash(),
        "packages": package_versions(),
    }


def _failures(runs: Mapping[str, Paths]) -> tuple[tuple[str, Failure], ...]:
    return tuple((name, failure) for name, paths in runs.items() for failure in paths.failures)


def _save(card: Scorecard, target: Path, figures: bool) -> None:
    writer = RunWriter(target, SCORECARD)
    try:
        write_json(writer.directory / "scorecard.json", card.document(), rows=True)
        if figures:
            from abm.output.scorecard import draw  # matplotlib takes a second to load

            (writer.directory / "figures").mkdir()
            draw(writer.directory)
        writer.publish()
    except BaseException:
        writer.discard()
        raise


# -- what has to be run ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Own:
    """A user's own calm times. state: file or name of the opening. targets: tables in place of the packaged ones."""

    state: str | None
    targets: dict[str, Any] | None

    @classmethod
    def of(cls, state: str | None, targets: Path | str | None) -> "_Own":
        """The files read and checked."""
        return cls(state, None if targets is None else read_calm_targets(targets))


@dataclass(frozen=True)
class _Plan:
    """Experiments of all sections asked for; what two sections need is run once, on the larger number of seeds.

    shared: experiments that are the beginning of another one, which is run in their place.
    """

    sections: tuple[str, ...]
    episodes: tuple[Episode, ...]
    experiments: dict[str, Experiment]
    shared: dict[str, str]
    own: _Own | None = None

    @classmethod
    def of(
        cls,
        sections: Sequence[str],
        episodes: Sequence[str | Path | Episode],
        seeds: int | None,
        days: int | None,
        overrides: Mapping[str, Any] | None,
        own: _Own | None = None,
    ) -> "_Plan":
        """Everything loaded and checked."""
        wanted = tuple(section for section in SECTIONS if section in sections)
        chosen = (episodes or episode_names()) if "C" in wanted else ()
        loaded = tuple(e if isinstance(e, Episode) else load_episode(e, overrides) for e in chosen)
        stress = [load_episode(e, overrides) for e in STRESS_EPISODES] if "A" in wanted and not own else []
        _refuse_namesakes([*stress, *loaded])
        parts: list[dict[str, Experiment]] = []
        if "A" in wanted:
            opening = own.state if own else None
            calm = load_scenario("baseline", overrides, days or DAYS_PER_YEAR, opening)
            parts.append(calm_experiments(calm, _few(seeds, 100)))
        if stress:
            parts.append(_episode_experiments(stress, _few(seeds, 40)))
        if "B" in wanted:
            parts.append(impact_experiments(seeds=_few(seeds, 4), overrides=overrides))
        if "S" in wanted:
            parts.append(stylised_experiments(_few(seeds, 40), overrides))
        parts.append(_episode_experiments(loaded, _few(seeds, 200)))
        experiments = _merged(parts)
        shared = _shared(experiments)
        return cls(wanted, loaded, {n: e for n, e in experiments.items() if n not in shared}, shared, own)

    def lines(self, runs: Mapping[str, Paths]) -> list[Line]:
        """All lines, in the order of the sections."""
        out: list[Line] = []
        if "A" in self.sections:
            out += calm_lines_of(runs[CALM], self.own.targets if self.own else None)
            out += [] if self.own else stress_lines_of(runs)
        if "B" in self.sections:
            out += impact_lines_of(runs)
        for episode in self.episodes:
            out += episode_lines_of(episode, runs[self.shared.get(episode.name, episode.name)])
        if "S" in self.sections:
            out += stylised_lines_of(runs)
        return out

    def seeds(self) -> dict[str, int]:
        """Largest number of seeds among the experiments of each kind."""
        return {name: len(e.seeds) for name, e in self.experiments.items()}


def _few(asked: int | None, usual: int) -> int:
    return usual if asked is None else min(asked, usual)


def _episode_experiments(episodes: Sequence[Episode], seeds: int) -> dict[str, Experiment]:
    return {episode.name: experiment(episode.scenario, seeds) for episode in episodes}


def _merged(parts: Sequence[Mapping[str, Experiment]]) -> dict[str, Experiment]:
    out: dict[str, Experiment] = {}
    for part in parts:
        for name, new in part.items():
            if name not in out or len(new.seeds) >= len(out[name].seeds):
                out[name] = new
    return out


def _refuse_namesakes(episodes: Sequence[Episode]) -> None:
    hashes: dict[str, str] = {}
    for episode in episodes:
        if hashes.setdefault(episode.name, episode.scenario.hash) != episode.scenario.hash:
            raise InputError(
                f"two different episodes are called {shown(episode.name)}; give each a name of its own in [scenario]"
            )


def _shared(experiments: Mapping[str, Experiment]) -> dict[str, str]:
    """Experiments that are the beginning of a longer one on the same seeds: name to the longest one's."""
    out: dict[str, str] = {}
    for name, short in experiments.items():
        longer = [other for other, long in experiments.items() if short.seeds == long.seeds and _begins(long, short)]
        if longer:
            out[name] = max(longer, key=lambda other: experiments[other].trial.scenario.days)
    return out


def _begins(long: Experiment, short: Experiment) -> bool:
    """Whether the first days of one are the other."""
    a, b = long.trial.scenario, short.trial.scenario
    return (
        a.days > b.days
        and long.trial.dealer_wealth == short.trial.dealer_wealth
        and a.state.figures == b.state.figures
        and a.dates[: b.days + 1] == b.dates
        and tuple(event for event in a.events if (event.day or 0) <= b.days) == b.events
        and (a.params, a.news, a.switches, a.meetings) == (b.params, b.news, b.switches, b.meetings)
    )
