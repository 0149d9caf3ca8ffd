"""Where a day goes, phase by phase. One model's methods are watched from outside; its code knows nothing of it."""

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from abm.agents.base import Sector
from abm.model import MarketModel
from abm.scenarios import load_scenario
from abm.study.bench.effort import Effort
from abm.study.bench.timing import Stopwatch
from abm.study.bench.worlds import DEFAULT, WARM_UP_DAYS
from abm.world import auction

MODEL_PHASES: Final = {
    "step": "rest of the day",
    "_announce_news": "announce",
    "_post_schedules": "rest of posting",
    "_clear_and_settle": "clear",
    "_settle": "settle",
    "_pay_income": "income",
    "_close_the_day": "rest of closing",
    "_record": "record",
}
SECTOR_PHASES: Final = {
    "income": "payments from outside",
    "decide": "decide",
    "matrix_schedule": "joint schedule",
    "end_of_day": "close",
}
MARGIN: Final = "margin rounds"  # with all they call: forced orders, clearing again, settling
ATTRIBUTE: Final = "attribute"
ORDER: Final = (
    "announce", "payments from outside", "decide", "joint schedule", "rest of posting", "clear", "settle", MARGIN,
    "income", "close", "rest of closing", ATTRIBUTE, "record", "rest of the day",
)  # fmt: skip


@dataclass(frozen=True)
class Phase:
    """Mean of a phase. sector: whose, "" for the model's own. us: microseconds a day. share: of the day."""

    phase: str
    sector: str
    us: float
    share: float


def profile_day(effort: Effort) -> list[Phase]:
    """Mean day of the default world, in the order of the day."""
    days = max(effort.days, 1)
    model = MarketModel(load_scenario(DEFAULT, days=WARM_UP_DAYS + days))
    model.run_for(WARM_UP_DAYS)
    gc.collect()
    with Stopwatch() as watch:
        _watch(watch, model)
        for _ in range(days):
            model.step()
    return _phases(watch, days)


def _watch(watch: Stopwatch, model: Any) -> None:
    for method, phase in MODEL_PHASES.items():
        watch.watch(phase, model, method)
    watch.watch(MARGIN, model, "_meet_margin_calls", whole=True)
    watch.watch(ATTRIBUTE, auction, "attribute")
    for name, sector in model.sectors.items():
        for method, phase in SECTOR_PHASES.items():
            if getattr(type(sector), method) is not getattr(Sector, method):
                watch.watch(f"{phase}: {name}", sector, method)


def _phases(watch: Stopwatch, days: int) -> list[Phase]:
    total = sum(watch.seconds.values())
    found = []
    for name, seconds in watch.seconds.items():
        phase, _, sector = name.partition(": ")
        found.append(Phase(phase, sector, 1e6 * seconds / days, seconds / total))
    return sorted(found, key=lambda part: (ORDER.index(part.phase), -part.us))


def summed(phases: Sequence[Phase]) -> list[Phase]:
    """Phases of sectors added up."""
    return [
        Phase(name, "", sum(p.us for p in phases if p.phase == name), sum(p.share for p in phases if p.phase == name))
        for name in ORDER
        if any(p.phase == name for p in phases)
    ]
