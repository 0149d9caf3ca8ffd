"""Random small worlds: a packaged scenario with other sizes, parameters, switches and events within their ranges."""

from functools import cache
from random import Random
from typing import Any, Final, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ValidationError

from abm.scenarios import Scenario, load_scenario, scenario_names
from abm.scenarios.sectors import parameter_models, switches
from abm.scenarios.vary import varied
from abm.world.errors import InputError
from abm.world.events import EVENT_KINDS, Event, PolicyMeeting

MEMBERS: Final = {
    "life_insurers": (6, 14),
    "pension_funds": (2, 8),
    "banks": (5, 10),
    "jgb_fast_money": (1, 12),
    "carry_traders": (1, 40),
    "crypto_longs": (1, 40),
    "bitcoin_holders": (1, 12),
    "real_money": (18, 30),
    "dealers": (1, 5),
    "arbitrageurs": (1, 6),
}
DAYS: Final = (5, 10)
FEW_DAYS: Final = (1, 3)
PARAMETERS: Final = 8  # at most, that are not at their defaults
EVENTS: Final = 4
WIDTH: Final = 0.03  # for flows USD 1,200 bn, for programmes JPY 21 tn, for rates 30 bp
SWITCHED_OFF: Final = 0.05
DRAWN: Final = "drawn"  # where values come from


def random_world(chance: Random, days: tuple[int, int] = DAYS) -> Scenario:
    """A scenario of so many days, at least and at most. Parameters that contradict each other are drawn anew."""
    while True:
        settings = {f"{sector}.members": chance.randint(*sizes) for sector, sizes in MEMBERS.items()}
        settings |= {f"switches.{name}": False for name in switches() if chance.random() < SWITCHED_OFF}
        names = [
            (sector, name, field)
            for sector, model in parameter_models().items()
            for name, field in model.model_fields.items()
            if field.annotation is float
        ]
        for sector, name, field in chance.sample(names, chance.randint(0, PARAMETERS)):
            settings[f"{sector}.{name}"] = _near(field, chance)
        try:
            world = varied(_packaged(chance.choice(scenario_names()), chance.randint(*days)), settings, DRAWN)
            for _ in range(chance.randint(0, EVENTS)):
                world = _with_an_event(world, chance)
        except InputError:
            continue
        return world


@cache
def _packaged(name: str, days: int) -> Scenario:
    return load_scenario(name, days=days)


def _limits(field: Any) -> tuple[float, float]:
    low, high = -1e6, 1e6
    for limit in field.metadata:
        low = limit.ge if isinstance(limit, Ge) else limit.gt + 1e-3 if isinstance(limit, Gt) else low
        high = limit.le if isinstance(limit, Le) else limit.lt - 1e-3 if isinstance(limit, Lt) else high
    return float(low), float(high)


def _near(field: Any, chance: Random) -> float:
    """A value within a factor of two of the default, now and then the lowest one allowed."""
    low, high = _limits(field)
    if chance.random() < 0.1 and low > -1e6:
        return low
    return min(max(field.default * 2.0 ** chance.uniform(-1.0, 1.0), low), high)


def _with_an_event(world: Scenario, chance: Random) -> Scenario:
    kinds = [model for model in EVENT_KINDS.values() if model is not PolicyMeeting]
    return world.with_event(random_event(chance.choice(kinds), chance), chance.randint(1, world.days))


def random_event(model: type[Event], chance: Random) -> Event:
    """An event of a kind, amounts about zero, up to a few hundredths of the range allowed."""
    values = {
        name: _value(field, chance)
        for name, field in model.model_fields.items()
        if name not in {"kind", "cause", "note", "date", "day", "keeps_meeting"}
    }
    try:
        return model.model_validate({key: value for key, value in values.items() if value is not None})
    except ValidationError:
        return random_event(model, chance)


def _value(field: Any, chance: Random) -> Any:
    kind = field.annotation
    if get_origin(kind) is Literal:
        return chance.choice(get_args(kind))
    if kind is bool:
        return chance.random() < 0.5
    if kind not in (int, float):
        return None
    low, high = _limits(field)
    if kind is int:
        return chance.randint(int(low), min(int(high), 10))
    return min(max(chance.uniform(-WIDTH, WIDTH) * (high - low), low), high)


def sized(model: BaseModel, factor: float) -> BaseModel:
    """Parameters or an event with every amount of money multiplied."""
    money = [name for name in type(model).model_fields if "_usd_bn" in name or "_jpy_tn" in name]
    return model.model_copy(update={name: factor * getattr(model, name) for name in money})
