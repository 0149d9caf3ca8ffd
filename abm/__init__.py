"""Agent-based simulator of the Japanese bond shock: what happens if Japan's money comes home."""

from importlib import import_module
from typing import Any

_HOME = {
    "MarketModel": "abm.model",
    "load_scenario": "abm.scenarios",
    "run": "abm.study.run",
    "compare": "abm.study.compare",
    "sweep": "abm.study.sweep",
    "open_results": "abm.study.sweep",
}
__all__ = ["MarketModel", "compare", "load_scenario", "open_results", "run", "sweep"]


def __getattr__(name: str) -> Any:
    """Public names are imported when first used, so that the command line starts fast."""
    if name not in _HOME:
        raise AttributeError(f"module 'abm' has no attribute {name!r}, it offers {', '.join(__all__)}")
    return getattr(import_module(_HOME[name]), name)
