"""The model in Mesa's own page: `solara run abm/browser/app.py`. Copy it and add components of your own."""

from collections.abc import Callable

import mesa
import solara
from mesa.visualization import Slider, SolaraViz, make_plot_component

from abm import MarketModel, load_scenario
from abm.world.instruments import IDS, level_of_log_price


class WatchedModel(MarketModel):
    """The main scenario with two parameters to slide, and a collector for the plots."""

    def __init__(self, rng: int | str = 7, news_scale: float = 1.0, carry_leverage: float = 5.0) -> None:
        settings = {"news.scale": news_scale, "carry_traders.leverage_median": carry_leverage}
        super().__init__(load_scenario("sanaenomics", overrides=settings), rng=int(rng))
        self.datacollector = mesa.DataCollector(model_reporters={"stress": stress, **{m: level(m) for m in SHOWN}})
        self.datacollector.collect(self)

    def step(self) -> None:
        """One day; the last day of the scenario ends the run."""
        super().step()
        self.datacollector.collect(self)
        self.running = self.day < self.plan.days


SHOWN = ("JGB10", "JGB30", "JGB40", "UST10", "UST30", "USDJPY", "BTC")


def level(market: str) -> Callable[[MarketModel], float]:
    """Reporter of a market's level: per cent of yield, or price."""
    return lambda model: float(level_of_log_price(model.log_price)[IDS.index(market)])


def stress(model: MarketModel) -> float:
    """Reporter of the stress index, 0 is calm."""
    return float(model.recorder.records(model.day)[0].stress_index)


@solara.component
def Page() -> None:
    """What `solara run` shows; every browser tab gets a model of its own."""
    model = solara.use_memo(WatchedModel, [])
    SolaraViz(
        model,
        components=[
            make_plot_component(["JGB10", "JGB30", "JGB40"]),
            make_plot_component(["UST10", "UST30"]),
            make_plot_component("USDJPY"),
            make_plot_component("stress"),
        ],
        model_params={
            "rng": {"type": "InputText", "value": 7, "label": "Seed"},
            "news_scale": Slider("Random news, multiple of calm", 1.0, 0.0, 3.0, 0.1),
            "carry_leverage": Slider("Leverage of carry funds, x equity", 5.0, 1.5, 8.0, 0.5),
        },
        name="Japan's money comes home",
    )
