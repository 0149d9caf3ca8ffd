"""Section C: episodes, scenario files with what was observed in [[observed]] rows, and how they are scored."""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from abm.scenarios import Scenario, load_scenario, state_names
from abm.scenarios.calendar import trading_dates
from abm.scenarios.checks import is_finite_number
from abm.scenarios.files import NAME, PACKAGED_SCENARIOS, Document, locate, packaged_names, read
from abm.scenarios.loader import OBSERVED, scenario_of
from abm.scenarios.state import state_rules
from abm.study.lines import Line, line, share_line
from abm.study.moments import calm_sd
from abm.study.paths import Paths, series_names, unit_of
from abm.study.targets import EPISODES, responsible, targets
from abm.world.errors import InputError, shown, unknown_name, wrong_value

ROW_KEYS: Final = ("series", "from", "to", "change", "unit", "note")
NEEDED: Final = ("series", "from", "to", "change")
MOST_CHANGE: Final = 1000.0
MOST_ROWS: Final = 2000
LONGEST: Final = 500  # trading days
DISCRETION: Final = (
    "mof_ladder",
    "exceptional_purchases",
)  # what authorities do unasked; an episode dates what they did
UNITS: Final = {"bp": ("bp",), "%": ("%", "pct", "per cent", "percent")}


@dataclass(frozen=True)
class Observed:
    """One observed move, from the close of day `since` to the close of day `to`; bp for bonds, per cent otherwise."""

    series: str
    since: int
    to: int
    change: float
    note: str = ""


@dataclass(frozen=True)
class Episode:
    """A scenario and what was observed, rows in the order of the file."""

    scenario: Scenario
    observed: tuple[Observed, ...]

    @property
    def name(self) -> str:
        """That of the scenario."""
        return self.scenario.name


def episode_names() -> tuple[str, ...]:
    """Packaged episodes."""
    return packaged_names(EPISODES)


# -- reading -------------------------------------------------------------------------------------------------------


def load_episode(name_or_path: str | Path, overrides: Mapping[str, Any] | None = None) -> Episode:
    """A packaged episode by name, or a user's by its path, checked.

    The run is as long as the rows need, whatever `days` says. The Ministry of Finance and the Bank of Japan intervene
    as dated in the file only, unless its [set] switches their discretion on. InputError, one sentence, about the first
    thing wrong.
    """
    document = _completed(read(locate(str(name_or_path), EPISODES, "episode")))
    where, rows = document.where, _rows(document)
    scenario = scenario_of(document, overrides)
    dates = trading_dates(scenario.state.date, scenario.start, LONGEST)
    observed = tuple(_observed(row, f"observed {i}", where, dates) for i, row in enumerate(rows, start=1))
    _refuse_twins(rows, where)
    return Episode(scenario.shortened(max(row.to for row in observed)), observed)


def _completed(document: Document) -> Document:
    """The file with what an episode may leave out: name, title and length, and what heads an opening of its own.

    Figures of an opening state (levels, policy_rate_pct and so on) may stand in [state] or at the top, and then lie
    over the state that [scenario] names.
    """
    table = {key: dict(value) if isinstance(value, dict) else value for key, value in document.table.items()}
    header = table.get("scenario")
    if not isinstance(header, dict):
        raise InputError(f"{document.where}: has no table [scenario], but every episode needs one")
    header.setdefault("name", document.path.stem if NAME.fullmatch(document.path.stem) else "episode")
    header.setdefault("title", header["name"])
    if "days" not in header or _is_whole(header["days"]):
        header["days"] = LONGEST
    settings = table.get("set", {})
    if isinstance(settings, dict):
        table["set"] = {f"switches.{rule}": False for rule in DISCRETION} | settings
    own = {section: table.pop(section) for section in state_rules() if section in table}
    if own or isinstance(table.get("state"), dict):
        table["state"] = _own_state({**table.get("state", {}), **own}, header, document)
    return replace(document, table=table)


def _own_state(state: dict[str, Any], header: dict[str, Any], document: Document) -> dict[str, Any]:
    """An opening of the episode's own: dated, named and sourced by the episode where it does not say.

    What the episode does not say either, its start or the state beneath, is that of the scenario it extends.
    """
    about = {
        "name": header["name"],
        "title": f"Opening of {header['name']}",
        "source": f"given in {document.where}",
        "conf": "M",
    }
    if "state" in header:
        about["extends"] = header.pop("state")
    elif isinstance(header.get("extends"), str):
        parent = load_scenario(locate(header["extends"], PACKAGED_SCENARIOS, "scenario", document, "scenario.extends"))
        about["date"] = parent.start
        if parent.state.name in state_names():
            about["extends"] = parent.state.name
    if "start" in header:
        about["date"] = header["start"]
    return {**about, **{key: _with_units(node, state_rules().get(key)) for key, node in state.items()}}


def _with_units(node: Any, rule: Any) -> Any:
    """Bare numbers become figures in the one unit they can have."""
    if isinstance(node, Mapping) and isinstance(rule, Mapping):
        bare = "unit" not in node
        return {key: _with_units(value, rule.get(key)) if bare else value for key, value in node.items()}
    bare = isinstance(node, int | float | list) and hasattr(rule, "unit")
    return {"value": node, "unit": rule.unit} if bare else node


def _rows(document: Document) -> list[Any]:
    rows = document.table.get(OBSERVED)
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{document.where}: has no [[observed]] row, but an episode needs at least one")
    if len(rows) > MOST_ROWS:
        raise InputError(f"{document.where}: has {len(rows)} [[observed]] rows, but at most {MOST_ROWS} are read")
    return rows


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _observed(row: Any, label: str, where: str, dates: Sequence[dt.date]) -> Observed:
    if not isinstance(row, Mapping):
        raise wrong_value(where, label, row, "a table headed [[observed]]")
    for key in row:
        if key not in ROW_KEYS:
            raise unknown_name(where, f"key in {label}", key, ROW_KEYS, f"{key} = {shown(row[key])}")
    for key in NEEDED:
        if key not in row:
            raise InputError(f"{where}: {label} has no {key}, it must have {', '.join(NEEDED)}")
    series = _series(row["series"], label, where)
    _check_unit(row.get("unit"), series, label, where)
    since = _close(row["from"], f"{label}.from", where, dates, up=False)
    to = _close(row["to"], f"{label}.to", where, dates, up=True)
    if to <= since:
        raise wrong_value(where, f"{label}.to", row["to"], f"after its from, {shown(row['from'])}")
    return Observed(series, since, to, _change(row["change"], series, label, where), str(row.get("note", "")))


def _series(value: Any, label: str, where: str) -> str:
    if not isinstance(value, str):
        raise wrong_value(where, f"{label}.series", value, "an instrument id or a pair of currencies such as AUDJPY")
    if value not in series_names():
        raise unknown_name(where, "series", value, series_names(), f"{label}.series = {shown(value)}")
    return value


def _check_unit(value: Any, series: str, label: str, where: str) -> None:
    allowed = UNITS[unit_of(series)]
    if value is not None and value not in allowed:
        raise wrong_value(where, f"{label}.unit", value, f"{allowed[0]} for {series}")


def _change(value: Any, series: str, label: str, where: str) -> float:
    if not is_finite_number(value) or abs(value) > MOST_CHANGE:
        unit = "bp" if unit_of(series) == "bp" else "% of the logarithm"
        raise wrong_value(
            where, f"{label}.change", value, f"a number from -{MOST_CHANGE:g} to {MOST_CHANGE:g} ({unit})"
        )
    return float(value)


def _close(value: Any, key: str, where: str, dates: Sequence[dt.date], up: bool) -> int:
    """Trading day of a close, given by number or date; where Tokyo is closed, the one before (from) or after (to)."""
    last = len(dates) - 1
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value <= last:
            raise wrong_value(where, key, value, f"a trading day from 0 (the opening) to {last}")
        return value
    if isinstance(value, str):
        try:
            value = dt.date.fromisoformat(value)
        except ValueError:
            raise wrong_value(where, key, value, "a date (year-month-day) or a trading day's number") from None
    if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
        raise wrong_value(where, key, value, "a date (year-month-day) or a trading day's number")
    if not dates[0] <= value <= dates[-1]:
        raise wrong_value(where, key, value, f"from {dates[0]}, the date of the opening state, to {dates[-1]}")
    axis = np.array(dates, dtype="datetime64[D]")
    found = np.searchsorted(axis, np.datetime64(value), side="left" if up else "right")
    return int(found) if up else int(found) - 1


def _refuse_twins(rows: Sequence[Mapping[str, Any]], where: str) -> None:
    first: dict[tuple[str, str, str], int] = {}
    for i, row in enumerate(rows, start=1):
        key = (row["series"], str(row["from"]), str(row["to"]))
        if key in first:
            raise InputError(
                f"{where}: observed {i} repeats observed {first[key]}, {key[0]} from {key[1]} to {key[2]}, "
                "but a move may be given once"
            )
        first[key] = i


# -- scoring -------------------------------------------------------------------------------------------------------


def episode_lines_of(episode: Episode, paths: Paths) -> list[Line]:
    """The lines of an episode whose runs are there already.

    Sign: the median has the observed sign, asked where the observed move exceeds one calm daily standard deviation.
    Factor two: the median is between half and twice the observed move, asked likewise. Band: the observed move is
    between the 5 and the 95 % quantile of the seeds.
    """
    signs, sizes, bands = [], [], []
    for row in episode.observed:
        changes = paths.change(row.series, row.to, row.since)
        if abs(row.change) > calm_sd(episode.scenario, row.series):
            signs.append(_sign(episode, row, changes))
            sizes.append(_factor_two(episode, row, changes))
        bands.append(_band(episode, row, changes))
    bars = targets()["bars"]
    name = episode.name
    out: list[Line] = []
    for kind, text, members, bar in (
        ("sign", "observed moves above one daily sd with the right sign", signs, bars["C_signs"]),
        ("factor_two", "of the same moves, median within a factor of two", sizes, bars["C_factor_two"]),
        ("band", "observed moves inside the 5-95 % band of the seeds", bands, bars["C_bands"]),
    ):
        if members:
            out += [share_line(f"C.{name}.{kind}", f"{name}: {text}", members, bar, _blame(members)), *members]
    return out


def _blame(members: Sequence[Line]) -> str:
    """The responsible parameters of the misses, the most frequent three."""
    missed = [m.responsible for m in members if not m.passed]
    return "; ".join(sorted(set(missed), key=lambda r: (-missed.count(r), r))[:3])


def _member(episode: Episode, row: Observed, kind: str, limits: tuple[float, float], changes: np.ndarray) -> Line:
    dates = episode.scenario.dates
    span = f"{dates[row.since]:%d %b} to {dates[row.to]:%d %b}"
    id_ = f"C.{episode.name}.{row.series}.{row.since}-{row.to}.{kind}"
    blame = responsible("episode", row.series)
    median = float(np.median(changes))
    text, of = f"{row.series}, {span}", f"C.{episode.name}.{kind}"
    return line(id_, text, unit_of(row.series), limits, median, blame, row.change, of, row.note)


def _sign(episode: Episode, row: Observed, changes: np.ndarray) -> Line:
    limits = (math.ulp(0.0), math.inf) if row.change > 0.0 else (-math.inf, -math.ulp(0.0))
    return _member(episode, row, "sign", limits, changes)


def _factor_two(episode: Episode, row: Observed, changes: np.ndarray) -> Line:
    return _member(episode, row, "factor_two", (row.change / 2.0, row.change * 2.0), changes)


def _band(episode: Episode, row: Observed, changes: np.ndarray) -> Line:
    low, high = (float(q) for q in np.quantile(changes, (0.05, 0.95)))
    member = _member(episode, row, "band", (low, high), changes)
    return replace(member, passed=low <= row.change <= high)
