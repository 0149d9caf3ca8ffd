"""The default world in this process: a day, a year, building, and the rules of the mass sectors."""

from collections.abc import Sequence
from functools import partial
from statistics import median

from abm.model import MarketModel
from abm.scenarios import load_scenario
from abm.study.bench.effort import Effort
from abm.study.bench.rows import Measured
from abm.study.bench.timing import Took, timed
from abm.study.bench.worlds import DEFAULT, WARM_UP_DAYS, rules_ns


def measure_default(effort: Effort) -> tuple[list[Measured], float]:
    """Rows, one figure per run of so many days, and the wall time over processor time of those runs."""
    scenario = load_scenario(DEFAULT, days=max(effort.days, WARM_UP_DAYS))
    MarketModel(scenario).run_for(WARM_UP_DAYS)
    buildings, years = [], []
    for seed in range(1, effort.years + 1):
        model, building = timed(partial(MarketModel, scenario, rng=seed))
        buildings.append(building)
        years.append([timed(partial(model.run_for, 1))[1] for _ in range(effort.days)])
    rules = rules_ns(MarketModel(scenario), effort.days)
    whole = [_sum([building, *days]) for building, days in zip(buildings, years, strict=True)]
    wall = [median(day.wall_s for day in days) for days in years]
    cpu = median(median(day.cpu_s for day in days) for days in years)
    slowest = 1e3 * max(day.wall_s for days in years for day in days)
    rows = [
        Measured("day", [1e3 * s for s in wall], 1e3 * cpu, note=f"slowest {slowest:.1f} ms"),
        Measured("year", [took.wall_s for took in whole], median(took.cpu_s for took in whole)),
        Measured("build", [1e3 * b.wall_s for b in buildings], 1e3 * median(b.cpu_s for b in buildings)),
        Measured("rules", rules),
    ]
    return rows, sum(took.wall_s for took in whole) / sum(took.cpu_s for took in whole)


def _sum(parts: Sequence[Took]) -> Took:
    return Took(sum(part.wall_s for part in parts), sum(part.cpu_s for part in parts))
