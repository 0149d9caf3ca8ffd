"""The market model: one day is news, decisions, schedules, auction, settlement, margin, interest, record."""

import copy
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import mesa
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from abm.agents import REGISTRY, Sector
from abm.output.recorder import DayRecord, Recorder
from abm.scenarios import Scenario
from abm.world import auction, economy, margin
from abm.world import events as ev
from abm.world.defaults import INSURANCE_FUND, settle_defaults
from abm.world.errors import MarketFailure
from abm.world.instruments import (
    BASE_CCY,
    BTC,
    FX,
    IDS,
    INCOME_PCT,
    INDEX,
    IS_BOND,
    IS_FX,
    JGBS,
    JPY,
    N_MARKETS,
    QUOTE_CCY,
    USDJPY,
    level_of_log_price,
    log_price_of_level,
    move_in_quoted_units,
    unit_value_usd,
    usd_per_currency,
)
from abm.world.ledger import Ledger
from abm.world.news import News
from abm.world.orders import REASON, REASONS, MatrixSchedule, add_up, join, no_orders, scale
from abm.world.record import changed
from abm.world.risk import RiskEstimate
from abm.world.streams import Streams
from abm.world.view import View

threadpool_limits(limits=1, user_api="blas")  # small matrices: faster, and the same bits on any number of cores

HISTORY_DAYS = 64
MARGIN_ROUNDS = 24
MIDDLE_YIELD_PCT, MOST_YIELD_PCT = 40.0, 60.0  # yields beyond -20 to 100 per cent mean nothing
MOST_LOG_CHANGE = 20.0  # since day 0; beyond, sums in several currencies round by more than the identities allow


class MarketModel(mesa.Model):
    """The simulated world on one path.

    scenario: what `load_scenario` returns. rng: the seed, an integer; the same scenario and seed give the same bits.
    After `run_for(days)`, `daily`, `flows`, `attribution` and `events` are tables of what happened and
    `sectors[name][i]` is an institution.
    """

    def __init__(self, scenario: Scenario, rng: int = 1) -> None:
        super().__init__(rng=rng)
        self.plan = scenario
        self.seed_number = int(rng)
        self.streams = Streams(rng)
        self.day = 0
        self.log_price = log_price_of_level(scenario.state.levels)
        self.log_price.setflags(write=False)
        self.opening_log_price = self.log_price
        calm = scenario.state.calm_covariance_log()
        self.calm_covariance = calm
        self.risk = RiskEstimate(calm)
        self.history = np.tile(self.log_price, (HISTORY_DAYS, 1))
        ladder = scenario.params["ministry_of_finance"].opening_ladder
        self.public = changed(scenario.state.open_public(), ladder=ladder)
        self._look_at_meetings()
        self.news = News(scenario.news, calm, self.streams)
        self.sectors: dict[str, Sector] = {
            name: REGISTRY[name](self, scenario.params[name], self.streams) for name in self.order()
        }
        self.recorder = Recorder(tuple(self.sectors), self.seed_number)
        self._open_books()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copied or unpickled model: books look into its own ledger again."""
        self.__dict__.update(state)
        for name, sector in self.sectors.items():
            sector.book = self.ledger.book(name)

    # -- the day ---------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """One trading day."""
        self._announce_news()
        self._receive_outside_income()
        self._quote_loans()
        self._trade()
        self._pay_income()
        self._close_the_day()
        self._record()

    def _announce_news(self) -> None:
        """Public news and dated events reach everybody; authorities speak; the quote is set."""
        if self.day == self.plan.days:
            raise ValueError(
                f"{self.plan.name} ends on day {self.day}; load it with more days, load_scenario(..., days=N)"
            )
        self.day += 1
        before = self.public
        self._pass_public_day()
        self.random_news = np.zeros(N_MARKETS)
        if self.on("news"):
            self.random_news += self.news.draw(self.day) + economy.expected_gain(self.public)
        for event in self.plan.events:
            if event.day == self.day:
                self._happen(event)
        nothing = np.zeros(N_MARKETS)
        screen = self._view(self.log_price, self.random_news, nothing)
        for sector in self.sectors.values():
            for event in sector.announce(screen):
                self._happen(event)
        self.policy_news = self.public.expected_log_price - before.expected_log_price
        self.policy_news += economy.read_abroad(before, self.public, self.calm_covariance)
        self.view = self._view(self.log_price, self.random_news, self.policy_news)

    def _receive_outside_income(self) -> None:
        """Premiums, benefits and fresh collateral move between households and sectors."""
        outside = self.ledger.rows["rest_of_world"].start
        for name, sector in self.sectors.items():
            income = sector.income(self.view)
            if income is not None:
                self.ledger.transfer_from(outside, self.ledger.rows[name], income)

    def _quote_loans(self) -> None:
        """Lenders that quote a spread tell their borrowers."""
        for sector in self.sectors.values():
            quoted = self.sectors[sector.lender].quoted_loan_spread_pct()
            if quoted is not None:
                sector.loan_spread_pct = quoted

    def _trade(self) -> None:
        """Decide, clear, settle, mark, margin."""
        self._clear_and_settle(*self._post_schedules(self.sectors))
        self._meet_margin_calls()

    def _post_schedules(self, sectors: Mapping[str, Sector]) -> tuple[np.ndarray, list[MatrixSchedule]]:
        """Every sector posts its demand schedule at the quote."""
        blocks, schedules = [], []
        for number, sector in enumerate(sectors.values()):
            block = sector.decide(self.view)
            block["sector"] = number
            blocks.append(block)
            schedule = sector.matrix_schedule(self.view)
            if schedule is not None:
                schedules.append(changed(schedule, sector=number))
        return join(blocks), schedules

    def _clear_and_settle(self, orders: np.ndarray, schedules: list[MatrixSchedule]) -> None:
        """The auction finds the day's prices; trades settle; contracts and overdrafts are squared."""
        self.orders, self.schedules = orders, schedules
        self.quote = self.view.log_price
        self.clearing = auction.clear(orders, schedules)
        self.rounds = 1
        self._settle(np.zeros(len(orders)), None)
        self._check_cleared()

    def _meet_margin_calls(self) -> None:
        """Called accounts sell, the auction runs again, until nobody is called; the broker sells out the rest."""
        self.margin_calls = np.zeros(len(self.sectors))
        if not self.on("margin_calls"):
            return
        for _ in range(MARGIN_ROUNDS):
            forced = self._forced_orders(broker=False)
            if not forced.size:
                break
            self._clear_again(forced)
        else:
            forced = self._forced_orders(broker=True)
            if forced.size:
                self._happened("margin_rounds_exhausted", "model", "Margin rounds exhausted, brokers sell out the rest")
                self._clear_again(forced)
        for sector in self.sectors.values():
            if sector.margin is not None:
                self._book_defaults(sector)

    def _pay_income(self) -> None:
        """Coupons, dividends, interest, carry of contracts; every payment has a payer and a payee."""
        yields = np.where(IS_BOND, level_of_log_price(self.log_price), 0.0)
        spread = np.array([sector.loan_spread_pct for sector in self.sectors.values()])
        carry = self._contract_carry_pct(yields)
        self.ledger.accrue(self.log_price, yields, self.public.policy_rate_pct, spread, carry)
        self.ledger.fund(self.lenders)
        self.ledger.check(self.day)

    def _close_the_day(self) -> None:
        """The close becomes history; risk estimates and beliefs are updated."""
        self.depth = self.clearing.depth
        self.risk.update(self.log_price - self.history[-1])
        close = changed(self.view, log_price=self.log_price, vol=self.risk.vol, covariance=self.risk.covariance)
        self.history = np.vstack([self.history[1:], self.log_price])
        for sector in self.sectors.values():
            sector.end_of_day(close)
            for words in sector.happenings():
                self._happened("note", sector.id, words)

    def _record(self) -> None:
        """Everything an observer may want to know of the day goes to the recorder."""
        attribution, net, gross, flows = self._sum_up_trades()
        ministry, central_bank = (list(self.sectors).index(s) for s in ("ministry_of_finance", "bank_of_japan"))
        usd_bn_per_tn = 1000.0 * float(usd_per_currency(self.quote)[JPY])
        self._add_record(
            attribution_log=attribution,
            flows_usd_bn=flows,
            liquidations_usd_bn=gross[:, REASON["liquidation"], ~IS_FX].sum(axis=1),
            intervention_jpy_tn=-float(net[ministry, REASON["intervention"], USDJPY]) / usd_bn_per_tn,
            boj_purchases_jpy_tn=float(net[central_bank, REASON["asset_purchase"], JGBS].sum()) / usd_bn_per_tn,
            rounds=self.rounds,
            status=str(self.clearing.status),
        )

    def _sum_up_trades(self) -> tuple[np.ndarray, ...]:
        """Parts of the day's move, net and gross purchases and flows, (sectors, reasons, markets) each."""
        attribution = auction.attribute(self.orders, self.schedules, self.clearing, len(self.sectors))
        net, gross, flows = add_up(self.orders, self.clearing.filled, len(self.sectors))
        for schedule, bought in zip(self.schedules, self.clearing.matrix_filled, strict=True):
            flows[schedule.sector, REASON["market_making"]] += bought
        return attribution, net, gross, flows

    # -- what an observer does and reads --------------------------------------------------------------------------

    def schedule(self, event: ev.Event) -> None:
        """Let an event happen on the next day, as if the scenario had said so: `plan` then has it, with its date.

        Raises InputError if the next day is beyond the scenario's or the event cannot be added (`with_event`).
        """
        self.plan = self.plan.with_event(event, self.day + 1)

    def order(self) -> Sequence[str]:
        """Sectors in the order in which they announce, post and are settled within the day."""
        return tuple(REGISTRY)

    def fork(self) -> "MarketModel":
        """A copy that goes on with the same random numbers; what is done to one leaves the other alone."""
        return self._copied()

    def _copied(self, *shared: Any) -> "MarketModel":
        """A copy that has what never changes, and some other objects, in common with this one.

        Books are not copied with the rest: `__setstate__` opens new ones in the copy's own ledger.
        """
        fixed = [self.plan, *self.plan.params.values(), *(sector.book for sector in self.sectors.values())]
        return copy.deepcopy(self, {id(one): one for one in (*fixed, *shared)})

    def screen(self) -> View:
        """The public screen at the last close."""
        nothing = np.zeros(N_MARKETS)
        return self._view(self.log_price, nothing, nothing)

    @property
    def date(self) -> dt.date:
        """Calendar date of the current day."""
        return self.plan.dates[self.day]

    @property
    def daily(self) -> pd.DataFrame:
        """One row per day, day 0 is the opening state; columns as in the run directory's daily.parquet."""
        return self.recorder.daily

    @property
    def flows(self) -> pd.DataFrame:
        """Net purchases by day, sector, market and reason, USD bn."""
        return self.recorder.flows

    @property
    def attribution(self) -> pd.DataFrame:
        """Each day's move of each market split by sector and reason, basis points or per cent."""
        return self.recorder.attribution

    @property
    def events(self) -> pd.DataFrame:
        """Scheduled and emergent events."""
        return self.recorder.events

    # -- how the verbs above do it -------------------------------------------------------------------------------

    def _open_books(self) -> None:
        state = self.plan.state
        rows = {name: s.n + s.house_rows for name, s in self.sectors.items()}
        self.ledger = Ledger(rows)
        self.depth = np.ones(N_MARKETS)
        screen = self.screen()
        nothing = np.zeros(N_MARKETS)
        openings = {
            name: s.opening(state.holdings_usd_bn.get(name, nothing), screen) for name, s in self.sectors.items()
        }
        self.lenders = {name: s.lender for name, s in self.sectors.items()}
        self.ledger.open(openings, state.outstanding_usd_bn, self.log_price, self.lenders)
        for name, sector in self.sectors.items():
            sector.book = self.ledger.book(name)
        self.ledger.fund(self.lenders)
        self.ledger.check(0)
        self.depth = self._depth_of_day_0(screen)
        screen = changed(screen, depth=self.depth)
        for sector in self.sectors.values():
            sector.start(screen)
        self.opening_depth = self.depth
        self._record_opening()

    def _depth_of_day_0(self, screen: View) -> np.ndarray:
        """Depth of the schedules a copy of the world would post on the opening screen, (markets,)."""
        ledger = self.ledger
        twin = self._copied(ledger.units, ledger.loans, ledger.contracts)  # nothing is traded in it
        joint = np.zeros((N_MARKETS, N_MARKETS))
        for sector in twin.sectors.values():
            if type(sector).matrix_schedule is not Sector.matrix_schedule:
                sector.start(screen)
                schedule = sector.matrix_schedule(screen)
                joint += 0.0 if schedule is None else schedule.matrix
        twin.view = changed(screen, depth=auction.depth(joint))
        for sector in twin.sectors.values():
            sector.start(twin.view)
        twin._receive_outside_income()
        twin._quote_loans()
        return auction.clear(*twin._post_schedules(twin.sectors)).depth

    def _record_opening(self) -> None:
        """Day 0: the opening state, before anybody traded."""
        self.margin_calls = np.zeros(len(self.sectors))
        self.random_news = self.policy_news = np.zeros(N_MARKETS)
        nothing = np.zeros((len(self.sectors), len(REASONS), N_MARKETS))
        self._add_record(
            attribution_log=nothing,
            flows_usd_bn=nothing,
            liquidations_usd_bn=np.zeros(len(self.sectors)),
            intervention_jpy_tn=0.0,
            boj_purchases_jpy_tn=0.0,
        )

    def _add_record(self, **of_the_day: Any) -> None:
        equity = np.array([s.equity_usd(self.log_price).sum() for s in self.sectors.values()])
        carry = self.sectors["carry_traders"]
        self.recorder.add(
            DayRecord(
                day=self.day,
                date=self.date,
                log_price=self.log_price,
                depth=self.depth,
                public=self.public,
                margin_calls_usd_bn=self.margin_calls,
                equity_usd_bn=equity,
                leverage=self._leverage(equity),
                stress_index=self._stress_index(equity),
                open_interest_usd_bn=self._gross_contracts("crypto_longs", BTC),
                funding_pct=float(self.sectors["crypto_longs"].funding_rate_pct_per_yr),
                carry_gross_usd_bn=float(carry.gross_usd_bn(self.log_price)),
                news_log=self.random_news,
                policy_news_log=self.policy_news,
                **of_the_day,
            )
        )

    def _view(self, close: np.ndarray, random_news: np.ndarray, policy_news: np.ndarray) -> View:
        """The public screen: yesterday's close plus today's public news."""
        news = random_news + policy_news
        quote = close + news
        quote.setflags(write=False)
        return View(
            day=self.day,
            date=self.date,
            log_price=quote,
            close=close,
            history=self.history,
            vol=self.risk.vol,
            calm_vol=self.risk.calm_vol,
            covariance=self.risk.covariance,
            depth=self.depth,
            news=news,
            policy_news=policy_news,
            opening=self.opening_log_price,
            public=self.public,
            streams=self.streams,
            switches=self.plan.switches,
            month_first=self.day > 0 and self.date.month != self.plan.dates[self.day - 1].month,
        )

    def on(self, rule: str) -> bool:
        """Whether the named behaviour rule is switched on."""
        return self.plan.switches[rule]

    def _pass_public_day(self) -> None:
        """The public state passes a day; meetings come closer; the market's view of the next meeting is updated."""
        change = self.log_price - self.history[-2]
        refunding_pct = economy.refunding_yield_pct(level_of_log_price(self.log_price)[JGBS])
        self.public = economy.next_day(self.public, 100.0 * float(change[USDJPY]), refunding_pct, self.on("signalling"))
        if self.on("expected_easing"):
            highest = self.history[-20:].max(axis=0)
            easing = economy.easing_expected_pct(self.log_price, highest, self.risk.calm_vol)
            self.public = changed(self.public, easing_pct=easing)
        self._look_at_meetings()

    def _look_at_meetings(self) -> None:
        """Trading days until every bank's next meeting, and the perceived chance of a rise at the Bank of Japan's."""
        meetings = {bank: self._days_until(dates) for bank, dates in self.plan.meetings.items()}
        yen_20d_pct = 100.0 * float(self.log_price[USDJPY] - self.history[-21, USDJPY])
        disorder_bp = float(move_in_quoted_units(self.log_price - self.history[-6])[INDEX["JGB30"]])
        risk = economy.perceived_hike_risk(self.public, yen_20d_pct, disorder_bp)
        self.public = changed(self.public, meetings=meetings, hike_risk=risk)

    def _days_until(self, dates: tuple[dt.date, ...]) -> int:
        """Trading days (weekdays) until the next of the dates, 0 today, 10,000 if none is known."""
        ahead = [d for d in dates if d >= self.date]
        return int(np.busday_count(self.date, min(ahead))) if ahead else 10_000

    def _happen(self, event: ev.Event) -> None:
        """An event, scheduled or emergent, reaches the public, the sector it is addressed to, and the log."""
        self.public = economy.hear(event, self.public)
        self.random_news = self.random_news + economy.earnings_news(event)
        if event.addressee is not None:
            self.sectors[event.addressee].receive(event)
        self.recorder.event(self.day, self.date, event)

    def _happened(self, kind: str, cause: str, text: str) -> None:
        """Something worth telling came about in the day."""
        self.recorder.note(self.day, self.date, kind, cause, text)

    def _settle(self, filled_before: np.ndarray, matrix_before: list[np.ndarray] | None) -> None:
        """Contracts are marked to the new price, then what was newly filled settles at it."""
        self.log_price = self._cleared_price()
        matrix = self.clearing.matrix_filled
        if matrix_before is not None:
            matrix = tuple(now - before for now, before in zip(matrix, matrix_before, strict=True))
        newly = self.clearing.filled - filled_before
        self.ledger.settle(self.orders, newly, self.schedules, matrix, self.quote, self.log_price, self.day)
        self.ledger.fund(self.lenders)

    def _cleared_price(self) -> np.ndarray:
        """Log prices of the last clearing; MarketFailure, before trades settle, if one of them has lost all meaning."""
        price = self.quote + self.clearing.log_change
        moved = np.abs(price - self.opening_log_price)
        with np.errstate(over="ignore"):  # such a price has lost its meaning too
            level = level_of_log_price(price)
        meant = (moved <= MOST_LOG_CHANGE) & (~IS_BOND | (np.abs(level - MIDDLE_YIELD_PCT) <= MOST_YIELD_PCT))
        if not meant.all():
            m = int(np.argmin(meant))
            times = f"exp({(price - self.opening_log_price)[m]:.3g}) times its opening price"
            raise MarketFailure(
                f"{IDS[m]} would clear only at {f'a yield of {level[m]:.4g} %, ' if IS_BOND[m] else ''}{times}: "
                "too few trade on price for the orders there are; dealers.capacity_scale, arbitrageurs.capacity_scale "
                "and switches.market_making decide how many do"
            )
        price.setflags(write=False)
        return price

    def _clear_again(self, forced: np.ndarray) -> None:
        """The day's schedules clear once more with the forced orders among them; increments settle."""
        before = np.concatenate([self.clearing.filled, np.zeros(len(forced))])
        matrix_before = self.clearing.matrix_filled
        self.orders = margin.add_forced(self.orders, self.clearing.filled, forced)
        self.clearing = auction.clear(self.orders, self.schedules, start=self.clearing.log_change)
        self.rounds += 1
        self._settle(before, list(matrix_before))
        self._check_cleared()

    def _check_cleared(self) -> None:
        """A clearing that did not converge is an event, never silent."""
        if self.clearing.status != auction.Status.CONVERGED:
            names = ", ".join(np.array(IDS)[self.clearing.rationed]) or "all markets"
            self._happened(
                "non_convergence",
                "auction",
                f"Auction {self.clearing.status} after {self.clearing.iterations} iterations in {names}, largest "
                f"imbalance {np.abs(self.clearing.residual_usd_bn).max():.3g} USD bn",
            )

    def _forced_orders(self, broker: bool) -> np.ndarray:
        """Orders of called accounts: what they choose to sell, or what the broker sells for them."""
        now = changed(self.view, log_price=self.log_price)
        to_quote = unit_value_usd(self.quote) / unit_value_usd(self.log_price)
        blocks = [no_orders()]
        for number, sector in enumerate(self.sectors.values()):
            if sector.margin is None:
                continue
            need = self._margin_need(sector, now)
            if not need.any():
                continue
            self.margin_calls[number] += 0.0 if broker else need.sum()
            block = no_orders() if broker else sector.raise_cash(now, need)
            if not block.size:  # who has nothing of its own to sell is closed by the broker
                block = margin.liquidation_orders(number, sector.book, need > 0.0, self.log_price, sector.home)
            block["sector"] = number
            block["quantity"] += block["slope"] * self.clearing.log_change[block["market"]]
            scale(block, to_quote[block["market"]])
            blocks.append(block)
        return join(blocks)

    def _book_defaults(self, sector: Sector) -> None:
        """Accounts below zero are wound up; who bears the loss is told."""
        fund = sector.n if sector.house_rows else None
        booked = settle_defaults(self.ledger, sector.id, sector.lender, self.log_price, insurance_member=fund)
        if booked.members.size:
            borne = ", ".join(f"{usd_bn:.2g} USD bn by {holder}" for holder, usd_bn in booked.loss_usd_bn.items())
            kind = "insurance_fund" if set(booked.loss_usd_bn) == {INSURANCE_FUND} else "default"
            self._happened(kind, sector.id, f"{booked.members.size} accounts fail; losses: {borne}")

    def _margin_need(self, sector: Sector, now: View) -> np.ndarray:
        """Margin each member of a sector must free, USD bn."""
        equity = sector.book.equity_usd(self.log_price)[: sector.n]
        return sector.maintenance_shortfall(now, sector.initial_margin(now), equity)

    def _contract_carry_pct(self, yields_pct: np.ndarray) -> np.ndarray:
        """What a long contract earns, per cent a year: forwards the rate differential plus the swap basis, bond
        futures yield less repo, equity futures dividends less repo, perpetuals minus the funding rate."""
        rate = self.public.policy_rate_pct
        carry = yields_pct + INCOME_PCT - rate[QUOTE_CCY]
        carry[FX] = rate[BASE_CCY[FX]] - rate[QUOTE_CCY[FX]]
        carry[USDJPY] += economy.SWAP_BASIS_PCT
        carry[BTC] = -self.sectors["crypto_longs"].funding_rate_pct_per_yr
        return carry

    def _leverage(self, equity_usd_bn: np.ndarray) -> np.ndarray:
        """Assets and contracts over equity, by sector; 0 where there is no equity."""
        gross = self.ledger.gross_usd_bn(self.log_price)
        return np.divide(gross, equity_usd_bn, out=np.zeros_like(gross), where=equity_usd_bn > 1e-9)

    def _gross_contracts(self, sector: str, market: int) -> float:
        held = np.abs(self.sectors[sector].book.contracts[:, market]).sum()
        return float(held * unit_value_usd(self.log_price)[market])

    def _stress_index(self, equity_usd_bn: np.ndarray) -> float:
        """Sum of three averages: log rise of volatility, log loss of depth, margin called over margined equity."""
        vol = np.maximum(np.log(self.risk.vol / self.risk.calm_vol), 0.0).mean()
        opening, now = np.maximum(self.opening_depth, 1e-12), np.maximum(self.depth, 1e-12)
        lost = np.maximum(np.log(opening / now), 0.0).mean()
        accounts = [s.margin is not None for s in self.sectors.values()]
        margined = np.maximum(equity_usd_bn[accounts], 0.0).sum()
        return float(vol + lost + self.margin_calls.sum() / max(margined, 1e-9))
