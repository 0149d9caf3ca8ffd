"""Worlds of any size, each measured in a process of its own so that its memory is its own.

    python -m abm.study.bench.worlds MEMBERS DAYS

prints what was measured as JSON. A larger world has more carry funds, retail accounts and crypto accounts, in the
proportions of the default one; these sectors may be larger here than a scenario file may ask for. All else stays.
"""

import gc
import json
import resource
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from abm.model import MarketModel
from abm.scenarios import Scenario, load_scenario
from abm.study.bench.bound import touched_bytes
from abm.study.bench.rows import Measured
from abm.study.bench.timing import MAXRSS_BYTES, Stopwatch, timed, timed_command
from abm.study.room import GIGA, free_memory_bytes

DEFAULT: Final = "baseline"
MASS_SECTORS: Final = ("carry_traders", "crypto_longs")
RULES: Final = ("income", "decide", "maintenance_shortfall", "raise_cash", "end_of_day")
WARM_UP_DAYS: Final = 2


def world_of(members: int, days: int) -> Scenario:
    """The default world with so many members in all, or as it is for 0."""
    scenario = load_scenario(DEFAULT, days=days)
    if not members:
        return scenario
    mass = {name: scenario.params[name].members for name in MASS_SECTORS}
    others = sum(params.members for params in scenario.params.values()) - sum(mass.values())
    first = round((members - others) * mass["carry_traders"] / sum(mass.values()))
    sizes = {"carry_traders": first, "crypto_longs": members - others - first}
    larger = {name: scenario.params[name].model_copy(update={"members": n}) for name, n in sizes.items()}
    return replace(scenario, params={**scenario.params, **larger})


def measure_world(members: int, days: int) -> dict[str, Any]:
    """Building, days, rules of the mass sectors, memory and ledger columns of one world."""
    scenario = world_of(members, WARM_UP_DAYS + 2 * days + 1)
    model, building = timed(lambda: MarketModel(scenario))
    model.run_for(WARM_UP_DAYS)
    took = [timed(lambda: model.run_for(1))[1] for _ in range(days)]
    gc.collect()  # what only cycles keep is no longer needed
    resident = resident_bytes()
    return {
        "members": sum(params.members for params in scenario.params.values()),
        "build_s": building.wall_s,
        "day_ms": [1e3 * day.wall_s for day in took],
        "day_cpu_ms": [1e3 * day.cpu_s for day in took],
        "rules_ns": rules_ns(model, days),
        "resident_bytes": resident,
        "touched_bytes": touched_bytes(model),
    }


def rules_ns(model: MarketModel, days: int) -> list[float]:
    """What the mass sectors' own methods take, nanoseconds per member, on each of some more days."""
    members = sum(model.sectors[name].n for name in MASS_SECTORS)
    found, before = [], 0.0
    with Stopwatch() as watch:
        for name in MASS_SECTORS:
            for method in RULES:
                watch.watch("rules", model.sectors[name], method)
        for _ in range(days):
            model.run_for(1)
            found.append(1e9 * (watch.seconds["rules"] - before) / members)
            before = watch.seconds["rules"]
    return found


def resident_bytes() -> int:
    """Memory this process has now; where the system does not say, the most it has had."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_BYTES


def measure_apart(members: int, days: int) -> dict[str, Any]:
    """`measure_world` in a process of its own, and the most memory that process had."""
    words = [sys.executable, "-m", "abm.study.bench.worlds", str(members), str(days)]
    done = timed_command(words)
    found: dict[str, Any] = json.loads(done.output)
    return {**found, "peak_bytes": done.peak_bytes}


def bytes_per_member(world: dict[str, Any], default: dict[str, Any], which: str = "resident_bytes") -> float:
    """What a member more takes: memory beyond that of the default world, per member beyond its members."""
    return float((world[which] - default[which]) / (world["members"] - default["members"]))


def rows_of(prefix: str, world: dict[str, Any], default: dict[str, Any]) -> list[Measured]:
    """Time and memory of one large world against the default one."""
    peak = bytes_per_member(world, default, "peak_bytes")
    cpu = sorted(world["day_cpu_ms"])[len(world["day_cpu_ms"]) // 2]
    return [
        Measured(f"{prefix}_day", world["day_ms"], cpu, note=f"built in {world['build_s']:.1f} s"),
        Measured(f"{prefix}_memory", [bytes_per_member(world, default)], note=f"{peak:,.0f} at the peak"),
    ]


def huge_rows(members: int, days: int, known: Sequence[dict[str, Any]]) -> list[Measured]:
    """The huge world, if the machine has room for what the others needed per member."""
    default, largest = known[0], known[-1]
    needed, free = members * bytes_per_member(largest, default, "peak_bytes"), free_memory_bytes()
    if free is not None and needed > free:
        note = f"needs about {needed / GIGA:.0f} GB of memory, {free / GIGA:.0f} GB are free"
        return [Measured("huge_day", note=note), Measured("huge_memory", note=note)]
    return rows_of("huge", measure_apart(members, days), default)


if __name__ == "__main__":
    json.dump(measure_world(int(sys.argv[1]), int(sys.argv[2])), sys.stdout)
