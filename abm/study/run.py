"""A scenario on many seeds: the run directory, its summary and its figures."""

import datetime as dt
import hashlib
import importlib.metadata
import platform
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pandas as pd

from abm.output import measures
from abm.output.tables import RUN, RunDirectory, RunWriter, changes_in_words, prepared, require_replaceable, write_json
from abm.study.ensemble import (
    Build,
    Failure,
    Job,
    Result,
    Scenario,
    market_model,
    run_jobs,
    spread_over_processes,
)
from abm.world.errors import InputError

PACKAGES: Final = ("numpy", "numba", "scipy", "pandas", "pyarrow", "pydantic", "mesa", "matplotlib")
FORMAT: Final = 1
PROGRAM: Final = "abm-japan"
RESULTS: Final = Path("results")
PACKAGE: Final = Path(__file__).resolve().parents[1]


class Interrupted(KeyboardInterrupt):
    """Somebody stopped the run. result: what was kept, None if nothing was done yet."""

    def __init__(self, message: str, result: "RunResult | None") -> None:
        super().__init__(message)
        self.result = result


@dataclass(frozen=True)
class RunResult:
    """A saved run. summary: per measure median, 5-95 % and interval of the median over the complete seeds."""

    path: Path
    status: str
    summary: dict[str, dict[str, Any]] = field(repr=False)
    failures: tuple[Failure, ...] = ()

    @cached_property
    def directory(self) -> RunDirectory:
        """The files, read when asked."""
        return RunDirectory.open(self.path)

    @property
    def daily(self) -> pd.DataFrame:
        """One row per seed and day, complete seeds."""
        return self.directory.daily

    @property
    def events(self) -> pd.DataFrame:
        """Scheduled and emergent events, complete seeds."""
        return self.directory.events

    @property
    def flows(self) -> pd.DataFrame:
        """Net purchases by seed, day, sector, market and reason, USD bn."""
        return self.directory.frame("flows")

    @property
    def attribution(self) -> pd.DataFrame:
        """Every move's parts by seed, day, market, sector and reason."""
        return self.directory.frame("attribution")

    @property
    def measures(self) -> pd.DataFrame:
        """One row per complete seed, one column per measure."""
        return pd.read_parquet(self.path / "measures.parquet")


@dataclass
class _Progress:
    """What has been written so far."""

    done: list[int] = field(default_factory=list)
    rows: list[dict[str, float]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def add(self, seed: int, values: dict[str, float], failure: Failure | None) -> None:
        """Note the outcome of one seed."""
        if failure is not None:
            self.failures.append(failure)
            return
        self.done.append(seed)
        self.rows.append({"seed": seed, **values})


def run(
    scenario: Scenario,
    seeds: int | Iterable[int] = 1,
    *,
    workers: int | None = None,
    out: Path | str | None = None,
    figures: bool = True,
    progress: bool = True,
    build: Build = market_model,
    tell: Callable[[Path], None] | None = None,
) -> RunResult:
    """Run a scenario on every seed and save it.

    seeds: how many (1, 2, ... n) or which. workers: processes, by default one per core. out: directory, by default a
    new one under ``results``; an earlier run there is replaced, or taken up where it was interrupted. build: makes the
    model from scenario and seed. tell: called with the directory once everything but the figures is in it, unless the
    run was interrupted. Raises InputError if the directory holds anything else, or an interrupted run of
    another scenario, code or seeds, and `Interrupted` (a KeyboardInterrupt) after keeping what is done; a seed that
    fails is in `failures`, the others go on.
    """
    wanted = seed_list(seeds)
    target = Path(out) if out is not None else default_directory(scenario.name)
    require_replaceable(target, RUN)
    earlier = _earlier(target, scenario, wanted)
    writer = RunWriter(target)
    try:
        begun, state = time.monotonic(), _Progress()
        status = _simulate(scenario, wanted, earlier, workers, build, progress, writer, state)
        if status == "interrupted" and not state.done and not state.failures:
            raise Interrupted("interrupted before the first seed was done; nothing is kept", None)
        writer.close()
        about = {"scenario": scenario, "seeds": wanted, "status": status, "wall_time_s": time.monotonic() - begun}
        summary = _write_about(writer.directory, state, about)
        if tell is not None and status != "interrupted":
            tell(writer.directory)
        try:
            if figures and state.done:
                _draw(writer.directory, workers)
        finally:  # no figure is worth the seeds
            writer.publish()
    except BaseException:
        writer.discard()
        raise
    result = RunResult(target, status, summary, tuple(state.failures))
    if status == "interrupted":
        raise Interrupted(_how_to_resume(target, state, wanted), result)
    return result


def seed_list(seeds: int | Iterable[int]) -> list[int]:
    """Seeds 1 to n for a number, else the given ones. InputError for none, a negative or a repeated one."""
    wanted = list(range(1, seeds + 1)) if isinstance(seeds, int) else [int(s) for s in seeds]
    if not wanted:
        raise InputError(f"seeds: got {seeds!r}, expected at least one")
    if min(wanted) < 0 or max(wanted) >= 2**63:
        raise InputError(f"seeds: got {min(wanted)} to {max(wanted)}, expected whole numbers from 0 to 2^63 - 1")
    twice = sorted({seed for seed, times in Counter(wanted).items() if times > 1})
    if twice:
        raise InputError(f"seeds: {twice[0]} is given twice, expected different ones")
    return wanted


def default_directory(name: str) -> Path:
    """A new directory under ``results``, named after what is run and when; none that another run is preparing."""
    base = RESULTS / f"{name}-{dt.datetime.now():%Y%m%d-%H%M%S}"
    path, n = base, 1
    while path.exists() or any(prepared(path)):
        n += 1
        path = base.with_name(f"{base.name}-{n}")
    return path


# -- simulate ------------------------------------------------------------------------------------------------------


def _simulate(
    scenario: Scenario,
    seeds: Sequence[int],
    earlier: "_Earlier | None",
    workers: int | None,
    build: Build,
    progress: bool,
    writer: RunWriter,
    state: _Progress,
) -> str:
    """Write every seed in order, those of an interrupted run from its files. Returns how it ended."""
    kept = set(earlier.done) if earlier else set()
    jobs = [Job(0, seed) for seed in seeds if seed not in kept]
    fresh = iter(run_jobs([scenario], jobs, workers=workers, build=build, progress=progress))
    try:
        for seed in seeds:
            if earlier and seed in kept:
                writer.add(earlier.directory.seed_tables(seed))
                state.add(seed, earlier.measures(seed), None)
                continue
            result: Result = next(fresh)
            writer.add(result.tables)
            state.add(result.job.seed, result.measures, result.failure)
        next(fresh, None)
    except KeyboardInterrupt:
        return "interrupted"
    return "failed" if state.failures else "complete"


@dataclass(frozen=True)
class _Earlier:
    """An interrupted run of the same scenario at the same place."""

    directory: RunDirectory

    @property
    def done(self) -> list[int]:
        """Seeds that need not be run again."""
        return list(self.directory.manifest["seeds_done"])

    @cached_property
    def _measures(self) -> pd.DataFrame:
        return pd.read_parquet(self.directory.path / "measures.parquet").set_index("seed")

    def measures(self, seed: int) -> dict[str, float]:
        """Measures of one finished seed."""
        row = self._measures.loc[[seed]]
        return {name: float(row[name].iloc[0]) for name in row.columns}


def _earlier(target: Path, scenario: Scenario, wanted: Sequence[int]) -> _Earlier | None:
    """The interrupted run at this place, None if there is none. InputError if its seeds would be lost."""
    if not (target / "manifest.json").is_file():
        return None
    directory = RunDirectory.open(target)
    manifest = directory.manifest
    if manifest["status"] != "interrupted" or not manifest["seeds_done"]:
        return None
    if differs := _other_run(manifest, scenario, wanted):
        raise InputError(
            f"{target}: holds {len(manifest['seeds_done'])} seeds of another interrupted run: {differs}; go back to "
            "that one, or choose another --out"
        )
    return _Earlier(directory)


def _other_run(manifest: dict[str, Any], scenario: Scenario, wanted: Sequence[int]) -> str:
    """In what an interrupted run differs from the one asked for, in words; empty if that can take it up."""
    if manifest["scenario_hash"] != scenario.hash:
        return changes_in_words(manifest["scenario"], scenario.resolved()) or "its scenario has another hash"
    if manifest["code_hash"] != code_hash():
        return f"its code was revision {manifest.get('git_revision')} and is {git_revision()}, changes included"
    dropped = sorted({*manifest["seeds_done"]} - {*wanted})
    return f"seed {dropped[0]} is done there and not asked for" if dropped else ""


def _how_to_resume(target: Path, state: _Progress, wanted: Sequence[int]) -> str:
    return (
        f"interrupted: {len(state.done)} of {len(wanted)} seeds are kept in {target}; "
        f"the same command with --out {target} takes it up again"
    )


# -- describe ------------------------------------------------------------------------------------------------------


def _write_about(directory: Path, state: _Progress, about: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Measures, summary and manifest."""
    scenario: Scenario = about["scenario"]
    summary = {}
    if state.rows:
        frame = pd.DataFrame(state.rows)
        frame.to_parquet(directory / "measures.parquet", index=False)
        summary = measures.summarise(frame)
    write_json(directory / "summary.json", {"name": scenario.name, "seeds": len(state.done), "measures": summary})
    write_json(
        directory / "manifest.json",
        {
            "format": FORMAT,
            "citation": citation(scenario, state.done),
            "name": scenario.name,
            "title": scenario.title,
            "days": scenario.days,
            "status": about["status"],
            "seeds": about["seeds"],
            "seeds_done": state.done,
            "failures": [asdict(failure) for failure in state.failures],
            "scenario_hash": scenario.hash,
            "version": package_versions((PROGRAM,))[PROGRAM],
            "git_revision": git_revision(),
            "code_hash": code_hash(),
            "wall_time_s": round(about["wall_time_s"], 3),
            "packages": package_versions(),
            "sha256": {file.name: sha256_of(file) for file in sorted(directory.glob("*.parquet"))},
            "scenario": scenario.resolved(),
        },
    )
    return summary


def citation(scenario: Scenario, seeds: Sequence[int]) -> str:
    """How results are cited: program, version and revision, scenario and its hash, days and seeds."""
    version = package_versions((PROGRAM,))[PROGRAM]
    which = f"seeds {min(seeds)} to {max(seeds)}" if len(seeds) > 1 else f"seed {', '.join(map(str, seeds)) or 'none'}"
    return (
        f"{PROGRAM} {version} (agent-based simulator of the Japanese bond shock), revision "
        f"{git_revision() or 'unknown'}, scenario {scenario.name} ({scenario.title}), SHA-256 {scenario.hash}, "
        f"{scenario.days} trading days, {len(seeds)} runs, {which}"
    )


def sha256_of(file: Path) -> str:
    """SHA-256 of a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _draw(directory: Path, workers: int | None) -> None:
    from abm.output import plots  # matplotlib takes a second to load, and workers do not need it

    with spread_over_processes(workers, len(plots.FIGURES)) as spread:
        plots.draw_all(directory, spread)


def package_versions(names: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Versions of Python and of packages, by default those that results depend on."""
    versions = {"python": platform.python_version()}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def git_revision() -> str | None:
    """Revision of the checkout this code lies in, "-dirty" with local changes; None outside a checkout."""
    try:
        said = subprocess.run(
            ["git", "-C", str(PACKAGE), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.stdout.strip() or None


def code_hash() -> str:
    """SHA-256 of the source of this package: what an interrupted run must share to be taken up."""
    digest = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        digest.update(file.relative_to(PACKAGE).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()
