"""What does a rule do? The main scenario with and without margin calls, repatriation and the Ministry of Finance.

Every pair shares its seed, so a difference is the effect of the rule. Only measures whose sign economics predicts are
shown; what comes out is reported whatever its sign. Writes results/switch_off.json.
"""

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from abm import load_scenario
from abm.output.measures import MEASURES
from abm.output.report import precise
from abm.output.tables import write_json
from abm.study.compare import Comparison, paired
from abm.study.run import git_revision, package_versions

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "results" / "switch_off.json"
SCENARIO = "sanaenomics"
RISES, FALLS = "rises", "falls"
# Question -> rules switched off, and where each measure should go (a deepest fall is negative: shallower is higher).
QUESTIONS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "no margin calls": (
        ("margin_calls",),
        {"liquidations_usd_bn": FALLS, "drawdown_pct.BTC": RISES, "drawdown_pct.NIKKEI": RISES},
    ),
    "no repatriation": (
        ("repatriation",),
        {
            "repatriation_usd_bn": FALLS,
            "end_change_bp.UST30": FALLS,
            "end_change_bp.BUND10": FALLS,
            "end_change_bp.OAT10": FALLS,
        },
    ),
    "no Ministry of Finance": (
        ("mof_ladder", "mof_operations"),
        {"interventions_jpy_tn": FALLS, "max.USDJPY": RISES, "days_above_160.USDJPY": RISES},
    ),
}


def switch_off(
    seeds: int = 50, days: int | None = None, out: Path = OUT, workers: int | None = None
) -> list[dict[str, Any]]:
    """Run all pairs; rows of the table, which are also written to `out`."""
    on = load_scenario(SCENARIO, days=days)
    rows: list[dict[str, Any]] = []
    for question, (rules, signs) in QUESTIONS.items():
        off = load_scenario(SCENARIO, overrides={f"switches.{rule}": False for rule in rules}, days=days)
        rows += [
            {"question": question, "rules": rules, **row}
            for row in effects(paired(on, off, seeds, workers=workers), signs)
        ]
    about = {"scenario": SCENARIO, "days": on.days, "seeds": seeds, "difference": "without the rule less with it"}
    made_with = {"git_revision": git_revision(), "packages": package_versions()}
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json(out, {**about, **made_with, "rows": rows})
    return rows


def effects(pairs: Comparison, signs: Mapping[str, str]) -> list[dict[str, Any]]:
    """One row per measure: medians with and without the rule, mean difference with its interval, and what it says."""
    if pairs.failures:
        raise SystemExit(f"runs failed: {pairs.failures}")
    table = pairs.table.set_index("measure")
    rows = []
    for name, sign in signs.items():
        found = table.loc[name]
        numbers = {"with": "a_median", "without": "b_median", "effect": "mean_difference"}
        numbers |= {"low": "mean_low", "high": "mean_high"}
        row = {key: float(found[column]) for key, column in numbers.items()}
        about = {
            "measure": name,
            "text": MEASURES[name].text,
            "unit": MEASURES[name].unit,
            "seeds": int(found["seeds"]),
        }
        rows.append({**about, "predicted": sign, **row, "verdict": verdict(row["low"], row["high"], sign)})
    return rows


def verdict(low: float, high: float, predicted: str) -> str:
    """What an interval says about the predicted sign of an effect."""
    if math.isnan(low) or math.isnan(high):
        return "too few seeds"
    if low <= 0.0 <= high:
        return "interval includes zero"
    return "as predicted" if (low > 0.0) == (predicted == RISES) else "opposite sign"


def drawn(rows: Sequence[Mapping[str, Any]], seeds: int) -> Table:
    """For the terminal."""
    title = f"{SCENARIO} with and without a rule: {seeds} paired seeds, mean difference with 95 % interval"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in ("switched off", "measure", "unit"):
        table.add_column(column)
    for column in ("with", "without", "effect", "95 %", "predicted"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("found", no_wrap=True)
    for row in rows:
        shown = {key: precise(row[key], row["unit"]) for key in ("with", "without", "effect", "low", "high")}
        about = (row["question"].removeprefix("no "), row["text"], row["unit"])
        interval = f"{shown['low']} to {shown['high']}"
        table.add_row(
            *about, shown["with"], shown["without"], shown["effect"], interval, row["predicted"], row["verdict"]
        )
    return table


def main() -> None:
    """Options, runs, table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=50)
    options.add_argument("--days", type=int, default=None, help="trading days instead of the scenario's")
    options.add_argument("--out", type=Path, default=OUT)
    chosen = options.parse_args()
    rows = switch_off(**vars(chosen))
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    console.print(drawn(rows, chosen.seeds))
    print(f"\nWritten: {chosen.out}")


if __name__ == "__main__":
    main()
