"""What does the main scenario give? Figures and numbers for results/published and for the README, run afresh.

The same seeds are run with and without the shock. Everything the README says in numbers is written from
results/published/sanaenomics/summary.json by `findings`.
"""

import argparse
import datetime as dt
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from abm import load_scenario, run
from abm.output import report
from abm.output.measures import MEASURES
from abm.output.tables import RunDirectory, series_column, write_json
from abm.scenarios import Scenario
from abm.study.compare import bootstrap_interval, tabulate
from abm.study.run import RunResult
from abm.world.instruments import IDS, IS_BOND

ROOT = Path(__file__).resolve().parents[1]
MAIN, CALM = "sanaenomics", "baseline"
PUBLISHED, README = ROOT / "results" / "published" / MAIN, ROOT / "README.md"
BEGIN, END = "<!-- findings:begin -->", "<!-- findings:end -->"
COLOURS = 256  # of a published figure: a third of the bytes
MEAN_AND_INTERVAL = ("mean_difference", "mean_low", "mean_high")
AT_LARGEST = ("JGB40", "JGB30", "JGB10", "UST30", "UST10", "BUND10", "GILT10", "USDJPY", "NIKKEI", "NASDAQ", "BTC")
ABROAD = ("UST10", "UST30", "BUND10", "GILT10")
TOLERANCE = 0.2  # calm volatility may be off by this part
SHOWN = (
    "peak_pct.JGB40", "peak_change_bp.JGB40", "peak_day.JGB40", "half_life_days.JGB40", "end_change_bp.JGB40",
    "peak_change_bp.JGB10", "peak_change_bp.UST10", "peak_change_bp.UST30", "end_change_bp.UST30",
    "peak_change_bp.BUND10", "peak_change_bp.GILT10", "max.USDJPY", "days_above_160.USDJPY",
    "end_change_pct.USDJPY", "drawdown_pct.USDJPY", "drawdown_pct.NIKKEI", "drawdown_pct.NASDAQ",
    "drawdown_pct.BTC", "margin_calls_usd_bn", "liquidations_usd_bn", "repatriation_usd_bn",
    "carry_closed_usd_bn", "interventions_jpy_tn", "rate_checks", "hikes", "exceptional_purchases_jpy_tn",
    "least_depth_pct.JGB30", "max_stress",
)  # fmt: skip
# Closes of January 2026 (abm/SOURCES.md): Japan MoF, Fed H.15, Bank of Japan 17:00, exchanges.
OBSERVED = (
    ("JGB30", "2026-01-13", "2026-01-20", 3.462, 3.765),
    ("JGB30", "2026-01-20", "2026-01-28", 3.765, 3.579),
    ("JGB40", "2026-01-13", "2026-01-20", 3.629, 3.901),
    ("JGB40", "2026-01-20", "2026-01-28", 3.901, 3.691),
    ("UST30", "2026-01-13", "2026-01-20", 4.83, 4.91),
    ("UST30", "2026-01-20", "2026-01-28", 4.91, 4.85),
    ("USDJPY", "2026-01-13", "2026-01-22", 158.95, 158.78),
    ("USDJPY", "2026-01-22", "2026-01-28", 158.78, 152.64),
    ("NIKKEI", "2026-01-13", "2026-01-20", 53549.0, 52991.0),
    ("BTC", "2026-01-13", "2026-01-20", 95322.0, 88311.0),
    ("BTC", "2026-01-20", "2026-01-28", 88311.0, 89185.0),
)


def publish(
    seeds: int = 50,
    days: int | None = None,
    target: Path = PUBLISHED,
    readme: Path = README,
    workers: int | None = None,
) -> None:
    """Run, keep figures, summary and manifest in `target`, rewrite the block of findings in `readme`."""
    main = load_scenario(MAIN, days=days)
    with tempfile.TemporaryDirectory() as folder:
        shock = run(main, seeds, workers=workers, out=Path(folder) / "shock")
        calm = run(
            load_scenario(CALM, days=main.days), seeds, workers=workers, out=Path(folder) / "calm", figures=False
        )
        if shock.failures or calm.failures:
            raise SystemExit(f"nothing published, seeds failed: {(*shock.failures, *calm.failures)}")
        summary = summarise(main, shock, calm)
        shutil.rmtree(target, ignore_errors=True)
        (target / "figures").mkdir(parents=True)
        write_json(target / "summary.json", summary)
        shutil.copy(shock.path / "manifest.json", target)
        for figure in sorted((shock.path / "figures").glob("*.png")):
            shrink(figure, target / "figures" / figure.name)
    readme.write_text(with_findings(readme.read_text(encoding="utf-8"), summary), encoding="utf-8")


def shrink(source: Path, target: Path) -> None:
    """A figure in its most frequent colours, which those of lines and marks are among, to keep the repository small."""
    with Image.open(source) as image:
        whole = image.convert("RGB")
    counted = sorted(whole.getcolors(whole.width * whole.height), reverse=True)[:COLOURS]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for _, colour in counted for part in colour])
    whole.quantize(palette=palette, dither=Image.Dither.NONE).save(target, optimize=True)


# -- numbers -------------------------------------------------------------------------------------------------------


def summarise(scenario: Scenario, shock: RunResult, calm: RunResult) -> dict[str, Any]:
    """Everything the findings are written from."""
    return {
        "name": scenario.name,
        "days": scenario.days,
        "seeds": len(shock.measures),
        "measures": shock.summary,
        "effects": effects(shock.measures, calm.measures),
        "at_largest": at_largest(shock.daily, calm.daily),
        "moved": report.moved(RunDirectory.open(shock.path)),
        "observed": [row for row in map(lambda o: against_observation(shock.daily, *o), OBSERVED) if row],
        "calm_volatility_ratio": calm_volatility(scenario, calm.daily),
    }


def effects(shock: pd.DataFrame, calm: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Paired differences, with the shock less without, where every seed has one."""
    pairs = calm.melt("seed", var_name="measure", value_name="a").merge(
        shock.melt("seed", var_name="measure", value_name="b")
    )
    table = tabulate(pairs.assign(difference=pairs["b"] - pairs["a"]))
    whole = table[(table["seeds"] == len(shock)) & (table["unit"] != "day")]
    return whole.set_index("measure")[list(MEAN_AND_INTERVAL)].to_dict(orient="index")


def at_largest(shock: pd.DataFrame, calm: pd.DataFrame) -> dict[str, Any]:
    """Mean effect on key series, with its interval, on the day on which that on the 40-year yield is largest."""
    effect = {name: change(name, paths(calm, name), paths(shock, name)) for name in AT_LARGEST}
    day = int(np.abs(effect["JGB40"].mean(axis=0)).argmax())
    of_day = {name: by_day[:, day] for name, by_day in effect.items()}
    means = {
        name: dict(zip(MEAN_AND_INTERVAL, (x.mean(), *bootstrap_interval(x)), strict=True))
        for name, x in of_day.items()
    }
    return {"day": day, "effects": means}


def paths(daily: pd.DataFrame, series: str) -> np.ndarray:
    """Levels of a series, (seeds, days)."""
    return daily.pivot(index="seed", columns="day", values=series_column(series)).to_numpy()


def against_observation(
    daily: pd.DataFrame, series: str, start: str, end: str, before: float, after: float
) -> dict[str, Any] | None:
    """What happened between two closes, and the model's distribution of it; None if the run is too short."""
    levels = daily.pivot(index="date", columns="seed", values=series_column(series))
    first, last = pd.Timestamp(start), pd.Timestamp(end)
    if last not in levels.index:
        return None
    low, median, high = np.quantile(change(series, levels.loc[first], levels.loc[last]), (0.05, 0.5, 0.95))
    observed = float(change(series, before, after))
    return {"series": series, "from": start, "to": end, "observed": observed, "median": median, "p5": low, "p95": high}


def change(series: str, before: Any, after: Any) -> Any:
    """Basis points for bonds, per cent (log) for the rest."""
    bond = IS_BOND[IDS.index(series)]
    return 100.0 * (after - before) if bond else 100.0 * np.log(np.divide(after, before))


def calm_volatility(scenario: Scenario, daily: pd.DataFrame) -> dict[str, float]:
    """Daily standard deviation without a shock over that of calm days, by market."""
    steps = {}
    for market in IDS:
        levels = paths(daily, market)
        steps[market] = change(market, levels[:, :-1], levels[:, 1:]).std()
    return {market: float(steps[market] / sd) for market, sd in zip(IDS, scenario.state.calm_sd, strict=True)}


# -- words ---------------------------------------------------------------------------------------------------------


def with_findings(text: str, summary: Mapping[str, Any]) -> str:
    """The text with the findings written anew."""
    return within(text, BEGIN, END, lambda: findings(summary))


def within(text: str, begin: str, end: str, block: Callable[[], str]) -> str:
    """The text with what is between the two marks replaced; it is written only if they are there."""
    head, opened, rest = text.partition(begin)
    _, closed, tail = rest.partition(end)
    if not opened or not closed:
        raise SystemExit(f"the README has no block {begin} ... {end}")
    return f"{head}{begin}\n{block()}\n{end}{tail}"


def findings(summary: Mapping[str, Any]) -> str:
    """The block of the README, from summary.json alone."""
    seeds, days = summary["seeds"], summary["days"]
    parts = [
        in_short(summary),
        f"{seeds} seeds, {days} trading days. *Effect* is the mean difference to the same seeds without the shock "
        "(`baseline`), with its 95 % interval, bold where that excludes zero. Peaks and deepest falls contain the "
        "ordinary noise of the period; the effect does not.",
        at_largest_words(summary["at_largest"]),
        headline_table(summary),
        "Who moved the market, as `abm run` prints it (means over seeds, largest contributors first):",
        "\n".join(f"- **{move}** {who}" for move, who in summary["moved"]),
        "Against January 2026 (bp for bonds, % for the rest). No price is given to the model after 13 January; the "
        "date of the announcement is.",
        observed_table(summary["observed"]),
        calm_words(summary["calm_volatility_ratio"]),
    ]
    return "\n\n".join(part for part in parts if part)


def in_short(summary: Mapping[str, Any]) -> str:
    """The answer in two sentences, the same words whatever comes out."""
    largest, lasting, days = summary["at_largest"], summary["effects"], summary["days"]
    first = {bond: mean(largest["effects"][bond], "bp") for bond in ("JGB40", "UST30")}
    end = {bond: mean(lasting.get(f"end_change_bp.{bond}"), "bp") for bond in first}
    home = report.formatted(summary["measures"]["repatriation_usd_bn"]["median"], "USD bn")
    caused = mean(lasting.get("repatriation_usd_bn"), "USD bn")
    return (
        f"**In short.** The announcement moves the 40-year yield by {first['JGB40']} bp on day {largest['day']}, when "
        f"its effect is largest, and by {end['JGB40']} bp at the end; the US 30-year by {first['UST30']} and "
        f"{end['UST30']} bp. Insurers, pension funds and banks bring home USD {home} bn in {days} trading days "
        f"(median); the announcement's part in that is USD {caused} bn (mean)."
    )


def mean(effect: Mapping[str, float | None] | None, unit: str) -> str:
    """The mean alone."""
    return "-" if effect is None else report.precise(effect["mean_difference"], unit)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    """A markdown table, the first columns to the left, the others to the right."""
    rule = ["---"] * left + ["---:"] * (len(columns) - left)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rule, *rows))


def at_largest_words(largest: Mapping[str, Any]) -> str:
    """The effect on key series on one day."""
    told = []
    for series, effect in largest["effects"].items():
        unit = "bp" if IS_BOND[IDS.index(series)] else "%"
        told.append(f"{series} {effect_words(effect, unit, f' {unit}')}")
    source = largest["effects"]["JGB30"]["mean_difference"]
    passed = {series: largest["effects"][series]["mean_difference"] / source for series in ABROAD}
    ratios = ", ".join(f"{series} {ratio:.2f}" for series, ratio in passed.items())
    return (
        f"Effect on day {largest['day']}, when that on the 40-year yield is largest: {'; '.join(told)}. "
        f"That passes on from JGB30: {ratios}; reported for January 2026 are 0.2 to 0.3 (abm/SOURCES.md, section 2)."
    )


def headline_table(summary: Mapping[str, Any]) -> str:
    """Measure, unit, median, 5-95 % and the effect of the shock."""
    rows = []
    for name in SHOWN:
        text, *cells = report.cells(summary["measures"][name], MEASURES[name].unit, summary["seeds"])
        rows.append((text.strip(), *cells, effect_words(summary["effects"].get(name), MEASURES[name].unit)))
    return table(("measure", "unit", "median", "5 to 95 %", "effect of the shock (95 %)"), rows, 2)


def effect_words(effect: Mapping[str, float | None] | None, unit: str, after: str = "") -> str:
    """Mean, what comes after it, and interval; a dash where it is not defined on every seed."""
    if effect is None:
        return "-"
    mean, low, high = (effect[key] for key in MEAN_AND_INTERVAL)
    words = f"{report.precise(mean, unit)}{after} ({report.precise(low, unit)} to {report.precise(high, unit)})"
    apart = low is not None and high is not None and (low > 0.0 or high < 0.0)
    return f"**{words}**" if apart else words


def observed_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Observed changes beside the model's distribution of them."""
    shown = [
        (
            row["series"],
            f"{dt.date.fromisoformat(row['from']):%-d %b} to {dt.date.fromisoformat(row['to']):%-d %b}",
            *(f"{row[key]:+.1f}" for key in ("observed", "median")),
            f"{row['p5']:+.1f} to {row['p95']:+.1f}",
            "yes" if row["p5"] <= row["observed"] <= row["p95"] else "**no**",
        )
        for row in rows
    ]
    columns = ("series", "closes", "observed", "model, median", "5 to 95 %", "inside")
    return table(columns, shown, 2) if shown else ""


def calm_words(ratios: Mapping[str, float]) -> str:
    """How many markets have the volatility of calm days without a shock, and which have not."""
    missed = {market: ratio for market, ratio in ratios.items() if abs(ratio - 1.0) > TOLERANCE}
    words = f"{len(ratios) - len(missed)} of {len(ratios)} markets are within 20 % of it"
    which = ", ".join(f"{market} {ratio:.2f}" for market, ratio in missed.items())
    outside = f"; the others, as a multiple of it: {which}" if missed else ""
    return f"Daily volatility without a shock against that of calm days in 2025: {words}{outside}."


def main() -> None:
    """Options, then the run."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=50)
    options.add_argument("--days", type=int, default=None, help="trading days instead of the scenario's")
    publish(**vars(options.parse_args()))


if __name__ == "__main__":
    main()
