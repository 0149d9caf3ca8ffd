"""A model made of random numbers that writes through the real recorder: for tables, figures and ensembles."""

import datetime as dt
import hashlib
import os
import signal
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import pandas as pd

from abm.output.recorder import DayRecord, Recorder
from abm.world.economy import Public
from abm.world.instruments import (
    DURATION_YR,
    HOLDABLE,
    IDS,
    INDEX,
    IS_BOND,
    IS_FX,
    JGBS,
    N_CCY,
    N_MARKETS,
    USDJPY,
    log_price_of_level,
)
from abm.world.orders import REASON, REASONS

SECTORS = (
    "life_insurers", "pension_funds", "banks", "jgb_fast_money", "carry_traders", "crypto_longs", "bitcoin_holders",
    "real_money", "dealers", "arbitrageurs", "bank_of_japan", "ministry_of_finance", "government", "federal_reserve",
    "european_central_bank", "rest_of_world",
)  # fmt: skip
LEVELS = dict(
    JGB2=1.164, JGB10=2.163, JGB20=3.081, JGB30=3.462, JGB40=3.629, UST2=3.53, UST10=4.18, UST30=4.83, BUND10=2.8,
    OAT10=3.5, EGB30=3.6, GILT10=4.4, ACGB10=4.7, EMBOND=8.9, NIKKEI=53549.0, NASDAQ=23710.0, SPX=6960.0, BTC=95322.0,
    USDJPY=158.95, EURUSD=1.165, GBPUSD=1.345, AUDUSD=0.67, USDMXN=17.9,
)  # fmt: skip
REASONS_OF = {
    "life_insurers": ("repatriation", "hedging", "reinvestment"),
    "pension_funds": ("rebalancing",),
    "banks": ("valuation",),
    "jgb_fast_money": ("momentum", "stop_loss"),
    "carry_traders": ("carry", "carry_unwind", "margin_call"),
    "crypto_longs": ("momentum", "liquidation"),
    "bitcoin_holders": ("dip_buying",),
    "real_money": ("valuation", "fiscal_concern"),
    "dealers": ("market_making",),
    "bank_of_japan": ("asset_purchase",),
    "ministry_of_finance": ("intervention", "intervention_funding"),
    "government": ("issuance",),
    "rest_of_world": ("client_flows",),
}
SHOCK_LOG = {"JGB10": 6, "JGB20": 15, "JGB30": 20, "JGB40": 24, "UST10": 3, "UST30": 6, "BUND10": 3, "GILT10": 4}
POLICY_RATES = np.array([0.75, 3.625, 2.0, 3.75, 3.6, 7.0])


@dataclass(frozen=True)
class FakeScenario:
    """What an ensemble needs to know of a scenario, and ways to go wrong. shock: size of the fiscal shock."""

    name: str = "fake"
    title: str = "Random numbers with a fiscal shock"
    days: int = 60
    start: dt.date = dt.date(2026, 1, 13)
    shock: float = 1.0
    fail_seed: int = -1
    fail_day: int = -1
    build_error: bool = False
    interrupt_seed: int = -1  # on its second day this seed interrupts the process interrupt_pid
    interrupt_pid: int = 0
    die_seed: int = -1  # this seed ends its process on its second day

    def resolved(self) -> dict[str, Any]:
        return vars(self) | {"start": str(self.start)}

    @property
    def dates(self) -> tuple[dt.date, ...]:
        return tuple(pd.bdate_range(self.start, periods=self.days + 1).date)

    def shortened(self, days: int) -> Self:
        return replace(self, days=days)

    @property
    def hash(self) -> str:
        return hashlib.sha256(repr(self).encode()).hexdigest()


def opening_public() -> Public:
    zeros = np.zeros(N_CCY)
    return Public(
        policy_rate_pct=POLICY_RATES.copy(),
        terminal_rate_pct=POLICY_RATES + 0.5,
        near_term_pct=zeros,
        speed_per_yr=zeros + 0.4,
        meetings=MappingProxyType({}),
    )


class FakeModel:
    """Runs day by day like the real one: `run_for`, `recorder`, `sectors`, `timings`."""

    def __init__(self, scenario: FakeScenario, rng: int = 0) -> None:
        if scenario.build_error:
            raise ValueError("carry_traders.leverage_median: got -1, expected a number from 0.1 to 50")
        self.scenario = scenario
        self.seed = rng
        self.rng = np.random.default_rng(rng)
        self.time = 0
        self.recorder = Recorder(SECTORS, rng)
        self.timings = {"decide": 0.0, "clear": 0.0}
        self.sectors = {name: range(40) for name in SECTORS}
        self.log_price = log_price_of_level(np.array([LEVELS[i] for i in IDS]))
        self.public = opening_public()
        self.equity = np.linspace(50.0, 900.0, len(SECTORS))
        self.dates = scenario.dates
        self.carry, self.interest, self.stress = 62.0, 61.0, 0.1
        self._record(np.zeros(N_MARKETS), np.zeros(N_MARKETS), self._nothing(), self._nothing(), 0.0)

    def _nothing(self) -> np.ndarray:
        return np.zeros((len(SECTORS), len(REASONS), N_MARKETS))

    def run_for(self, days: int) -> None:
        for _ in range(days):
            self.step()

    def _pulse(self) -> float:
        """A sell-off from day 4 to 6 of which half comes back, in shares of the peak."""
        day = self.time
        return self.scenario.shock * {4: 0.45, 5: 0.4, 6: 0.15, 7: -0.2, 8: -0.15, 9: -0.1}.get(day, 0.0)

    def _move(self) -> np.ndarray:
        daily = np.where(IS_BOND, 0.00035 * DURATION_YR, np.where(IS_FX, 0.0045, 0.011))
        daily[INDEX["BTC"]] = 0.025
        common = self.rng.standard_normal()
        move = daily * (0.5 * common + 0.87 * self.rng.standard_normal(N_MARKETS)) * 0.7
        for name, bp in SHOCK_LOG.items():
            move[INDEX[name]] -= self._pulse() * bp / 1e4 * DURATION_YR[INDEX[name]] * self.rng.lognormal(0.0, 0.3)
        for name, pct in {"NIKKEI": -2.0, "NASDAQ": -2.5, "SPX": -2.0, "BTC": -9.0, "USDJPY": 0.8}.items():
            move[INDEX[name]] += self._pulse() * pct / 100.0
        return move

    def _split(self, move: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """News and parts of sectors that add up to the move exactly."""
        news, policy = 0.35 * move, 0.05 * move
        parts = self._nothing()
        pairs = [(s, r) for s, reasons in REASONS_OF.items() for r in reasons]
        lasting = np.random.default_rng(0).standard_t(2.0, (N_MARKETS, len(pairs)))
        weight = lasting / np.abs(lasting).sum(axis=1, keepdims=True)
        weight += self.rng.normal(0.0, 0.05, weight.shape)
        weight += (1.0 - weight.sum(axis=1, keepdims=True)) / len(pairs)
        for k, (sector, reason) in enumerate(pairs):
            parts[SECTORS.index(sector), REASON[reason]] = (move - news - policy) * weight[:, k]
        return news, policy, parts

    def _flows(self) -> np.ndarray:
        flows = self._nothing()
        for sector, reasons in REASONS_OF.items():
            for reason in reasons:
                markets = self.rng.choice(HOLDABLE, 5, replace=False)
                flows[SECTORS.index(sector), REASON[reason], markets] = self.rng.normal(0.0, 1.0, 5)
        flows[0, REASON["repatriation"], [INDEX["UST10"], INDEX["OAT10"]]] = -abs(self.rng.normal(0.2, 0.1, 2))
        flows[0, REASON["repatriation"], USDJPY] = -abs(self.rng.normal(0.1, 0.05))
        flows[SECTORS.index("dealers"), REASON["market_making"]] -= flows.sum(axis=(0, 1))
        return flows

    def step(self) -> None:
        self._misbehave()
        self.time += 1
        move = self._move()
        news, policy, parts = self._split(move)
        operation = self._authorities(move)
        self.log_price = self.log_price + news + policy + parts.sum(axis=(0, 1))
        self.equity = self.equity * (1.0 + 0.2 * move[0] + self.rng.normal(0, 0.003, len(SECTORS)))
        self.carry = max(5.0, self.carry * (1.0 - 0.2 * abs(self._pulse()) + self.rng.normal(0, 0.01)))
        self.interest = max(10.0, self.interest * (1.0 - 0.4 * abs(self._pulse()) + self.rng.normal(0, 0.02)))
        self.stress = 0.8 * self.stress + 2.0 * abs(self._pulse()) + abs(self.rng.normal(0, 0.05))
        self._record(news, policy, parts, self._flows(), operation)

    def _misbehave(self) -> None:
        plan = self.scenario
        if self.time == 1 and self.seed == plan.interrupt_seed:
            os.kill(plan.interrupt_pid, signal.SIGINT)
        if self.time == 1 and self.seed == plan.die_seed:
            os._exit(3)
        if self.seed == plan.fail_seed and self.time + 1 == plan.fail_day:
            raise FloatingPointError(f"ledger: JGB30 holdings off by 3.1e-4 on day {self.time + 1}")

    def _authorities(self, move: np.ndarray) -> float:
        """The ladder, a meeting and exceptional purchases, by coin."""
        day, date, public, operation = self.time, self.dates[self.time], self.public, 0.0
        note = self.recorder.note
        if day == 4:
            note(day, date, "fiscal_announcement", "scenario", "unfunded stimulus", {"amount_jpy_tn": 21.3})
            public = replace(public, unfunded_pct_gdp=3.3)
        ladder = min(4, public.ladder + int(self.rng.random() < 0.15))
        if public.ladder >= 4 and self.rng.random() < 0.15:
            ladder = 5
            note(day, date, "rate_check", "ministry_of_finance", "dealers were asked for quotes", {})
            move[USDJPY] -= 0.02
        if public.ladder == 5:
            ladder = 0
            if self.rng.random() < 0.5:
                ladder, operation = 6, float(self.rng.uniform(0.7, 5.5))
                note(day, date, "fx_intervention", "ministry_of_finance", "yen bought", {"amount_jpy_tn": operation})
                move[USDJPY] -= 0.003 * operation
        rate = public.policy_rate_pct
        if day == 46 and self.rng.random() < 0.4:
            rate = rate + 0.25 * np.eye(N_CCY)[0]
            note(day, date, "policy_rate", "bank_of_japan", "policy rate raised", {"bank": "BOJ", "change_bp": 25.0})
        bought = 0.5 * float(4 <= day <= 7 and self.rng.random() < 0.1)
        if bought:
            note(day, date, "asset_purchase", "bank_of_japan", "exceptional purchase", {"amount_jpy_tn": bought})
        self.public = replace(
            public,
            ladder=ladder,
            policy_rate_pct=rate,
            exceptional_purchases_jpy_tn=public.exceptional_purchases_jpy_tn + bought,
            intervention_risk=min(0.95, 0.12 * ladder),
            inflation_pct=public.inflation_pct + 0.002 + self.rng.normal(0, 0.002),
            interest_jpy_tn=public.interest_jpy_tn + 0.004,
            hike_risk=0.2,
        )
        return operation

    def _record(
        self, news: np.ndarray, policy: np.ndarray, parts: np.ndarray, flows: np.ndarray, operation: float
    ) -> None:
        n, pulse, day = len(SECTORS), abs(self._pulse()), self.time
        calls, forced, leverage = np.zeros(n), np.zeros(n), np.ones(n)
        for name, size in (("carry_traders", 3.0), ("crypto_longs", 2.0), ("jgb_fast_money", 1.0)):
            calls[SECTORS.index(name)] = size * pulse * self.rng.lognormal(0, 0.5)
            forced[SECTORS.index(name)] = 0.4 * calls[SECTORS.index(name)]
            leverage[SECTORS.index(name)] = 4.0
        depth = np.full(N_MARKETS, 900.0)
        depth[JGBS] = 400.0
        self.recorder.add(
            DayRecord(
                day=day,
                date=self.dates[day],
                log_price=self.log_price,
                depth=depth * np.exp(-0.35 * self.stress + self.rng.normal(0, 0.03, N_MARKETS)),
                public=self.public,
                margin_calls_usd_bn=calls,
                liquidations_usd_bn=forced,
                equity_usd_bn=self.equity,
                leverage=leverage,
                intervention_jpy_tn=operation,
                boj_purchases_jpy_tn=0.14 if day else 0.0,
                stress_index=self.stress,
                open_interest_usd_bn=self.interest,
                funding_pct=0.01,
                carry_gross_usd_bn=self.carry,
                flows_usd_bn=flows,
                attribution_log=parts,
                news_log=news,
                policy_news_log=policy,
                rounds=int(pulse > 0.3),
            )
        )


def build_fake(scenario: FakeScenario, seed: int) -> FakeModel:
    """What an ensemble calls in its workers."""
    return FakeModel(scenario, rng=seed)
