"""The packaged figures that validation compares with."""

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

VALIDATION: Final = Path(__file__).resolve().parents[1] / "validation"
TARGETS: Final = VALIDATION / "targets.toml"
EPISODES: Final = VALIDATION / "episodes"


@lru_cache(maxsize=1)
def targets() -> dict[str, Any]:
    """The tables of `abm/validation/targets.toml`. Shared: read, never changed."""
    return tomllib.loads(TARGETS.read_text(encoding="utf-8"))


def responsible(what: str, series: str) -> str:
    """Parameter, switch or figure held responsible for a miss of this kind in this series."""
    table = targets()["responsible"].get(what, {})
    if isinstance(table, str):
        return table
    return str(table.get(series, table.get(_group(series), table.get("default", ""))))


def _group(series: str) -> str:
    """A word for series that share their causes."""
    bond = series.removesuffix("_fut")
    for prefix, group in (("JGB", "japanese_bonds"), ("NIKKEI", "shares"), ("NASDAQ", "shares"), ("SPX", "shares")):
        if bond.startswith(prefix):
            return group
    if bond == "BTC":
        return "bitcoin"
    if bond.endswith("JPY") and len(bond) == 6:
        return "yen"
    return "foreign_bonds" if bond[-1].isdigit() or bond == "EMBOND" else "currencies"
