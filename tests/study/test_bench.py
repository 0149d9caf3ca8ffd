"""The benchmark: every row beside its target, phases of a day, the history, and what is published of it.

No test looks at a clock; figures only have to be there.
"""

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from abm import cli
from abm.agents import REGISTRY
from abm.model import MarketModel
from abm.study import bench as package
from abm.study.bench import FULL, QUICK, bench, plain
from abm.study.bench.bound import touched_bytes
from abm.study.bench.history import append, read_history
from abm.study.bench.profile import ORDER, Phase, summed
from abm.study.bench.report import cells
from abm.study.bench.rows import HUGE_ROWS, TARGETS, Measured, Row, row
from abm.study.bench.scaling import exponent
from abm.study.bench.timing import Stopwatch, timed_command
from abm.study.bench.worlds import huge_rows, world_of
from abm.world.errors import InputError
from experiments import publish_bench

NOT_IN_A_QUICK_LOOK = {"cold", "cost_markets"}
WITH_SECTORS = ("decide", "joint schedule", "close")


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A quick look: its report, what it printed, its history."""
    history, printed = tmp_path_factory.mktemp("bench") / "deep" / "history.json", io.StringIO()
    report = bench(QUICK, history=history, console=Console(file=printed, width=200))
    return SimpleNamespace(report=report, printed=printed.getvalue(), history=history)


def test_every_row_is_there_beside_its_target(quick: SimpleNamespace) -> None:
    rows = quick.report.rows
    assert [r.id for r in rows] == [id_ for id_ in TARGETS if id_ not in HUGE_ROWS]
    assert all((r.target, r.at_least) == TARGETS[r.id][2:] for r in rows)
    assert {r.id for r in rows if r.value is None} == NOT_IN_A_QUICK_LOOK
    assert all(r.note for r in rows if r.value is None)
    assert all(np.isfinite(r.value) for r in rows if r.value is not None)
    assert {r.met for r in rows} == {None}, "a quick look is not judged"
    for r in rows:
        assert " ".join(r.text.split()[:3]) in quick.printed and cells(r)[5] in quick.printed


def test_the_day_is_split_into_all_its_phases(quick: SimpleNamespace) -> None:
    phases = quick.report.phases
    assert {p.phase for p in phases} == set(ORDER)
    assert sum(p.share for p in phases) == pytest.approx(1.0)
    assert all(p.us > 0.0 for p in phases)
    sectors = {phase: {p.sector for p in phases if p.phase == phase} for phase in WITH_SECTORS}
    assert sectors["joint schedule"] == {"dealers", "arbitrageurs"}
    assert sectors["decide"] <= set(REGISTRY) and {"carry_traders", "life_insurers"} <= sectors["decide"]
    assert {p.sector for p in phases if p.phase in ("clear", "settle", "margin rounds", "record")} == {""}
    assert all(phase in quick.printed for phase in ORDER)


def test_every_world_has_its_memory_bound(quick: SimpleNamespace) -> None:
    bounds = quick.report.bounds
    assert len(bounds) == len(QUICK.members) and bounds[-1].members == QUICK.members[-1]
    assert bounds[0].touched_bytes < bounds[-1].touched_bytes
    assert all(b.bound_ms == pytest.approx(1e3 * b.touched_bytes / b.bandwidth) for b in bounds)


def test_the_history_grows(quick: SimpleNamespace, tmp_path: Path) -> None:
    (first,) = read_history(quick.history)
    assert first["quick"] and first["machine"]["cores"] > 0 and first["packages"]["numba"]
    assert {"date", "commit", "rows", "phases", "memory_bound"} <= set(first)
    assert Row(**first["rows"][0]).id == "day"
    file = tmp_path / "history.json"
    for date in ("2026-01-01", "2026-01-02"):
        append(file, {**first, "date": date})
    assert [e["date"] for e in read_history(file)] == ["2026-01-01", "2026-01-02"]
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("text", ["not JSON", "[]", "{}", '{"entries": [1]}', '{"entries": [{"rows": []}]}'])
def test_a_file_that_is_no_history_is_left_alone(text: str, tmp_path: Path) -> None:
    file = tmp_path / "history.json"
    file.write_text(text)
    with pytest.raises(InputError, match=r"history\.json"):
        bench(QUICK, history=file)
    assert file.read_text() == text


# -- judging -------------------------------------------------------------------------------------------------------


def test_a_median_is_held_against_its_target() -> None:
    slow, fast = row(Measured("day", [1.2, 0.9, 5.0])), row(Measured("day", [0.8, 0.9, 5.0]))
    assert (slow.value, slow.low, slow.high, slow.met) == (1.2, 0.9, 5.0, False)
    assert fast.met and row(Measured("day", [0.8]), judged=False).met is None
    assert row(Measured("ensemble", [19.0])).met is False and row(Measured("ensemble", [20.0])).met is True
    assert row(Measured("huge_day", [9.0]), huge=10).met is None
    assert row(Measured("cost_markets")).met is None


def test_an_exponent_misses_once_its_whole_interval_is_above() -> None:
    met, missed = (row(Measured("cost_days", [1.1], interval=(low, 1.3))).met for low in (0.95, 1.05))
    assert (met, missed) == (True, False)


def test_exponents_are_slopes_of_logarithms() -> None:
    sizes = np.array([1.0, 2.0, 4.0, 8.0])
    found = exponent("cost_days", sizes, 3.0 * sizes**0.8, "days")
    assert found.runs[0] == pytest.approx(0.8) and found.interval == pytest.approx((0.8, 0.8), abs=1e-6)


# -- parts ---------------------------------------------------------------------------------------------------------


class _Ticking:
    """A clock that advances only when told, and methods that take a known time."""

    def __init__(self) -> None:
        self.now = 0.0

    def outer(self) -> str:
        self.now += 1.0
        self.inner()
        return "done"

    def inner(self) -> None:
        self.now += 10.0


def test_a_stopwatch_splits_nested_methods_and_leaves_no_trace() -> None:
    subject = _Ticking()
    with Stopwatch(lambda: subject.now) as watch:
        watch.watch("outer", subject, "outer")
        watch.watch("inner", subject, "inner")
        assert subject.outer() == "done"
        subject.inner()
    assert dict(watch.seconds) == {"outer": 1.0, "inner": 20.0}
    assert set(vars(subject)) == {"now"}


def test_a_method_watched_as_a_whole_keeps_what_it_calls() -> None:
    subject = _Ticking()
    with Stopwatch(lambda: subject.now) as watch:
        watch.watch("outer", subject, "outer", whole=True)
        watch.watch("inner", subject, "inner")
        subject.outer()
        subject.inner()
    assert dict(watch.seconds) == {"outer": 11.0, "inner": 10.0}


def test_watching_changes_no_result() -> None:
    from abm.study.bench.profile import _watch

    plainly, watched = (MarketModel(world_of(0, 3), rng=3) for _ in range(2))
    plainly.run_for(3)
    with Stopwatch() as watch:
        _watch(watch, watched)
        for _ in range(3):
            watched.step()
    np.testing.assert_array_equal(plainly.log_price, watched.log_price)


def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="status 3: no luck"):
        timed_command([sys.executable, "-c", "import sys; print('no luck', file=sys.stderr); sys.exit(3)"])


def test_a_larger_world_has_more_members_of_the_mass_sectors_only() -> None:
    default, larger = world_of(0, 2), world_of(300_000, 2)
    assert sum(p.members for p in larger.params.values()) == 300_000
    grown = {name for name, p in larger.params.items() if p.members != default.params[name].members}
    assert grown == {"carry_traders", "crypto_longs"}


def test_the_ledger_columns_of_a_day_fit_into_the_ledger() -> None:
    model = MarketModel(world_of(0, 2))
    ledger = model.ledger
    whole = sum(table.nbytes for table in (ledger.units, ledger.contracts, ledger.cash, ledger.loans))
    assert 0 < touched_bytes(model) < 2 * whole


def test_a_huge_world_without_room_is_said_not_to_be_measured() -> None:
    known = [{"members": n, "peak_bytes": n * 10**6, "resident_bytes": n} for n in (1000, 2000)]
    rows = huge_rows(10**12, 1, known)
    assert [m.id for m in rows] == list(HUGE_ROWS)
    assert all(not m.runs and "GB of memory" in m.note for m in rows)


def test_without_a_checkout_the_plain_version_is_not_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(plain, "ROOT", tmp_path)
    found = plain.against_plain(QUICK)
    assert not found.runs and "checkout" in found.note


# -- the command ---------------------------------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """A stand-in for the benchmark that notes how it was called, in an empty directory."""
    made: list[dict[str, Any]] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(package, "bench", lambda effort, **options: made.append({"effort": effort, **options}))
    return made


@pytest.mark.parametrize(
    ("options", "effort", "huge"), [([], FULL, False), (["--quick"], QUICK, False), (["--huge"], FULL, True)]
)
def test_options_are_passed_on(options: list[str], effort: Any, huge: bool, calls: list[dict[str, Any]]) -> None:
    assert cli.main(["bench", *options]) == 0
    (call,) = calls
    assert (call["effort"], call["huge"]) == (effort, huge)
    assert call["history"] == Path("results") / "bench" / "history.json"


@pytest.mark.parametrize("options", [["--quick", "--huge"], ["--seeds", "3"], ["fast"], ["--quick=yes"]])
def test_bad_options_are_refused_in_a_sentence(
    options: list[str], calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["bench", *options]) == 2
    said = capsys.readouterr().err
    assert said.startswith("abm: ") and said.count("\n") == 1
    assert calls == [] and list(Path().iterdir()) == []


def test_a_place_that_cannot_be_written_is_refused(
    calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("results").write_text("a file")
    assert cli.main(["bench"]) == 2
    assert "results" in capsys.readouterr().err and calls == []


# -- publishing ----------------------------------------------------------------------------------------------------


@pytest.fixture
def kept(quick: SimpleNamespace, tmp_path: Path) -> SimpleNamespace:
    """A history with a full entry before a quick one, a README with a block, and a place to publish to."""
    source, readme = tmp_path / "history.json", tmp_path / "README.md"
    (entry,) = read_history(quick.history)
    rows = [{**r, "met": r["value"] is not None and r["id"] == "day"} for r in entry["rows"]]
    append(source, {**entry, "quick": False, "date": "2026-02-01T00:00:00+00:00", "rows": rows})
    append(source, {**entry, "date": "2026-03-01T00:00:00+00:00"})
    readme.write_text(f"before\n{publish_bench.BEGIN}\nold\n{publish_bench.END}\nafter\n")
    return SimpleNamespace(source=source, readme=readme, target=tmp_path / "published")


def test_publishing_takes_the_latest_full_entry_once(kept: SimpleNamespace) -> None:
    for _ in range(2):
        publish_bench.publish(kept.source, kept.target, kept.readme)
    (entry,) = read_history(kept.target / "history.json")
    assert entry["date"].startswith("2026-02-01")
    text = kept.readme.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert all(row["text"] in text for row in entry["rows"]) and "1 of" in text
    assert publish_bench.with_speed(text, [entry]) == text
    assert (kept.target / "bench.png").stat().st_size > 10_000


def test_without_a_full_entry_nothing_is_published(quick: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no full benchmark"):
        publish_bench.publish(quick.history, tmp_path / "published", tmp_path / "README.md")
    assert list(tmp_path.iterdir()) == []


def test_the_readme_says_what_the_published_history_says() -> None:
    text = publish_bench.README.read_text(encoding="utf-8")
    entries = read_history(publish_bench.PUBLISHED / publish_bench.HISTORY_FILE)
    assert publish_bench.with_speed(text, entries) == text, "run python -m experiments.publish_bench"
    assert not any(entry["quick"] for entry in entries)


def test_phases_of_sectors_are_added_up() -> None:
    phases = [Phase("announce", "", 5.0, 0.25), Phase("decide", "a", 10.0, 0.5), Phase("decide", "b", 5.0, 0.25)]
    assert summed(phases) == [Phase("announce", "", 5.0, 0.25), Phase("decide", "", 15.0, 0.75)]


def test_the_history_is_readable_json(quick: SimpleNamespace) -> None:
    assert json.loads(quick.history.read_text())["entries"][0]["took_s"] > 0.0
