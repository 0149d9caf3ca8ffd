"""The plain Mesa page: it renders, every session has its model, and the model collects what is plotted."""

import pytest
import solara

from abm.browser import app


def test_its_model_is_the_main_scenario_with_a_collector() -> None:
    model = app.WatchedModel(rng="7", news_scale=0.5)
    model.run_for(2)
    rows = model.datacollector.get_model_vars_dataframe()
    assert model.plan.news.scale == 0.5
    assert rows["USDJPY"].tolist() == model.daily["fx.USDJPY"].tolist()
    assert rows["stress"].tolist() == model.daily["stress_index"].tolist()


@pytest.mark.filterwarnings("ignore")  # of Mesa and Solara themselves
def test_it_renders_with_a_model_for_every_session(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class Noted(app.WatchedModel):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(app, "WatchedModel", Noted)
    for sessions in (1, 2):
        _, context = solara.render(app.Page(), handle_error=False)
        context.close()
        assert len(made) == sessions
