"""A calibration in words, numbers and figures: report.md, fit.json, fitted.toml, sensitivity.csv, three figures."""

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import tomli_w

from abm.output import fit_plots
from abm.output.tables import write_json
from abm.study import smm
from abm.study.fitting import FRESH_BLOCKS, PULL, STEP, Fit
from abm.study.run import git_revision, package_versions

GRID_POINTS: Final = 25
MOST_MISSES: Final = 30
LEAST_INFORMED: Final = 0.2  # share of its range ruled out, from which an estimate is worth packaging


def write(fit: Fit, directory: Path, command: str, figures: bool = True) -> None:
    """All files of a finished calibration. command: what made it, written into the estimates."""
    made = {"command": command, "date": dt.date.today().isoformat(), "revision": git_revision() or "unknown"}
    write_json(directory / "fit.json", {**made, "packages": package_versions(), **document(fit)})
    (directory / "fitted.toml").write_text(tomli_w.dumps(fitted_document(fit, made)), encoding="utf-8")
    names = [one.name for one in fit.free]
    table = pd.DataFrame(fit.sensitivity, pd.Index([row.id for row in fit.targets.rows], name="target"), names)
    table.to_csv(directory / "sensitivity.csv", float_format="%.4g")
    if figures:
        _draw(fit, directory / "figures")
    (directory / "report.md").write_text(report(fit, made, figures), encoding="utf-8")


def rounded(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")


def fitted_document(fit: Fit, made: dict[str, Any]) -> dict[str, Any]:
    """Estimates that the targets inform, as tables of `abm/calibration/fitted.toml`."""
    values, (low, high) = fit.values(fit.u), (fit.values(side) for side in fit.interval)
    rows = [
        {"parameter": name, "value": rounded(values[i]), "low": rounded(low[i]), "high": rounded(high[i])}
        for i, one in enumerate(fit.free)
        if fit.informed[i] >= LEAST_INFORMED
        for name in (one.name, *one.also)
    ]
    return {"fit": made, "value": rows}


def document(fit: Fit) -> dict[str, Any]:
    """Everything as plain values, for fit.json."""
    before, after = fit.losses
    return {
        "loss": {"before": before, "after": after},
        "loss_on_fresh_seeds": {"before": fit.fresh_before.tolist(), "after": fit.fresh_after.tolist()},
        "parameters": parameter_rows(fit),
        "targets": _targets(fit),
        "trials": [{"number": t.number, "loss": t.loss, "values": t.values} for t in fit.trials],
    }


def parameter_rows(fit: Fit) -> list[dict[str, Any]]:
    """What is told of every parameter."""
    packaged, values = fit.values(fit.packaged), fit.values(fit.u)
    low, high = (fit.values(side) for side in fit.interval)
    return [
        {
            "parameter": one.name,
            "also": list(one.also),
            "unit": one.unit,
            "bounds": [one.low, one.high],
            "packaged": rounded(packaged[i]),
            "value": rounded(values[i]),
            "low": rounded(low[i]),
            "high": rounded(high[i]),
            "informed": round(float(fit.informed[i]), 3),
            "told_by": list(smm.told_by(fit.targets, fit.sensitivity, i)),
            "meant_to_move": list(one.moves),
        }
        for i, one in enumerate(fit.free)
    ]


def _targets(fit: Fit) -> list[dict[str, Any]]:
    inside = [np.abs(smm.misses(fit.targets, x)) == 0.0 for x in (fit.before, fit.after)]
    return [
        {
            "id": row.id,
            "family": row.family,
            "text": row.text,
            "unit": row.unit,
            "low": row.low,
            "high": row.high,
            "before": float(fit.before[i]),
            "after": float(fit.after[i]),
            "simulation_sd": float(fit.simulation_sd[i]),
            "met_before": bool(inside[0][i]),
            "met_after": bool(inside[1][i]),
        }
        for i, row in enumerate(fit.targets.rows)
    ]


# -- figures -------------------------------------------------------------------------------------------------------


def by_family(fit: Fit) -> tuple[list[str], np.ndarray]:
    """Rows of the heat map: targets by themselves, but families of section A as one row each."""
    families = fit.targets.array("family")
    names: list[str] = []
    rows: list[np.ndarray] = []
    for family in dict.fromkeys(families):
        members = np.flatnonzero(families == family)
        if family.startswith("A."):
            part = fit.sensitivity[members]
            names.append(family)
            rows.append(np.sign(part.mean(axis=0)) * np.sqrt((part**2).mean(axis=0)))
            continue
        names += [fit.targets.rows[i].id.removesuffix(".factor_two") for i in members]
        rows += list(fit.sensitivity[members])
    return names, np.array(rows)


def _draw(fit: Fit, directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    names, rows = by_family(fit)
    fit_plots.draw_sensitivity(names, [one.name for one in fit.free], rows, directory / "sensitivity.png")
    fit_plots.draw_profiles([_profile(fit, i) for i in range(len(fit.free))], directory / "profiles.png")
    before, after = (smm.loss_by_family(fit.targets, x) for x in (fit.before, fit.after))
    fit_plots.draw_losses(before, after, directory / "losses.png")


def _profile(fit: Fit, i: int) -> fit_plots.Profile:
    one, u = fit.free[i], fit.u
    grid = np.unique(np.append(np.linspace(0.0, 1.0, GRID_POINTS), u[i]))
    line = smm.profile(fit.targets, u, fit.after, fit.jacobian, i, grid)
    sides = np.clip([u[i] - STEP, u[i] + STEP], 0.0, 1.0)
    return fit_plots.Profile(
        one.name,
        one.unit,
        one.low,
        one.high,
        one.log,
        one.value(float(fit.packaged[i])),
        one.value(float(u[i])),
        (one.value(float(fit.interval[0, i])), one.value(float(fit.interval[1, i]))),
        np.array([[t.values[one.name] for t in fit.trials], [t.loss for t in fit.trials]]),
        np.array([[one.value(float(x)) for x in grid], line]),
        np.array([[one.value(float(x)) for x in sides], fit.moved[:, i]]),
    )


# -- words ---------------------------------------------------------------------------------------------------------

METHOD: Final = f"""\
**How.** The search minimises the sum over families of targets (each moment of calm days, their correlations, every
experiment, every episode) of the mean squared miss of their members. A miss is counted in half widths of the target's
range, is zero inside it, and linear beyond three half widths. Moving a parameter by its whole range away from the
packaged value adds {PULL:g}, so that what the targets do not ask for stays. Every trial uses the same seeds.

**Intervals** are local. Slopes of all targets are central differences on the same seeds, each parameter moved by
{STEP:.0%} of its range to either side of the fit; variances are those of the data (half width / 1.96, squared) and of
the simulation ({FRESH_BLOCKS} further blocks of seeds at the fit); one family counts as one observation. A parameter's
precision is what the targets say when the others are free within their bounds (Gauss-Newton). The interval is the
normal distribution around the fit, cut off at the bounds; a parameter of which the targets say nothing keeps its whole
range. *Informed* is the share of the range that the interval rules out; parameters below {LEAST_INFORMED:g} are not
written into `fitted.toml`.
"""


def report(fit: Fit, made: dict[str, Any], figures: bool) -> str:
    """The report as Markdown."""
    before, after = fit.losses
    parts = [
        "# Calibration",
        f"`{made['command']}`, {made['date']}, revision {made['revision']}; {len(fit.trials)} trials, "
        f"{len(fit.targets)} targets, {len(fit.free)} parameters.",
        f"**Loss** {before:.2f} at the packaged values, **{after:.2f}** at the fitted ones, on the seeds of the "
        f"search; on {FRESH_BLOCKS} other blocks of seeds {_spread(fit.fresh_before)} and {_spread(fit.fresh_after)}.",
        METHOD,
        "## Fitted values",
        _table(
            ("parameter", "unit", "packaged", "fitted", "95 %", "informed", "told by"),
            (_parameter_row(row) for row in parameter_rows(fit)),
        ),
        "## Targets met",
        _table(("family", "targets", "met before", "met after", "loss before", "loss after"), _family_rows(fit)),
        "## Largest misses after the fit",
        _table(("target", "range", "before", "after"), _miss_rows(fit)),
    ]
    if figures:
        parts += [f"![{name}](figures/{name}.png)" for name in ("sensitivity", "profiles", "losses")]
    return "\n\n".join(parts) + "\n"


def _spread(losses: np.ndarray) -> str:
    return f"{losses.mean():.2f} ({losses.min():.2f} to {losses.max():.2f})"


def _parameter_row(row: dict[str, Any]) -> Sequence[str]:
    name = row["parameter"] + (f" (also {', '.join(row['also'])})" if row["also"] else "")
    span = f"{row['low']:g} to {row['high']:g}"
    told = ", ".join(row["told_by"]) or "nothing"
    return name, row["unit"], f"{row['packaged']:g}", f"{row['value']:g}", span, f"{row['informed']:.2f}", told


def _family_rows(fit: Fit) -> Iterable[Sequence[str]]:
    rows = _targets(fit)
    before, after = (smm.loss_by_family(fit.targets, x) for x in (fit.before, fit.after))
    for family in before:
        members = [row for row in rows if row["family"] == family]
        met = [str(sum(row[key] for row in members)) for key in ("met_before", "met_after")]
        yield family, str(len(members)), *met, f"{before[family]:.2f}", f"{after[family]:.2f}"


def _miss_rows(fit: Fit) -> Iterable[Sequence[str]]:
    size = np.abs(smm.misses(fit.targets, fit.after))
    for i in np.argsort(-size, kind="stable")[:MOST_MISSES]:
        row = fit.targets.rows[i]
        if size[i] > 0.0:
            text = f"{row.id}: {row.text}, {row.unit}"
            yield text, f"{row.low:.3g} to {row.high:.3g}", f"{fit.before[i]:.3g}", f"{fit.after[i]:.3g}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
