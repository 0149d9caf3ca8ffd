"""The command line. Exit status 0 done, 2 bad input, 1 failed, 130 interrupted."""

import json
import os
import shlex
import sys
import time
import tomllib
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text
from typer.exceptions import TyperException

from abm import scenarios
from abm.world.errors import InputError, shown, unknown_name, wrong_value

if TYPE_CHECKING:
    from abm.scenarios import Scenario
    from abm.scenarios.describe import Table
    from abm.study.run import RunResult

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
RESULTS = Path("results")
MOST_SEED = 2**62
MOST_SEEDS = 100_000
MOST_WORKERS = 1024
NOTHING_KEPT = "interrupted; nothing is kept, the same command starts again"
VALIDATION_SECTIONS = ("A", "B", "C", "S")
LONGEST_NUMBER = 19  # digits
LONGEST_QUOTE = 1000  # characters of a message that repeats what was typed
WIDTH_WITHOUT_TERMINAL = 160


class RunFailed(Exception):
    """Some seeds of a run failed; the others are saved."""


class Stopped(Exception):
    """Somebody interrupted a run. The message says what is kept and how to go on."""


app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Agent-based simulator of the Japanese bond shock.",
)
Which = Annotated[str, typer.Argument(metavar="NAME|FILE.toml", help="A packaged scenario or a scenario file.")]
Days = Annotated[str | None, typer.Option(metavar="N", help="Trading days instead of the scenario's.")]
Seed = Annotated[str, typer.Option(metavar="S", help="First seed.")]
Seeds = Annotated[str, typer.Option(metavar="N", help="Number of seeds, counted up from the first.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTOR.PARAM=VALUE", help="Override; may be repeated.")
]
Workers = Annotated[str | None, typer.Option(metavar="N", help="Processes; default one per core.")]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Where results go; must be new or empty.")]

Figures = Annotated[bool, typer.Option("--figures/--no-figures", help="Draw the figures.")]


@app.callback(invoke_without_command=True)
def _help_without_command(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("scenarios")
def list_scenarios() -> None:
    """List the packaged scenarios."""
    from abm.scenarios.describe import Table

    loaded = [scenarios.load_scenario(name) for name in scenarios.scenario_names()]
    rows = [(s.name, s.state.name, str(s.days), str(len(s.events)), s.title) for s in loaded]
    _print_tables([Table("scenarios", ("name", "opening state", "days", "events", "title"), rows)])


@app.command("show")
def show_scenario(
    name: Which,
    state: Annotated[bool, typer.Option("--state", help="Only the figures of its opening state.")] = False,
) -> None:
    """Print a scenario fully resolved, every value with unit and source, and the fields of all events."""
    from abm.scenarios.describe import event_field_tables, scenario_tables, state_tables

    scenario = scenarios.load_scenario(name)
    figures = list(state_tables(scenario.state))
    _print_tables(figures if state else [*scenario_tables(scenario), *figures, *event_field_tables()])


@app.command("run")
def run_scenario(
    name: Which,
    days: Days = None,
    seed: Seed = "1",
    seeds: Seeds = "1",
    set_: Settings = None,
    workers: Workers = None,
    out: Out = None,
    figures: Figures = True,
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the state there, so that abm resume DIR can go on.")
    ] = None,
) -> None:
    """Run a scenario on one seed or on an ensemble, and save what happened."""
    wanted, processes = _seeds(seed, seeds), _workers(workers)
    scenario = scenarios.load_scenario(name, overrides=parse_settings(set_ or ()), days=_days(days))
    target = directory_for(scenario.name, out)
    _require_room([scenario], len(wanted), processes, target if checkpoint is None else checkpoint)
    if checkpoint is not None:
        from abm.study.checkpoint import start

        require_place("--checkpoint", checkpoint)
        with _resumed_by(checkpoint, out):
            place = None if out is None else target
            kept = start(checkpoint, scenario, wanted, figures, place, processes, _tell)
        _end(kept, len(wanted))
        return
    from abm.study.run import run

    with _interrupts_in_words():
        result = run(scenario, wanted, workers=processes, out=target, figures=figures, tell=_tell)
    _end(result, len(wanted))


@app.command("resume")
def resume_run(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="What abm run --checkpoint was given.")],
    workers: Workers = None,
    out: Out = None,
) -> None:
    """Go on with a run that was kept by --checkpoint; its results are the same to the last bit."""
    processes = _workers(workers)
    from abm.study.checkpoint import carry_out, read

    require_place("DIR", directory)
    kept = read(directory)
    target = None if out is None else directory_for(kept.scenario.name, out)
    with _resumed_by(directory, out):
        result = carry_out(kept, target, processes, tell=_tell)
    _end(result, len(kept.seeds))


@app.command("reproduce")
def reproduce_run(
    manifest: Annotated[Path, typer.Argument(metavar="manifest.json|DIR", help="A published run.")],
    workers: Workers = None,
) -> None:
    """Run again what a manifest says and compare the results bit by bit."""
    processes = _workers(workers)
    from abm.study import reproduce

    published = reproduce.read(manifest)
    files = reproduce.compared(published)
    if not files:
        raise InputError(f"{manifest}: has neither tables nor checksums nor summary.json beside it to compare with")
    for said in reproduce.other_program(published):
        _console().print(Text(f"not the same program: {said}"), soft_wrap=True)
    with _interrupts_in_words():
        found = list(reproduce.differences(published, processes))
    if found:
        raise RunFailed(f"not reproduced: {'; '.join(found)}")
    _console().print(Text(f"reproduced, every bit of {', '.join(files)}"), soft_wrap=True)
    _console().print(Text(str(published.manifest.get("citation", ""))), soft_wrap=True)


@app.command("compare")
def compare_scenarios(
    a: Which,
    b: Which,
    days: Days = None,
    seed: Seed = "1",
    seeds: Seeds = "20",
    set_: Settings = None,
    workers: Workers = None,
    out: Out = None,
    figures: Figures = True,
) -> None:
    """Run two scenarios on the same seeds and print their paired differences with 95 % intervals."""
    wanted, processes, overrides = _seeds(seed, seeds), _workers(workers), parse_settings(set_ or ())
    first, second = (scenarios.load_scenario(name, overrides=overrides, days=_days(days)) for name in (a, b))
    target = directory_for(f"{first.name}-vs-{second.name}", out)
    _require_room([first, second], len(wanted), processes, target)
    from abm.study.compare import compare, show

    with _interrupts_in_words():
        comparison = compare(first, second, wanted, workers=processes, out=target, figures=figures)
    show(comparison, _console())
    if comparison.failures:
        which, failure = comparison.failures[0]
        raise RunFailed(
            f"{len(comparison.failures)} runs failed and their pairs are left out, first {which} on seed "
            f"{failure.seed}, day {failure.day} ({failure.error}); the other pairs are in {target}"
        )


@app.command("browser")
def open_page(
    name: Annotated[str, typer.Argument(metavar="[NAME|FILE.toml]", help="Scenario it opens with.")] = "sanaenomics",
    port: Annotated[str, typer.Option(metavar="P", help="Port of the page.")] = "8765",
    host: Annotated[str, typer.Option(metavar="H", help="Address to listen on; the default is this machine alone.")] = (
        "127.0.0.1"
    ),
    show: Annotated[bool, typer.Option("--show/--no-show", help="Open the web browser.")] = True,
) -> None:
    """Watch a run in the web browser and pull the levers."""
    number = _whole("--port", port, 1, 65535, "a port")
    from abm.browser.serve import serve

    serve(name, host, number, show)


@app.command("validate")
def score(
    episode: Annotated[
        list[str] | None, typer.Option(metavar="FILE.toml", help="Score this episode; may be repeated.")
    ] = None,
    section: Annotated[
        list[str] | None, typer.Option(metavar="A|B|C|S", help="Only this section; may be repeated.")
    ] = None,
    seeds: Annotated[str | None, typer.Option(metavar="N", help="At most so many seeds, for a quick look.")] = None,
    days: Annotated[str | None, typer.Option(metavar="N", help="Days of the calm year, for a quick look.")] = None,
    state: Annotated[str | None, typer.Option(metavar="FILE.toml", help="Opening of the calm year.")] = None,
    targets: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Targets of calm times of your own, alone by default.")
    ] = None,
    set_: Settings = None,
    workers: Workers = None,
    out: Out = None,
    figures: Figures = True,
) -> None:
    """Hold the model against calm times, impact estimates, episodes and stylised facts, and save the scorecard."""
    most = None if seeds is None else _whole("--seeds", seeds, 1, MOST_SEEDS, "seeds")
    chosen = _sections(section, alone="C" if episode else "A" if state or targets else "")
    length, overrides = _days(days), parse_settings(set_ or ())
    target, processes = directory_for("validate", out), _workers(workers)
    from abm.output import scorecard
    from abm.study.paths import NothingLeft
    from abm.study.validate import validate

    with _interrupts_in_words(), _no_run_left(NothingLeft):
        card = validate(
            chosen,
            episode or (),
            seeds=most,
            days=length,
            overrides=overrides,
            workers=processes,
            out=target,
            figures=figures,
            state=state,
            calm_targets=targets,
        )
    scorecard.show(card.document(), _console(), every_move=bool(episode))
    print(f"\nFiles: {target}")
    if card.failures:
        name, failure = card.failures[0]
        raise RunFailed(
            f"{len(card.failures)} runs failed and are left out of the scorecard, first {name} on seed {failure.seed}, "
            f"day {failure.day} ({failure.error}); what the others give is in {target}"
        )


@app.command("calibrate")
def calibrate_parameters(
    trials: Annotated[str, typer.Option(metavar="N", help="Simulations of the search.")] = "60",
    seeds: Annotated[str, typer.Option(metavar="N", help="Seeds of every experiment.")] = "4",
    workers: Workers = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where it is kept; the same directory takes it up again.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Daily closes of your own, CSV files; see the README.")
    ] = None,
    date: Annotated[str | None, typer.Option(metavar="DATE", help="Opening in them, by default the last row.")] = None,
    params: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE|PATTERN", help="What is free instead of the packaged list; may be repeated."),
    ] = None,
    figures: Figures = True,
) -> None:
    """Fit free parameters to the scorecard, or to daily closes of your own."""
    from abm.scenarios.figures import as_date

    count, each = _whole("--trials", trials, 1, MOST_SEEDS, "trials"), _whole("--seeds", seeds, 1, 1000, "seeds")
    processes, opening = _workers(workers), None if date is None else as_date(date, "command line", "--date")
    if out is not None:
        require_place("--out", out)
    from abm.study import calibrate

    with _interrupts_in_words():
        found = calibrate.calibrate(
            params or (),
            trials=count,
            seeds=each,
            workers=processes,
            out=out,
            data=data,
            date=opening,
            figures=figures,
            command=shlex.join(["abm", *sys.argv[1:]]),
        )
    calibrate.show(found, _console())


@app.command("sweep")
def run_sweep(
    file: Annotated[str, typer.Argument(metavar="FILE.toml", help="A sweep file.")],
    workers: Workers = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS|local", help="Run on a Dask cluster instead of this machine.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where results go; a sweep that stopped there goes on.")
    ] = None,
) -> None:
    """Run a model over a design of parameters, or go on with it; what is done is kept whatever happens."""
    processes = _workers(workers)
    if out is not None:
        require_place("--out", out)
    from abm.study.sweep import load_plan, sweep

    plan = load_plan(file)
    if cluster is None:
        _require_room([plan.base], plan.runs, processes, None)
    begun = time.monotonic()
    with _interrupts_in_words():
        results = sweep(plan, out, workers=processes, cluster_address=cluster)
    counts = results.counts()
    said = ", ".join(f"{n} {status}" for status, n in counts.items())
    _console().print(f"{plan.runs} runs ({said}) in {results.path}, {time.monotonic() - begun:.0f} s", soft_wrap=True)
    _console().print(f"abm sensitivity {results.path} says what matters", soft_wrap=True)
    if counts.get("failed"):
        raise RunFailed(f"{counts['failed']} of {plan.runs} runs failed; they are rows of {results.path} with reasons")


@app.command("sensitivity")
def show_sensitivity(
    directory: Annotated[str, typer.Argument(metavar="DIR", help="The directory of a finished sweep.")],
    measure: Annotated[
        list[str] | None, typer.Option("--measure", metavar="NAME", help="Only this measure; may be repeated.")
    ] = None,
    crisis: Annotated[
        str | None,
        typer.Option(
            metavar="MEASURE>VALUE", help="What a crisis is; the highest tenth of the first measure if left out."
        ),
    ] = None,
    figures: Figures = True,
) -> None:
    """Say what matters in a finished sweep, and where in its parameters crises lie."""
    require_place("DIR", Path(directory))
    from abm.study.sensitivity import analyse, save
    from abm.study.sweep import open_results

    found = analyse(open_results(directory), measure or (), crisis)
    target = save(found, figures)
    for sentence in found.sentences():
        _console().print(Text(sentence), soft_wrap=True)
    _console().print(Text(f"tables{' and figures' if figures else ''} are in {target}"), soft_wrap=True)


@app.command("claims")
def put_claims_on_trial(
    names: Annotated[list[str] | None, typer.Argument(metavar="[C1 ...]", help="Which claims; all if none.")] = None,
    seeds: Annotated[
        str, typer.Option(metavar="N", help="The most seeds of a claim; it takes fewer if its verdict is plain.")
    ] = "200",
    workers: Workers = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where results go; what is done there is used again.")] = (
        RESULTS / "claims"
    ),
) -> None:
    """Put the claims of experiments/ on trial: verdicts, figures and a report; goes on where it was stopped.

    With all claims, also which channel moves which market: channels.csv and figures/channels.png.
    """
    count, processes = _whole("--seeds", seeds, 1, MOST_SEEDS, "seeds"), _workers(workers)
    require_place("--out", out)
    from abm.output import claims_report
    from abm.study.claims.trial import ahead_in_words, load_claims, require_own, try_claims

    claims = load_claims(names or ())
    require_own(out)
    print(ahead_in_words(claims, count, out, not names))
    with _interrupts_in_words():
        found = try_claims(claims, count, workers=processes, out=out, with_channels=not names)
    claims_report.show(found, _console())
    print(f"\nFiles: {out}")
    failed = [said for entry in found["claims"].values() for said in entry["failures"]]
    if failed:
        raise RunFailed(f"{len(failed)} runs failed and are left out, first {failed[0]}; the others are in {out}")


@app.command("bench")
def run_benchmark(
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes: only whether everything runs.")] = False,
    huge: Annotated[bool, typer.Option("--huge", help="Also a world of 10,000,000 members, if there is room.")] = False,
) -> None:
    """Measure the speed of the model on this machine; results/bench/history.json keeps what was measured."""
    if quick and huge:
        raise InputError("--quick and --huge are both given, but a quick look has small worlds only; give one of them")
    place = RESULTS / "bench"
    require_place(str(place), place)
    from abm.study.bench import FULL, QUICK, bench

    with _interrupts_in_words():
        bench(QUICK if quick else FULL, huge=huge, history=place / "history.json", console=_console())
    print(f"Added to {place / 'history.json'}")


@contextmanager
def _resumed_by(directory: Path, out: Path | None) -> Iterator[None]:
    command = shlex.join(["abm", "resume", str(directory), *(() if out is None else ("--out", str(out)))])
    with _interrupts_in_words(f"interrupted; {command} goes on with it"):
        yield


def _tell(directory: Path) -> None:
    """What came of a run, while its figures are not drawn yet."""
    from abm.output import report

    report.show(directory, _console())


def _end(result: "RunResult", seeds: int) -> None:
    """Where a run is; RunFailed if some of its seeds did not end."""
    from abm.output import report

    report.show_places(result.path, _console())
    if result.failures:
        first = result.failures[0]
        raise RunFailed(
            f"{len(result.failures)} of {seeds} seeds failed, first seed {first.seed} on day {first.day} "
            f"({first.error}); partial results are in {result.path}"
        )


# -- input -----------------------------------------------------------------------------------------------------------


def _whole(option: str, text: str, lo: int, hi: int, unit: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER else -1
    if not lo <= number <= hi:
        raise wrong_value("command line", option, text, f"a whole number from {lo} to {hi} ({unit})")
    return number


def _sections(asked: Sequence[str] | None, alone: str) -> list[str]:
    """Sections to run: those asked for, that of a file of the user's own alone where there is one, else all."""
    for name in asked or ():
        if name not in VALIDATION_SECTIONS:
            raise unknown_name("command line", "--section", name, VALIDATION_SECTIONS)
    return list(asked or alone or VALIDATION_SECTIONS)


def _days(text: str | None) -> int | None:
    from abm.scenarios.schema import MOST_DAYS

    return None if text is None else _whole("--days", text, 1, MOST_DAYS, "trading days")


def _workers(text: str | None) -> int | None:
    return None if text is None else _whole("--workers", text, 1, MOST_WORKERS, "processes")


def _seeds(first: str, count: str) -> range:
    seed = _whole("--seed", first, 0, MOST_SEED, "a seed")
    return range(seed, seed + _whole("--seeds", count, 1, MOST_SEEDS, "seeds"))


def _require_room(planned: "Sequence[Scenario]", runs: int, processes: int | None, target: Path | None) -> None:
    from abm.study.room import require_room

    side_by_side = min(processes or os.cpu_count() or 1, runs * len(planned))
    require_room(planned, runs, side_by_side, target)


def parse_settings(texts: Iterable[str]) -> dict[str, Any]:
    """Overrides from "sector.param=value" texts; a value is read as TOML, what is not TOML as text."""
    settings: dict[str, Any] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not key or not value:
            raise wrong_value("--set", "text", text, "of the form sector.parameter=value")
        if key in settings:
            raise InputError(f"--set: {key} is given twice, {shown(settings[key])} and {value}, but once is allowed")
        settings[key] = _toml_value(value)
    return settings


def _toml_value(text: str) -> Any:
    try:
        table = tomllib.loads(f"value = {text}")
    except ValueError:
        return text
    return table["value"] if len(table) == 1 else text


def directory_for(name: str, out: Path | None) -> Path:
    """Directory for results, checked before anything is computed. An interrupted run may be taken up again."""
    from abm.study.run import default_directory

    target = out if out is not None else default_directory(name)
    require_place("--out", target)
    if target.is_dir() and any(target.iterdir()) and not _was_interrupted(target):
        raise wrong_value("command line", "--out", str(target), "a new or empty directory, or an interrupted run's")
    return target


def require_place(option: str, target: Path) -> None:
    """InputError if no directory can be made or written there, or if its path is none that all files can be given."""
    try:
        str(target.absolute()).encode()
        if target.exists() and not target.is_dir():
            raise wrong_value("command line", option, str(target), "a directory, not a file")
        nearest = next(path for path in (target, *target.absolute().parents) if path.exists())
        if target.is_dir():
            next(target.iterdir(), None)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        why = "it is not UTF-8" if isinstance(error, UnicodeEncodeError) else getattr(error, "strerror", None) or error
        raise InputError(f"{option} = {shown(str(target))} cannot be used ({why})") from None
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise wrong_value("command line", option, str(target), f"in a writable directory, and {nearest} is not one")


def _was_interrupted(directory: Path) -> bool:
    try:
        return bool(json.loads((directory / "manifest.json").read_text())["status"] == "interrupted")
    except (OSError, ValueError, KeyError, TypeError):
        return False


# -- output ----------------------------------------------------------------------------------------------------------


def _console() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=WIDTH_WITHOUT_TERMINAL)


def _print_tables(tables: Iterable["Table"]) -> None:
    console = _console()
    with suppress(SystemExit):  # of rich, when the reader, a pager for instance, has seen enough
        for table in tables:
            console.print(_drawn(table), "")


def _drawn(table: "Table") -> RichTable:
    drawn = RichTable(title=Text(table.title, "bold"), title_justify="left", box=None, padding=(0, 2, 0, 0))
    for i, column in enumerate(table.columns):
        drawn.add_column(column, overflow="fold", no_wrap=i == 0)
    for row in table.rows:
        drawn.add_row(*map(Text, row))
    return drawn


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status; what went wrong is one sentence on standard error."""
    command = typer.main.get_command(app)
    try:
        status = command(args=arguments, prog_name="abm", standalone_mode=False)
    except InputError as error:
        return _say(str(error), BAD_INPUT)
    except TyperException as error:
        said = getattr(error, "format_message", error.__str__)()
        return _say(said if len(said) <= LONGEST_QUOTE else said[: LONGEST_QUOTE - 3] + "...", BAD_INPUT)
    except RunFailed as error:
        return _say(str(error), FAILED)
    except Stopped as error:
        return _say(str(error), INTERRUPTED)
    except Exception as error:
        if not isinstance(error, OSError):  # of the machine, not of the program: no room, no right to write
            traceback.print_exc()
        return _say(f"failed: {type(error).__name__}: {error}", FAILED)
    return _say(NOTHING_KEPT, INTERRUPTED) if status == INTERRUPTED else DONE


@contextmanager
def _interrupts_in_words(what_is_kept: str = "") -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise Stopped(what_is_kept or str(interrupt) or NOTHING_KEPT) from None


@contextmanager
def _no_run_left(kind: type[Exception]) -> Iterator[None]:
    try:
        yield
    except kind as error:
        raise RunFailed(str(error)) from None


def _say(sentence: str, status: int) -> int:
    one_line = " ".join(sentence.split())
    print("abm:", "".join(c if c.isprintable() else ascii(c)[1:-1] for c in one_line), file=sys.stderr)
    return status
