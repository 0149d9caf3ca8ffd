"""How fast is it? The latest benchmark of this machine's history, for results/published and for the README.

    python -m experiments.publish_bench

Nothing is measured here: `abm bench` does that and keeps results/bench/history.json. The latest entry of it that is
not a quick look joins the published history; table and figure are made from the published history alone.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from abm.output.bench_plot import draw_bench
from abm.study.bench.history import HISTORY, append, read_history
from abm.study.bench.profile import Phase, summed
from abm.study.bench.report import BUSY, cells, number
from abm.study.bench.rows import Row
from experiments.publish import ROOT, shrink, table, within

Entry = Mapping[str, Any]
PUBLISHED, README = ROOT / "results" / "published" / "bench", ROOT / "README.md"
HISTORY_FILE, FIGURE = "history.json", "bench.png"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
NONE_YET = "No figures have been published yet; `abm bench` measures yours."


def publish(source: Path = ROOT / HISTORY, target: Path = PUBLISHED, readme: Path = README) -> None:
    """Add the latest full entry to the published history, draw it, rewrite the block in `readme`."""
    full = [entry for entry in read_history(source) if not entry["quick"]]
    if not full:
        raise SystemExit(f"nothing published: {source} has no full benchmark; run abm bench first")
    published = target / HISTORY_FILE
    if full[-1]["date"] not in (entry["date"] for entry in read_history(published)):
        append(published, full[-1])
    entries = read_history(published)
    figure = draw_bench(entries, target / FIGURE)
    shrink(figure, figure)
    readme.write_text(with_speed(readme.read_text(encoding="utf-8"), entries), encoding="utf-8")


def with_speed(text: str, entries: Sequence[Entry]) -> str:
    """The text with the block on speed written anew, from the latest entry."""
    return within(text, BEGIN, END, lambda: speed(entries[-1]) if entries else NONE_YET)


def speed(entry: Entry) -> str:
    """Where and when, the table with targets, the figure, the day in phases, and the distance to memory."""
    place = PUBLISHED.relative_to(ROOT)
    parts = [
        about(entry),
        targets_table(entry["rows"]),
        f"![How fast it is]({place}/{FIGURE})",
        day_words(entry["phases"]),
        bound_words(entry["memory_bound"]),
    ]
    return "\n\n".join(parts)


def about(entry: Entry) -> str:
    """Date, revision, machine, how many targets are met, and whether the machine was idle."""
    machine, judged = entry["machine"], [row for row in entry["rows"] if row["met"] is not None]
    waited = entry["wall_over_processor_time"]
    busy = f" Other work used the machine (wall time was {waited:.1f} times processor time)." if waited > BUSY else ""
    return (
        f"Measured on {entry['date'][:10]} at revision `{(entry['commit'] or 'unknown')[:10]}` on {machine['cores']} "
        f"cores ({machine['processor']}, {machine['memory_gb']:.0f} GB): {sum(row['met'] for row in judged)} of "
        f"{len(judged)} targets are met.{busy} Median, and least to most, of the counted runs; of exponents the 95 % "
        "interval, which misses when all of it is above the target."
    )


def targets_table(rows: Sequence[Entry]) -> str:
    """Every row beside its target."""
    shown = []
    for row in rows:
        text, value, spread, _, unit, target, met, note = cells(Row(**row))
        shown.append((text, unit, value, spread, target, f"**{met}**" if met == "no" else met, note))
    return table(("what", "unit", "median", "least to most", "target", "met", ""), shown, 2)


def day_words(phases: Sequence[Entry]) -> str:
    """Phases of the day, longest first, and the sectors that take most."""
    parts = [Phase(**phase) for phase in phases]
    by_size = sorted(summed(parts), key=lambda phase: -phase.us)
    told = ", ".join(f"{phase.phase} {_share(phase)}" for phase in by_size)
    longest = sorted((part for part in parts if part.sector), key=lambda part: -part.us)[:5]
    sectors = ", ".join(f"`{part.sector}` {part.phase} {_share(part)}" for part in longest)
    return f"A day of the default world by phase: {told}. The sectors that take most: {sectors}."


def _share(phase: Phase) -> str:
    return f"{number(phase.us)} µs ({100.0 * phase.share:.0f} %)"


def bound_words(bounds: Sequence[Entry]) -> str:
    """The smallest and the largest world against memory."""
    told = [
        f"{bound['members']:,} members touch {bound['touched_bytes'] / 1e6:,.1f} MB of ledger columns a day, "
        f"{number(bound['bound_ms'])} ms at the {bound['bandwidth'] / 1e9:.0f} GB/s of a memory copy; a day takes "
        f"{number(bound['day_ms'] / bound['bound_ms'])} times that"
        for bound in (bounds[0], bounds[-1])
    ]
    return f"Against memory: {'; '.join(told)}."


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, default=ROOT / HISTORY, help="a history that abm bench has written")
    publish(parser.parse_args().source)


if __name__ == "__main__":
    main()
