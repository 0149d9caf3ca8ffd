"""What the recorder keeps and the tables it makes."""

import dataclasses
import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest

from abm.output.recorder import DayRecord, Recorder
from abm.world.events import FiscalAnnouncement
from abm.world.instruments import IDS, INDEX, IS_BOND, IS_FX, N_MARKETS
from abm.world.orders import REASON
from tests.output.fake import LEVELS, SECTORS, FakeModel, FakeScenario

DAYS = 8


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    model = FakeModel(FakeScenario(days=DAYS), rng=5)
    model.run_for(DAYS)
    return model.recorder


def test_daily_has_the_documented_columns_and_a_row_for_the_opening(recorder: Recorder) -> None:
    daily = recorder.daily
    assert daily["day"].tolist() == list(range(DAYS + 1))
    assert set(daily["seed"]) == {5}
    assert daily["date"].iloc[0] == pd.Timestamp("2026-01-13")
    expected = [
        *(f"yield_pct.{m}" for i, m in enumerate(IDS) if IS_BOND[i]),
        *(f"price.{m}" for i, m in enumerate(IDS) if not IS_FX[i]),
        *(f"fx.{m}" for i, m in enumerate(IDS) if IS_FX[i]),
        *(f"fx.{cross}" for cross in ("EURJPY", "AUDJPY", "GBPJPY", "MXNJPY")),
        *(f"policy_rate_pct.{bank}" for bank in ("BOJ", "FED", "ECB", "BOE", "RBA", "BANXICO")),
        *(f"depth_usd_bn_per_pct.{m}" for m in IDS),
        *(f"{kind}.{s}" for kind in ("margin_calls_usd_bn", "equity_usd_bn", "leverage") for s in SECTORS),
        "intervention_jpy_tn", "boj_purchases_jpy_tn", "inflation_pct.JP", "interest_to_revenue_pct.JP",
        "debt_to_gdp_pct.JP", "ladder", "intervention_risk", "hike_risk", "unfunded_pct_gdp.JP", "stress_index",
        "open_interest_usd_bn.BTC", "funding_pct.BTC", "carry_gross_usd_bn", "margin_rounds", "status",
    ]  # fmt: skip
    assert set(expected) <= set(daily.columns)
    assert daily.select_dtypes("number").notna().all().all()


def test_levels_of_the_opening_are_quoted_as_people_quote_them(recorder: Recorder) -> None:
    opening = recorder.daily.iloc[0]
    assert opening["yield_pct.JGB40"] == pytest.approx(LEVELS["JGB40"], rel=1e-12)
    assert opening["price.NIKKEI"] == pytest.approx(LEVELS["NIKKEI"], rel=1e-12)
    assert opening["fx.USDJPY"] == pytest.approx(LEVELS["USDJPY"], rel=1e-12)
    assert opening["fx.EURJPY"] == pytest.approx(LEVELS["EURUSD"] * LEVELS["USDJPY"], rel=1e-12)
    assert opening["fx.MXNJPY"] == pytest.approx(LEVELS["USDJPY"] / LEVELS["USDMXN"], rel=1e-12)
    assert opening["price.UST10"] == pytest.approx(100.0 * np.exp(-8.1 * LEVELS["UST10"] / 100.0), rel=1e-12)
    assert opening["policy_rate_pct.BANXICO"] == 7.0


def test_parts_of_every_move_add_up_to_the_move(recorder: Recorder) -> None:
    daily, parts = recorder.daily, recorder.attribution
    sums = parts.groupby(["market", "day"], observed=True)[["bp", "pct"]].sum()
    for i, market in enumerate(IDS):
        column = f"{'yield_pct' if IS_BOND[i] else 'fx' if IS_FX[i] else 'price'}.{market}"
        level = daily[column].to_numpy()
        move = 100.0 * np.diff(level) if IS_BOND[i] else 100.0 * np.diff(np.log(level))
        unit = "bp" if IS_BOND[i] else "pct"
        np.testing.assert_allclose(sums.loc[market][unit].to_numpy(), move, atol=1e-9)


def test_bonds_are_in_bp_and_the_rest_in_per_cent(recorder: Recorder) -> None:
    parts = recorder.attribution
    bond = parts["market"].isin([m for i, m in enumerate(IDS) if IS_BOND[i]])
    assert parts.loc[bond, "pct"].isna().all() and parts.loc[bond, "bp"].notna().all()
    assert parts.loc[~bond, "bp"].isna().all() and parts.loc[~bond, "pct"].notna().all()


def test_news_has_rows_of_its_own(recorder: Recorder) -> None:
    parts = recorder.attribution
    news = parts[parts["sector"] == "news"]
    assert set(news["reason"]) == {"news", "policy_news"}
    assert len(news) == 2 * DAYS * N_MARKETS
    assert not parts.loc[parts["sector"] != "news", "reason"].isin(["news", "policy_news"]).any()


def empty_record(day: int = 0) -> DayRecord:
    model = FakeModel(FakeScenario(days=1))
    return dataclasses.replace(model.recorder._records[0], day=day, flows_usd_bn=model._nothing(),
                               attribution_log=model._nothing())  # fmt: skip


def test_flows_keep_what_is_not_zero_and_nothing_else() -> None:
    record = empty_record()
    record.flows_usd_bn[2, REASON["rebalancing"], INDEX["UST10"]] = -3.5
    record.flows_usd_bn[0, REASON["repatriation"], INDEX["USDJPY"]] = 1e-20
    recorder = Recorder(SECTORS)
    recorder.add(record)
    assert recorder.flows.drop(columns="seed").values.tolist() == [[0, "banks", "UST10", "rebalancing", -3.5]]


def test_what_was_recorded_does_not_change_when_the_model_reuses_its_arrays() -> None:
    record = empty_record()
    record.flows_usd_bn[0, 3, 4] = 1.0
    recorder = Recorder(SECTORS)
    recorder.add(record)
    record.flows_usd_bn[:] = 0.0
    assert recorder.flows["usd_bn"].tolist() == [1.0]


def test_tables_follow_what_is_added_later() -> None:
    recorder = Recorder(SECTORS, seed=9)
    recorder.add(empty_record(0))
    assert len(recorder.daily) == 1
    recorder.add(empty_record(1))
    assert recorder.daily["day"].tolist() == [0, 1]
    assert recorder.tables(4)["daily"].column("seed").to_pylist() == [4, 4]


def test_wrong_shapes_and_days_are_refused() -> None:
    recorder = Recorder(SECTORS)
    with pytest.raises(ValueError, match=r"leverage has shape \(2,\), expected \(16,\)"):
        recorder.add(dataclasses.replace(empty_record(), leverage=np.ones(2)))
    with pytest.raises(ValueError, match="expected 0"):
        recorder.add(empty_record(1))


def test_events_keep_their_numbers() -> None:
    recorder = Recorder(SECTORS)
    day = dt.date(2026, 1, 19)
    recorder.event(4, day, FiscalAnnouncement(amount_jpy_tn=21.3, cause="government"))
    recorder.note(5, day, "default", "carry_traders", "fund 3 failed", {"loss_usd_bn": np.float64(0.2)})
    first, second = recorder.events.to_dict(orient="records")
    assert (first["kind"], first["cause"]) == ("fiscal_announcement", "government")
    assert first["text"] == "fiscal announcement: amount jpy tn 21.3, years 1"
    assert json.loads(first["details"]) == {"amount_jpy_tn": 21.3, "years": 1.0}
    assert json.loads(second["details"]) == {"loss_usd_bn": 0.2}


def test_an_empty_recorder_makes_empty_tables() -> None:
    assert all(table.num_rows == 0 for table in Recorder(SECTORS).tables(1).values())
