"""`abm calibrate`: what is free, what it is held against, the search, and the report."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import tomli_w
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from abm.scenarios import load_scenario
from abm.study import fit_report
from abm.study.fitting import Fit, Simulate, Told, fit, is_calibration
from abm.study.free import Free, free_parameters, present
from abm.study.own_data import read_closes, state_document, targets_document, until
from abm.study.run import default_directory
from abm.study.search import Trial, best
from abm.study.simulator import Simulator
from abm.world.errors import InputError

STATE, TARGETS = "state.toml", "targets.toml"
OWN_SECTIONS: Final = ("A", "B")  # a user's closes have no part in the packaged episodes


def calibrate(
    params: Iterable[str] = (),
    *,
    trials: int = 60,
    seeds: int = 4,
    workers: int | None = None,
    out: Path | str | None = None,
    data: Path | str | None = None,
    date: dt.date | None = None,
    progress: bool = True,
    figures: bool = True,
    command: str = "abm.study.calibrate.calibrate()",
    simulate: Simulate | None = None,
) -> Fit:
    """Fit free parameters to the scorecard, or to a user's own closes, and write the report.

    params: files and patterns as in `free_parameters`. trials: simulations of the search. seeds: per experiment. out: a
    new directory, or that of a calibration of the same design, which is taken up. data: folder of daily closes; date:
    their opening, by default the last row. simulate: another model than the package's. InputError before anything is
    computed, `Interrupted` when interrupted.
    """
    free = free_parameters(params)
    if date is not None and data is None:
        raise InputError("--date belongs to --data, which is not given; give both or neither")
    target = Path(out) if out is not None else default_directory("calibrate")
    _check_place(target)
    state = None
    if data is not None:
        state, calm = (str(path) for path in _write_own(own_documents(Path(data), date), target))
        simulate = simulate or Simulator(seeds, workers, state, calm, OWN_SECTIONS)
    simulate = simulate or Simulator(seeds, workers)
    packaged = present(free, load_scenario("baseline", state=state))
    with _screen(progress, free) as told:
        found = fit(free, simulate, packaged, trials, target, told)
    fit_report.write(found, target, command, figures)
    return found


def _check_place(target: Path) -> None:
    """InputError unless the directory is new, empty or that of a calibration."""
    if target.exists() and not is_calibration(target) and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target}: holds something else than a calibration; choose another --out or empty it")


def own_documents(folder: Path, date: dt.date | None) -> dict[str, dict[str, Any]]:
    """Tables of the state file and of the targets file that follow from a folder of closes."""
    closes = until(read_closes(folder), date)
    return {STATE: state_document(closes, folder), TARGETS: targets_document(closes, folder)}


def _write_own(documents: Mapping[str, dict[str, Any]], target: Path) -> list[Path]:
    """The files written, or found as they would be written; InputError if the closes are others than at the start."""
    paths = []
    for name, document in documents.items():
        path, text = target / name, tomli_w.dumps(document)
        if is_calibration(target) and (not path.is_file() or path.read_text(encoding="utf-8") != text):
            raise InputError(f"{target}: was begun with other closes than --data now holds; choose another --out")
        target.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


# -- on screen -----------------------------------------------------------------------------------------------------


@contextmanager
def _screen(shown: bool, free: Sequence[Free]) -> Iterator[Told]:
    """A bar and the best point so far on the terminal, drawn after every simulation; silent elsewhere."""
    console = Console(stderr=True)
    if not shown or not console.is_terminal:
        yield lambda stage, done, of, trials: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=console, auto_refresh=False)
    tasks: dict[str, Any] = {}
    with Live(console=console, auto_refresh=False) as live:

        def told(stage: str, done: int, of: int, trials: Sequence[Trial]) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=of, completed=done)
            bar.update(tasks[stage], completed=done)
            live.update(Group(bar, *([best_so_far(free, trials)] if trials else [])), refresh=True)

        yield told


def best_so_far(free: Sequence[Free], trials: Sequence[Trial]) -> Table:
    """The best trial next to the first, parameter by parameter."""
    first, found = trials[0], best(trials)
    table = Table(
        box=None, pad_edge=False, title=f"loss {found.loss:.3f} in trial {found.number}, {first.loss:.3f} at first"
    )
    for name, justify in (("parameter", "left"), ("first", "right"), ("best", "right"), ("unit", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for one in free:
        table.add_row(one.name, f"{first.values[one.name]:.4g}", f"{found.values[one.name]:.4g}", one.unit)
    return table


def show(found: Fit, console: Console) -> None:
    """Print what was fitted and where the files are."""
    before, after = found.losses
    title = f"loss {before:.2f} at the packaged values, {after:.2f} at the fitted ones"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("parameter", "packaged", "fitted", "95 %", "informed"):
        table.add_column(name, justify="left" if name == "parameter" else "right")
    for row in fit_report.parameter_rows(found):
        interval = f"{row['low']:g} to {row['high']:g}"
        table.add_row(row["parameter"], f"{row['packaged']:g}", f"{row['value']:g}", interval, f"{row['informed']:.2f}")
    console.print(table)
    console.print(f"\nFiles: {found.path}, first report.md", soft_wrap=True)
