"""What a scenario may set: the parameters of every sector and of the public news, and the rules that have a switch."""

from pydantic import BaseModel

from abm import agents
from abm.world.news import NewsParams

NEWS = "news"
MODEL_SWITCHES = {
    "news": "random public news every day",
    "margin_calls": "margin calls, forced sales and the broker's liquidation",
    "signalling": "words and rate checks act on beliefs",
    "expected_easing": "central banks are expected to answer a fall of shares",
}


def parameter_models() -> dict[str, type[BaseModel]]:
    """Name used in `[set]` to the model of its parameters: every sector, and the news."""
    return {**{name: cls.Params for name, cls in agents.REGISTRY.items()}, NEWS: NewsParams}


def switches() -> dict[str, str]:
    """Every behaviour rule that can be switched off, with whose it is."""
    owners: dict[str, list[str]] = {}
    for name, cls in agents.REGISTRY.items():
        for rule in cls.rules:
            owners.setdefault(rule, []).append(name)
    return {rule: f"rule of {' and '.join(names)}" for rule, names in owners.items()} | MODEL_SWITCHES
