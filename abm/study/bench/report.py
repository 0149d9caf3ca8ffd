"""What a benchmark found, as a document for the history and as tables for the terminal."""

import datetime as dt
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from abm.study.bench.profile import Phase, summed
from abm.study.bench.rows import Row
from abm.study.run import package_versions

PACKAGES: Final = ("numpy", "numba", "pandas", "mesa")
LEAST_SHARE: Final = 0.01  # of the day; sectors below it are told together
BUSY: Final = 1.1  # wall over processor time of one process from which a machine counts as busy


@dataclass(frozen=True)
class Bound:
    """A world's day against memory. touched_bytes: of ledger tables, a day; bandwidth: bytes a second."""

    members: int
    touched_bytes: int
    bandwidth: float
    day_ms: float

    @property
    def bound_ms(self) -> float:
        """Least time of a day if nothing but these bytes mattered."""
        return 1e3 * self.touched_bytes / self.bandwidth


@dataclass(frozen=True)
class Report:
    """One run of the benchmark. date: when it began. commit: of the code. quick: at sizes the targets are not for.

    waited: wall over processor time of the default world's runs. load: averages before it began. took_s: all of it.
    """

    date: str
    commit: str | None
    quick: bool
    rows: Sequence[Row]
    phases: Sequence[Phase]
    bounds: Sequence[Bound]
    waited: float
    load: tuple[float, float, float]
    took_s: float

    def __getitem__(self, id_: str) -> Row:
        return next(row for row in self.rows if row.id == id_)

    def document(self) -> dict[str, Any]:
        """As JSON values, with where and on what it was measured."""
        return {
            "date": self.date,
            "commit": self.commit,
            "quick": self.quick,
            "machine": machine(),
            "packages": package_versions(PACKAGES),
            "load_average_before": list(self.load),
            "wall_over_processor_time": self.waited,
            "took_s": self.took_s,
            "rows": [row.document() for row in self.rows],
            "phases": [asdict(phase) for phase in self.phases],
            "memory_bound": [{**asdict(bound), "bound_ms": bound.bound_ms} for bound in self.bounds],
        }

    def show(self, console: Console) -> None:
        """Print all tables."""
        for table in (self.table(), self.profile(), self.bound_table()):
            console.print(table, "")
        for words in self.remarks():
            console.print(Text(words), soft_wrap=True)

    def table(self) -> Table:
        """Every row beside its target."""
        title = "Benchmark: a quick look, sizes too small for the targets" if self.quick else "Benchmark"
        table = _empty(title)
        table.add_column("what")
        for right in ("median", "least to most", "processor"):
            table.add_column(right, justify="right", no_wrap=True)
        table.add_column("unit", style="dim")
        table.add_column("target", justify="right", no_wrap=True)
        table.add_column("met", no_wrap=True)
        table.add_column("", style="dim", overflow="fold")
        for row in self.rows:
            table.add_row(*map(Text, cells(row)))
        return table

    def profile(self) -> Table:
        """Where a day goes; sectors below one per cent of the day together."""
        table = _empty("A day of the default world, phase by phase (mean)")
        table.add_column("phase")
        table.add_column("sector", style="dim")
        for right in ("microseconds", "share"):
            table.add_column(right, justify="right")
        for whole in summed(self.phases):
            table.add_row(whole.phase, "", f"{whole.us:,.0f}", f"{100.0 * whole.share:.1f} %")
            parts = [part for part in self.phases if part.phase == whole.phase and part.sector]
            for part in parts:
                if part.share >= LEAST_SHARE:
                    table.add_row("", part.sector, f"{part.us:,.0f}", f"{100.0 * part.share:.1f} %")
        return table

    def bound_table(self) -> Table:
        """A day against what copying the ledger's columns in use would take."""
        table = _empty("Against memory: ledger columns in use read once, changed ones written once")
        for name in ("members", "MB a day", "GB/s copied", "bound, ms", "day, ms", "times the bound"):
            table.add_column(name, justify="right")
        for bound in self.bounds:
            table.add_row(
                f"{bound.members:,}",
                f"{bound.touched_bytes / 1e6:,.1f}",
                f"{bound.bandwidth / 1e9:.1f}",
                number(bound.bound_ms),
                number(bound.day_ms),
                number(bound.day_ms / bound.bound_ms),
            )
        return table

    def remarks(self) -> list[str]:
        """How many targets are met, and whether others used the machine."""
        judged = [row for row in self.rows if row.met is not None]
        said = [f"{sum(bool(row.met) for row in judged)} of {len(judged)} targets met."] if judged else []
        if self.waited > BUSY:
            said.append(
                f"Other work used this machine: a run took {self.waited:.1f} times its processor time. Times are too "
                "long; measure again when it is idle."
            )
        return said


def cells(row: Row) -> list[str]:
    """A row in words: what, median, least to most, processor time, unit, target, met, note."""
    spread = "" if row.low is None else f"{number(row.low)} to {number(row.high)}"
    target = "-" if row.target is None else f"{'>=' if row.at_least else '<='} {row.target:g}"
    met = {True: "yes", False: "no", None: "-"}[row.met]
    cpu = "" if row.cpu is None else number(row.cpu)
    return [row.text, number(row.value), spread, cpu, row.unit, target, met, row.note]


def number(value: float | None) -> str:
    """Three significant digits."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100.0 else f"{value:.3g}"


def machine() -> dict[str, Any]:
    """Processor, cores, memory and system; nothing that names the machine."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(pages / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def now() -> str:
    """This second, UTC."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def _empty(title: str) -> Table:
    return Table(title=title, title_justify="left", box=None, pad_edge=False)
