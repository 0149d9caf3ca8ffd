"""The mass sectors against the same rules with one plain object per institution, day by day in turn.

The plain version is the tests' (tests/agents/reference.py), which shares no code with the sectors. It is no part of
the package, so this is measured only where the package runs from a checkout. It decides, trades, marks, meets margin
calls and closes the day at given prices. Of the model count the rules of both sectors, all margin requirements and the
settling of everybody's orders, which is more than the plain version does; news and the auction count on neither side.
"""

import sys
import time
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from abm.model import MarketModel
from abm.scenarios import load_scenario
from abm.study.bench.effort import Effort
from abm.study.bench.rows import Measured
from abm.study.bench.timing import Stopwatch, timed
from abm.study.bench.worlds import DEFAULT, MASS_SECTORS, RULES, WARM_UP_DAYS

ROOT: Final = Path(__file__).resolve().parents[3]
PLACE: Final = "tests/agents/reference.py"


def plain_version() -> ModuleType | None:
    """The tests' plain worlds; None outside a checkout."""
    if not (ROOT / PLACE).is_file():
        return None
    sys.path.insert(0, str(ROOT))
    try:
        return import_module("tests.agents.plain")
    finally:
        sys.path.remove(str(ROOT))


def against_plain(effort: Effort) -> Measured:
    """How many times as fast, one figure per day, in processor time."""
    plain = plain_version()
    if plain is None:
        return Measured("reference", note=f"not measured: {PLACE} is only in a checkout")
    model = MarketModel(load_scenario(DEFAULT, days=WARM_UP_DAYS + effort.plain_days))
    worlds = _Plain(plain, model)
    with Stopwatch(time.process_time) as watch:
        _watch_mass_sectors(watch, model)
        days = [_day(model, worlds, watch) for _ in range(model.plan.days)][WARM_UP_DAYS:]
    members = sum(model.sectors[name].n for name in MASS_SECTORS)
    ours, theirs = (1e9 * sum(side) / len(days) / members for side in zip(*days, strict=True))
    note = f"{theirs:,.0f} against {ours:,.0f} ns a member and day; processor time"
    return Measured("reference", [slow / fast for fast, slow in days], note=note)


class _Plain:
    """The plain worlds of a model that has just opened its books."""

    def __init__(self, plain: ModuleType, model: MarketModel) -> None:
        self.plain = plain
        carry, crypto = (model.sectors[name] for name in MASS_SECTORS)
        self.carry = plain.plain_carry_world(carry, model.screen())
        self.crypto = plain.plain_crypto_world(crypto)

    def day(self, model: MarketModel) -> float:
        """Seconds for the day that the model has just finished, on the same screen and at the same close."""
        carry, crypto = (self.plain.plain_screen(model.view, name) for name in MASS_SECTORS)
        close = self.plain.plain_prices(model.log_price)
        luck = model.streams.on("crypto_longs", "plans", model.day).random(len(self.crypto.accounts)).tolist()

        def both() -> None:
            self.carry.day(carry, close)
            self.crypto.day(crypto, close, luck)

        return timed(both)[1].cpu_s


def _watch_mass_sectors(watch: Stopwatch, model: Any) -> None:
    for name in MASS_SECTORS:
        for method in RULES:
            watch.watch("rules", model.sectors[name], method)
    watch.watch("margin", model, "_margin_need")
    watch.watch("settle", model, "_settle")


def _day(model: MarketModel, worlds: _Plain, watch: Stopwatch) -> tuple[float, float]:
    """Seconds of one day, of the model and of the plain version."""
    before = sum(watch.seconds.values())
    model.run_for(1)
    return sum(watch.seconds.values()) - before, worlds.day(model)
