"""The auction: examples by hand, random problems against a slow solver, fills that balance, exact attribution."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from abm.world import auction
from abm.world.auction import Clearing, Status, attribute, clear
from abm.world.instruments import BTC, EUR, GBP, IDS, INDEX, IS_FX, JPY, N_MARKETS, USD, USDJPY
from abm.world.orders import REASON, REASONS, MatrixSchedule, join, no_orders, post
from tests.world.books import excess_demand

UST10, UST30, BUND10, JGB30, NIKKEI, EURUSD = (
    INDEX[i] for i in ("UST10", "UST30", "BUND10", "JGB30", "NIKKEI", "EURUSD")
)
TRADED = (UST10, BUND10, JGB30, USDJPY, EURUSD)
SECTORS = 5
FAST = settings(max_examples=40, deadline=None)


def book(*blocks: np.ndarray) -> np.ndarray:
    """The blocks as one array, each posted by a sector of its own."""
    orders = np.concatenate([no_orders(), *blocks])
    orders["sector"] = np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])
    return orders


def dealers(matrix: np.ndarray, *markets: int, intercept: float = 0.0, sector: int = 4) -> MatrixSchedule:
    """A joint schedule in the named markets; matrix of that size, the same intercept everywhere."""
    full, wanted = np.zeros((N_MARKETS, N_MARKETS)), np.zeros(N_MARKETS)
    full[np.ix_(markets, markets)] = matrix
    wanted[list(markets)] = intercept
    return MatrixSchedule(sector, {"market_making": wanted}, full, np.ones((1, N_MARKETS)))


def flows(orders: np.ndarray, clearing: Clearing) -> tuple[np.ndarray, np.ndarray]:
    """Net and gross fills per market, legs and joint schedules included, added up row by row."""
    net, gross = np.zeros(N_MARKETS), np.zeros(N_MARKETS)
    for row, bought in zip(orders, clearing.filled, strict=True):
        for market, weight in (
            (row["market"], 1.0),
            (row["fx1"], row["sign1"] * (1.0 - row["hedge"])),
            (row["fx2"], row["sign2"] * (1.0 - row["hedge"])),
        ):
            if market >= 0:
                net[market] += weight * bought
                gross[market] += abs(weight * bought)
    for bought in clearing.matrix_filled:
        net += bought
        gross += np.abs(bought)
    return net, gross


def weight_in(row: np.ndarray, m: int) -> float:
    """What one USD bn of an order buys of a market."""
    legs = sum(row[sign] for leg, sign in (("fx1", "sign1"), ("fx2", "sign2")) if row[leg] == m)
    return float(row["market"] == m) + float(legs) * (1.0 - row["hedge"])


def order_size(orders: np.ndarray, schedules: list[MatrixSchedule], x: np.ndarray) -> float:
    """USD bn wanted at the quote plus what the price change moves, all markets."""
    rows = np.clip(orders["quantity"], orders["lo"], orders["hi"])
    size = 3.0 * float(np.abs(rows).sum() + (orders["slope"] * np.abs(x[orders["market"]])).sum())
    return size + sum(float(np.abs(s.intercept).sum() + (np.abs(s.matrix) @ np.abs(x)).sum()) for s in schedules)


def assert_split(orders: np.ndarray, schedules: list[MatrixSchedule], result: Clearing) -> None:
    """The linear equations of the split hold at the prices found, and the parts add up to the move."""
    jacobian, push, _ = auction._linear_clearing(orders, schedules, result, SECTORS)
    size = order_size(orders, schedules, result.log_change)
    assert np.abs(push.sum(axis=0) - jacobian @ result.log_change).max() <= 1e-10 * size + 1e-12
    parts = attribute(orders, schedules, result, SECTORS)
    assert parts.shape == (SECTORS, len(REASONS), N_MARKETS)
    error = np.abs(parts.sum(axis=(0, 1)) - result.log_change).max()
    assert error <= 1e-12 * max(np.abs(result.log_change).max(), 1e-3)


def slow_clearing(orders: np.ndarray, schedules: list[MatrixSchedule]) -> np.ndarray:
    """Market after market by root bracketing, until all clear: log changes (markets,)."""
    x = np.zeros(N_MARKETS)

    def excess(y: float, m: int) -> float:
        x[m] = y
        return float(excess_demand(orders, schedules, x)[m])

    for _ in range(400):
        for m in TRADED:
            x[m] = brentq(excess, -1e3, 1e3, args=(m,), xtol=1e-15, rtol=1e-14)
        if np.abs(excess_demand(orders, schedules, x)[list(TRADED)]).max() < 1e-9:
            return x
    raise AssertionError("the slow solver did not settle")


@st.composite
def blocks(draw: st.DrawFn) -> np.ndarray:
    """One row in a traded market: round or arbitrary numbers, binding limits, no slope, legs, hedges."""
    round_number = st.sampled_from([-3.0, -1.0, 0.0, 1.0, 2.0])
    size = st.integers(0, 3000).map(lambda v: v / 1009.0)
    market = draw(st.sampled_from(TRADED))
    funding = None if IS_FX[market] else draw(st.sampled_from([None, JPY, EUR, USD, GBP]))
    return post(
        market,
        np.array([draw(round_number | st.integers(-5000, 5000).map(lambda v: v / 997.0))]),
        draw(st.sampled_from(["valuation", "repatriation", "carry"])),
        slope=draw(st.sampled_from([0.0, 0.0, 1.0, 10.0]) | st.floats(0.01, 300.0)),
        lo=draw(st.just(-np.inf) | size.map(lambda v: -v)),
        hi=draw(st.just(np.inf) | size),
        funding=funding,
        hedge=draw(st.sampled_from([0.0, 1.0]) | st.floats(0.0, 1.0)),
    )


@st.composite
def joint_schedules(draw: st.DrawFn, coupling: tuple[float, ...] = (1.0, 10.0)) -> list[MatrixSchedule]:
    """Up to two joint schedules over the traded markets, positive definite, more or less collinear."""
    out = []
    for sector in range(3, 3 + draw(st.integers(0, 2))):
        rng = np.random.default_rng(draw(st.integers(0, 2**32)))
        factor = rng.normal(size=(len(TRADED), 2)) * draw(st.sampled_from(coupling))
        schedule = dealers(factor @ factor.T + 5.0 * np.eye(len(TRADED)), *TRADED, sector=sector)
        wishes = {r: np.zeros(N_MARKETS) for r in ("market_making", "valuation")}
        for wish in wishes.values():
            wish[list(TRADED)] = rng.normal(size=len(TRADED))
        out.append(replace(schedule, intercepts=wishes))
    return out


order_books = st.lists(blocks(), max_size=20).map(lambda rows: book(*rows))
problems = st.tuples(order_books, joint_schedules())


def with_sectors(orders: np.ndarray) -> np.ndarray:
    """The same orders spread over the first sectors."""
    orders = orders.copy()
    orders["sector"] %= SECTORS
    return orders


def with_firm_slopes(orders: np.ndarray) -> np.ndarray:
    """With unlimited elastic orders in every traded market, steep enough in the exchange rates for one solution."""
    legs = orders["slope"][orders["fx1"] >= 0].sum()
    extra = [post(m, 0.3, "valuation", slope=5.0 + (legs if IS_FX[m] else 0.0)) for m in TRADED]
    extra += [post(INDEX["GBPUSD"], 0.1, "valuation", slope=5.0 + legs)]
    return np.concatenate([orders, book(*extra)])


# -- by hand -------------------------------------------------------------------------------------------------------


def test_sale_moves_the_price_by_size_over_slope() -> None:
    orders = book(post(UST10, -10.0, "repatriation"), post(UST10, 0.0, "valuation", slope=200.0))
    result = clear(orders, [])
    assert result.log_change[UST10] == pytest.approx(-0.05)
    assert result.filled == pytest.approx([-10.0, 10.0])
    assert result.jacobian[UST10, UST10] == pytest.approx(200.0)
    assert result.status == Status.CONVERGED and not result.rationed.any()
    assert not np.delete(result.log_change, UST10).any()
    assert clear(orders, [], start=result.log_change).iterations == 0 < result.iterations


def test_unhedged_sale_moves_the_exchange_rate_and_hedged_sale_does_not() -> None:
    makers = [post(UST10, 0.0, "valuation", slope=100.0), post(USDJPY, 0.0, "valuation", slope=50.0)]
    unhedged = clear(book(post(UST10, -2.0, "repatriation", funding=JPY), *makers), [])
    half = clear(book(post(UST10, -2.0, "repatriation", funding=JPY, hedge=0.5), *makers), [])
    hedged = clear(book(post(UST10, -2.0, "repatriation", funding=JPY, hedge=1.0), *makers), [])
    assert [r.log_change[UST10] for r in (unhedged, half, hedged)] == pytest.approx([-0.02] * 3)
    assert [r.log_change[USDJPY] for r in (unhedged, half, hedged)] == pytest.approx([-0.04, -0.02, 0.0])


def test_euro_purchase_from_yen_crosses_two_exchange_rates() -> None:
    makers = [post(m, 0.0, "valuation", slope=100.0) for m in (BUND10, USDJPY, EURUSD)]
    result = clear(book(post(BUND10, 1.0, "carry", funding=JPY), *makers), [])
    assert result.log_change[[BUND10, USDJPY, EURUSD]] == pytest.approx([0.01, 0.01, 0.01])


def test_elastic_unhedged_buyer_trades_less_currency_at_a_higher_price() -> None:
    buyer = post(UST10, 3.0, "carry", slope=100.0, funding=JPY)
    makers = [post(UST10, 0.0, "valuation", slope=200.0), post(USDJPY, 0.0, "valuation", slope=50.0)]
    result = clear(book(buyer, *makers), [])
    assert result.filled == pytest.approx([2.0, -2.0, -2.0])
    assert result.log_change[[UST10, USDJPY]] == pytest.approx([0.01, 0.04])


def test_joint_schedule_carries_a_sale_to_other_markets() -> None:
    matrix = 100.0 * np.linalg.inv(np.array([[1.0, 0.5], [0.5, 1.0]]))
    result = clear(book(post(JGB30, -1.0, "lapse")), [dealers(matrix, JGB30, UST30)])
    assert result.log_change[[JGB30, UST30]] == pytest.approx([-0.01, -0.005])
    assert result.matrix_filled[0][[JGB30, UST30]] == pytest.approx([1.0, 0.0], abs=1e-12)


def test_binding_limits_take_their_slope_out() -> None:
    limited = post(UST10, 0.0, "valuation", slope=900.0, hi=4.0)
    result = clear(book(post(UST10, -10.0, "lapse"), limited, post(UST10, 0.0, "valuation", slope=100.0)), [])
    assert result.log_change[UST10] == pytest.approx(-0.06)
    assert result.filled == pytest.approx([-10.0, 4.0, 6.0])
    assert result.jacobian[UST10, UST10] == pytest.approx(100.0)


def test_price_falls_to_where_the_dip_buyers_wait() -> None:
    dip_buyer = post(UST10, -30.0, "dip_buying", slope=100.0, lo=0.0)
    result = clear(book(post(UST10, -5.0, "liquidation"), dip_buyer), [])
    assert result.log_change[UST10] == pytest.approx(-0.35)
    assert result.status == Status.CONVERGED


def test_nothing_posted_nothing_moves() -> None:
    result = clear(no_orders(), [])
    assert result.status == Status.CONVERGED and result.iterations == 0
    assert not result.log_change.any() and not result.jacobian.any() and not result.depth.any()
    assert result.filled.shape == (0,) and result.matrix_filled == ()
    assert not attribute(no_orders(), [], result, SECTORS).any()


def test_market_nobody_wants_keeps_its_quote_whatever_the_start() -> None:
    orders = book(post(UST10, -1.0, "lapse"), post(UST10, 0.0, "valuation", slope=10.0))
    result = clear(orders, [], start=np.full(N_MARKETS, 0.3))
    assert result.log_change[UST10] == pytest.approx(-0.1)
    assert not np.delete(result.log_change, UST10).any()
    assert not result.rationed.any()


def test_balanced_orders_without_slope_are_filled_at_the_quote() -> None:
    result = clear(book(post(UST10, -1.0, "lapse"), post(UST10, 1.0, "issuance")), [], start=np.ones(N_MARKETS))
    assert result.status == Status.CONVERGED
    assert result.log_change[UST10] == 0.0
    assert result.filled == pytest.approx([-1.0, 1.0])


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_flat_stretch_ends_nearest_to_the_quote(side: float) -> None:
    """Sellers of 5 meet buyers who reach 5 at -0.1; nobody buys more until -1.2, with and without sellers from 0.5."""
    limit = {"lo": -5.0} if side > 0.0 else {"hi": 5.0}
    late = post(UST10, 1.2 * side, "dip_buying", slope=1.0, **{"lo": 0.0, "hi": 0.0, **limit})
    other = post(UST10, -0.5 * side, "dip_buying", slope=1.0, lo=min(side, 0.0), hi=max(side, 0.0))
    both = (post(UST10, 5.0 * side, "lapse"), post(UST10, 0.0, "valuation", slope=50.0, **limit), late)
    for orders in (book(*both), book(*both, other)):
        for start in (None, np.full(N_MARKETS, 0.7 * side), np.full(N_MARKETS, 1.3 * side)):
            assert clear(orders, [], start=start).log_change[UST10] == pytest.approx(0.1 * side)


def test_exchange_rate_nobody_reacts_to_keeps_its_quote_though_legs_react_to_bonds() -> None:
    orders = book(post(UST10, -2.0, "lapse", funding=JPY), post(UST10, 0.0, "valuation", slope=100.0, funding=JPY))
    start = np.full(N_MARKETS, 0.7)
    assert auction._Demand(orders, []).newton(start) is None, "legs do not balance and nobody reacts to it"
    assert clear(orders, [], start=start).log_change[[UST10, USDJPY]] == pytest.approx([-0.02, 0.0], abs=1e-15)


def test_who_is_just_at_a_limit_does_not_react() -> None:
    buyers = post(UST10, np.zeros((2, 1)), "valuation", slope=np.array([9.0, 90.0]), lo=[0.0, -1.0], hi=[1.0, 0.0])
    for rows in (buyers, buyers[:1], buyers[1:]):
        rows["sector"] = 0
        assert clear(rows, []).jacobian[UST10, UST10] == 0.0
        assert not auction._linear_clearing(rows, [], clear(rows, []), SECTORS)[0].any()


def test_who_is_just_at_a_limit_stays_or_leaves_it_at_once() -> None:
    step = np.eye(N_MARKETS)[UST10]
    for lo, hi, stays in ((0.0, 1.0, 1.0), (-1.0, 0.0, -1.0)):
        demand = auction._Demand(post(UST10, 0.0, "valuation", slope=9.0, lo=lo, hi=hi), [])
        assert demand.next_kink(np.zeros(N_MARKETS), stays * step) == np.inf
        assert 0.0 < demand.next_kink(np.zeros(N_MARKETS), -stays * step) < 1e-8


@pytest.mark.parametrize(("x", "step"), [(0.0, 1.0), (0.0, -1e-6), (2.0, 1e-9), (-900.0, -1e-6), (999.0, 50.0)])
def test_a_walk_goes_just_beyond_the_kink(x: float, step: float) -> None:
    """By a billionth of the step, and by at least a few of the last digits that a price of this size has."""
    price, limit = np.eye(N_MARKETS)[UST10], {"hi" if step > 0.0 else "lo": 0.0}
    share = auction._Demand(post(UST10, x, "valuation", slope=1.0, **limit), []).next_kink(x * price, step * price)
    assert share * abs(step) == pytest.approx(1e-9 * abs(step) + 1e-15 * (1.0 + abs(x)), rel=1e-9, abs=0.0)


def test_a_walk_ends_after_as_many_kinks_as_all_rows_have(monkeypatch: pytest.MonkeyPatch) -> None:
    demand, kinks = auction._Demand(post(UST10, np.ones(3), "valuation", slope=1.0), []), list[str]()
    monkeypatch.setattr(demand, "next_kink", noting(lambda *_: 0.1, kinks))
    auction._walk(demand, demand.at(np.zeros(N_MARKETS)), np.zeros(N_MARKETS, dtype=bool))
    assert len(kinks) == 7


def test_what_a_limit_cuts_off_counts_a_ten_thousandth_for_the_tolerance() -> None:
    point = auction._Demand(post(UST10, 1e6, "carry", hi=1.0), []).at(np.zeros(N_MARKETS))
    assert point.tolerance[UST10] == pytest.approx(1e-11 * 101.0)


def test_a_newton_step_is_halved_four_times_before_it_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    demand, tried = auction._Demand(post(UST10, 16.0, "valuation", slope=1.0), []), list[float]()
    here = demand.at(np.zeros(N_MARKETS))
    monkeypatch.setattr(demand, "at", lambda x: tried.append(x[UST10]) or here)
    assert auction._newton_step(demand, here, np.zeros(N_MARKETS, dtype=bool)) is None
    assert tried == [16.0, 8.0, 4.0, 2.0, 1.0]


@pytest.mark.parametrize(("gap", "end"), [(0.5e-9, 0.0), (2e-9, 1.0)])
@pytest.mark.parametrize("kink", [-0.1, -500.0])
def test_what_happens_within_a_billionth_of_the_price_is_rounding(kink: float, gap: float, end: float) -> None:
    """Someone buys 1 in all within the gap above the kink, where demand is flat on both sides."""
    gap *= max(1.0, -kink)
    demand = auction._Demand(post(UST10, (kink + gap) / gap, "dip_buying", slope=1.0 / gap, lo=0.0, hi=1.0), [])
    far = demand.kinks(UST10)[0]
    assert far == pytest.approx(kink)
    assert demand.flat_end(UST10, far) == end * far


@pytest.mark.parametrize("start", [-3.0, 3.0])
def test_a_market_cleared_alone_by_many_prices_keeps_its_quote_if_that_is_one_of_them(start: float) -> None:
    """Orders balance from -0.125 to 0.25, with buyers of one more below and sellers of one more above."""
    orders = book(
        post(UST10, np.array([-5.0, 5.0]), "lapse"),
        post(UST10, -1.0, "dip_buying", slope=8.0, lo=0.0, hi=1.0),
        post(UST10, 2.0, "profit_taking", slope=8.0, lo=-1.0, hi=0.0),
    )
    demand = auction._Demand(orders, [])
    assert auction._clear_alone(demand, demand.at(np.full(N_MARKETS, start)), UST10) == (0.0, True)


@pytest.mark.parametrize("unit", [1.0, 1e-13])
def test_slopes_are_dependent_where_a_solution_is_ten_billion_times_the_excess(unit: float) -> None:
    """Two pairs of markets whose prices can hardly be told apart: 15 billion times, solved by the least change, and
    2.5 billion times, solved as they are; whatever the unit and in whichever order."""
    for order in (np.arange(4), np.array([2, 3, 0, 1])):
        jacobian = np.eye(4)
        jacobian[0, 1] = jacobian[1, 0] = 1.0 - 1.0 / 15e9
        jacobian[2, 3] = jacobian[3, 2] = 1.0 - 4e-10
        right = unit * np.array([1.0, -1.0, 1.0, -1.0])[:, None]
        jacobian, right = jacobian[np.ix_(order, order)], right[order]
        solution = auction._solve(unit * jacobian, right)[np.argsort(order), 0]
        assert solution == pytest.approx([0.0, 0.0, 2.5e9, -2.5e9], rel=1e-5, abs=1.0)


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_who_is_rationed_may_still_trade_less_or_turn_round(side: float) -> None:
    demand, price = auction._Demand(post(UST10, 0.5 * side, "valuation", slope=10.0), []), np.eye(N_MARKETS)[UST10]
    demand.limit(np.ones(1, dtype=bool), demand.fills(0.0 * price), 0.5)
    filled = [side * float(demand.fills(side * y * price)[0]) for y in (-1.0, 0.0, 0.04, 0.1)]
    assert filled == pytest.approx([0.25, 0.25, 0.1, -0.5])


@pytest.mark.parametrize(("stuck", "expected"), [([], [-0.2, -0.2]), ([UST10], [-0.2, -0.5])])
def test_a_walk_ends_where_a_market_runs_out_of_who_reacts_unless_it_is_known_to(
    stuck: list[int], expected: list[float]
) -> None:
    """Imbalances shrink in proportion: the first market's buyers are at their limit at two fifths of the way."""
    first = [post(UST10, -0.5, "lapse"), post(UST10, 0.0, "valuation", slope=1.0, hi=0.2)]
    demand = auction._Demand(book(*first, post(UST30, -0.25, "lapse"), post(UST30, 0.0, "valuation", slope=0.5)), [])
    start, known = demand.at(np.zeros(N_MARKETS)), np.isin(np.arange(N_MARKETS), stuck)
    assert auction._walk(demand, start, known).x[[UST10, UST30]] == pytest.approx(expected)


def test_equal_slopes_in_two_markets_clear_jointly(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = np.array([[10.0, 10.0], [10.0, 30.0]])
    orders, schedules = book(post(JGB30, -1.0, "lapse")), [dealers(matrix, JGB30, UST30)]
    for limit, solved in ((100, True), (1, True), (0, False)):
        monkeypatch.setattr(auction, "MAX_ITERATIONS", limit)
        assert (auction._Demand(orders, schedules).newton(np.zeros(N_MARKETS)) is not None) == solved
    monkeypatch.undo()
    result = clear(orders, schedules)
    assert result.log_change[[JGB30, UST30]] == pytest.approx([-0.15, 0.05])
    assert result.iterations == 1


def test_a_newton_step_may_be_as_small_as_what_is_left_to_match() -> None:
    """Twice the tolerance of 2e-11 is unmatched; what counts as none afterwards is none."""
    orders = book(post(UST10, -1.0, "lapse"), post(UST10, 0.0, "valuation", slope=10.0))
    start = np.where(np.arange(N_MARKETS) == UST10, -0.1 + 4e-12, 0.0)
    solution = auction._Demand(orders, []).newton(start)
    assert solution is not None and solution[1] == 1


@pytest.mark.parametrize("side", [-1.0, 1.0])
@pytest.mark.parametrize("slope", range(2, 60))
def test_price_at_a_rounded_kink_stays_there(slope: int, side: float) -> None:
    """Demand of 4 is reached exactly at the second buyer's limit, -1/slope; the first one's is nearer to the quote.
    The same with sellers."""
    limit = {"hi": 2.0} if side > 0.0 else {"lo": -2.0}
    others = post(UST10, np.full((2, 1), side), "valuation", slope=np.array([1000.0, slope]), **limit)
    result = clear(book(post(UST10, -4.0 * side, "lapse"), others), [])
    assert result.log_change[UST10] == pytest.approx(-side / slope)
    assert result.filled == pytest.approx([-4.0 * side, 2.0 * side, 2.0 * side])


# -- rationing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [-4.0, 4.0])
def test_orders_without_counterpart_are_not_filled(wanted: float) -> None:
    result = clear(book(post(JGB30, wanted, "lapse")), [])
    assert result.status == Status.RATIONED
    assert list(np.flatnonzero(result.rationed)) == [JGB30]
    assert result.log_change[JGB30] == 0.0 and result.filled == pytest.approx([0.0])
    assert result.residual_usd_bn[JGB30] == pytest.approx(wanted)


def test_long_side_is_cut_pro_rata_where_the_last_slope_ended() -> None:
    sales = post(UST10, np.array([-6.0, -2.0]), "repatriation", funding=JPY)
    buyer = post(UST10, 0.0, "valuation", slope=100.0, hi=2.0)
    other = [post(UST30, -1.0, "lapse"), post(UST30, 0.0, "valuation", slope=10.0)]
    result = clear(book(sales, buyer, post(USDJPY, 0.0, "valuation", slope=50.0), *other), [])
    assert result.status == Status.RATIONED
    assert list(np.flatnonzero(result.rationed)) == [UST10]
    assert result.filled[:3] == pytest.approx([-1.5, -0.5, 2.0])
    assert result.log_change[UST10] == pytest.approx(-0.02)
    assert result.log_change[USDJPY] == pytest.approx(-2.0 / 50.0), "legs follow the fills, not the wishes"
    assert result.log_change[UST30] == pytest.approx(-0.1)
    assert result.residual_usd_bn == pytest.approx(np.where(np.arange(N_MARKETS) == UST10, -6.0, 0.0), abs=1e-9)
    assert result.jacobian[UST10, UST10] == 0.0


def test_outright_currency_orders_are_cut_before_legs() -> None:
    orders = book(
        post(UST10, -2.0, "repatriation", funding=JPY, hedge=0.5),
        post(UST10, 0.0, "valuation", slope=100.0),
        post(USDJPY, np.array([-1.0, -3.0]), "client_flows"),
        post(USDJPY, 4.0, "hedging"),
    )
    result = clear(orders, [])
    assert result.filled == pytest.approx([-2.0, 2.0, -0.75, -2.25, 4.0])
    assert list(np.flatnonzero(result.rationed)) == [USDJPY]


def test_exchange_rate_is_rationed_only_for_legs_that_are_filled() -> None:
    """The bond sale asks for 6 of yen, but only 2 of it find a buyer, and these fit what is offered."""
    orders = book(
        post(UST10, -6.0, "repatriation", funding=JPY),
        post(UST10, 0.0, "valuation", slope=100.0, hi=2.0),
        post(USDJPY, np.array([3.0, -1.0]), "client_flows"),
    )
    result = clear(orders, [])
    assert list(np.flatnonzero(result.rationed)) == [UST10]
    assert result.filled == pytest.approx([-2.0, 2.0, 3.0, -1.0])


def test_leg_without_counterpart_cuts_its_trade_and_the_bond_clears_again() -> None:
    orders = book(
        post(UST10, -3.0, "repatriation", funding=JPY),
        post(UST10, 0.0, "valuation", slope=100.0),
        post(USDJPY, 1.0, "hedging"),
    )
    result = clear(orders, [])
    assert result.filled == pytest.approx([-1.0, 1.0, 1.0])
    assert result.log_change[UST10] == pytest.approx(-0.01)


def test_bond_clears_again_when_a_currency_leg_finds_nobody() -> None:
    """Buyers end at -4; then the seller whose leg finds nobody drops out, and half a billion clears at -3.5."""
    orders = book(
        post(UST10, -3.0, "lapse"),
        post(UST10, -3.0, "repatriation", funding=JPY),
        post(UST10, -3.0, "dip_buying", slope=1.0, lo=0.0, hi=1.0),
    )
    result = clear(orders, [])
    assert result.filled == pytest.approx([-0.5, 0.0, 0.5])
    assert result.log_change[UST10] == pytest.approx(-3.5)


def test_what_cuts_cannot_match_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    orders = book(
        post(UST10, -3.0, "repatriation", funding=JPY),
        post(UST10, 2.0, "issuance"),
        post(USDJPY, 1.0, "hedging"),
        post(UST30, -1.0, "lapse"),
        post(UST30, 1.0, "issuance"),
    )
    monkeypatch.setattr(auction, "MAX_ROUNDS", 1)
    monkeypatch.setattr(auction, "MAX_CUTS", 0)
    result = clear(orders, [dealers(np.zeros((1, 1)), UST10, intercept=0.5)])
    assert result.status == Status.RATIONED
    assert result.filled == pytest.approx([0.0, 0.0, 0.0, -1.0, 1.0])
    assert not result.matrix_filled[0].any()


@pytest.mark.parametrize(("cuts", "filled"), [(0, [0.0, 0.0]), (1, [-2.0, 2.0])])
def test_trades_are_cut_so_often_before_they_are_cancelled(
    monkeypatch: pytest.MonkeyPatch, cuts: int, filled: list[float]
) -> None:
    monkeypatch.setattr(auction, "MAX_CUTS", cuts)
    demand, rationed = auction._Demand(book(post(UST10, np.array([-3.0, 2.0]), "lapse")), []), np.zeros(N_MARKETS)
    auction._cut_until_balanced(demand, np.zeros(N_MARKETS), rationed)
    assert demand.fills(np.zeros(N_MARKETS)) == pytest.approx(filled)
    assert list(np.flatnonzero(rationed)) == [UST10]


def test_joint_schedule_is_cut_like_any_other_order() -> None:
    zero = dealers(np.zeros((1, 1)), UST10, intercept=-6.0)
    result = clear(book(post(UST10, -2.0, "lapse"), post(UST10, 4.0, "issuance")), [zero])
    assert result.filled == pytest.approx([-1.0, 4.0])
    assert result.matrix_filled[0][UST10] == pytest.approx(-3.0)


def test_inconsistent_singular_schedule_stays_finite_and_balanced() -> None:
    """A schedule that prices only six combinations of all markets cannot price an order in one of them."""
    factor = np.random.default_rng(1).normal(size=(N_MARKETS, 6))
    schedules = [dealers(50.0 * factor @ factor.T, *range(N_MARKETS))]
    orders = book(post(UST10, 1.0, "carry"))
    result = clear(orders, schedules)
    assert result.status == Status.ITERATION_LIMIT
    assert np.abs(result.log_change).max() < 1.0
    assert flows(orders, result)[0] == pytest.approx(np.zeros(N_MARKETS), abs=1e-9)


def test_combination_nobody_prices_does_not_move() -> None:
    """Only one combination of three markets is priced: from any start, what is not traded stays put."""
    three, combination = np.array([UST10, UST30, BUND10]), np.array([0.1, 0.7, 0.3])
    schedules = [dealers(7.0 * np.outer(combination, combination), *three)]
    unpriced = np.zeros(N_MARKETS)
    unpriced[three] = 0.7, -0.1, 0.0
    assert not clear(no_orders(), schedules, start=unpriced).log_change.any()
    orders = book(post(three, combination[None], "carry"))
    for start in (None, unpriced):
        result = clear(orders, schedules, start=start)
        assert result.status == Status.CONVERGED
        assert combination @ result.log_change[three] == pytest.approx(1.0 / 7.0)
        assert_split(orders, schedules, result)


@pytest.mark.parametrize("limit", [0, 1])
def test_iteration_limit_is_reported_and_fills_still_balance(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    orders = book(
        post(UST10, -10.0, "repatriation", funding=JPY),
        post(UST10, 0.0, "valuation", slope=900.0, hi=4.0),
        post(UST10, 0.0, "valuation", slope=100.0),
        post(USDJPY, 0.0, "valuation", slope=70.0, hi=6.0),
        post(USDJPY, 0.0, "valuation", slope=10.0),
    )
    monkeypatch.setattr(auction, "MAX_ITERATIONS", limit)
    searches = list[str]()
    monkeypatch.setattr(auction, "_cross_flat_stretches", noting(auction._cross_flat_stretches, searches))
    schedules = [dealers(np.array([[30.0, 10.0], [10.0, 20.0]]), UST10, UST30, intercept=-3.0)]
    result = clear(orders, schedules)
    assert len(searches) == limit + 1
    unmatched, at_quote = (excess_demand(orders, schedules, x) for x in (result.log_change, np.zeros(N_MARKETS)))
    assert result.status == Status.ITERATION_LIMIT and result.iterations == limit
    assert result.residual_usd_bn == pytest.approx(unmatched)
    assert np.abs(unmatched).max() > 1e-3
    assert (np.abs(unmatched).sum() < np.abs(at_quote).sum()) == (limit > 0), "the best prices seen are kept"
    net, gross = flows(orders, result)
    assert (np.abs(net) <= 1e-9 * gross + 1e-12).all()
    assert_split(orders, schedules, result)
    push = auction._linear_clearing(orders, schedules, result, SECTORS)[1].reshape(SECTORS, len(REASONS), N_MARKETS)
    by_schedule = result.matrix_filled[0] + schedules[0].matrix @ result.log_change
    assert push[4, REASON["market_making"]] == pytest.approx(by_schedule), "what was cut of it is the schedule's own"


# -- random problems -----------------------------------------------------------------------------------------------


@FAST
@given(problems, st.integers(0, 2**32))
def test_kernel_agrees_with_the_plain_equation(problem: tuple, seed: int) -> None:
    orders, schedules = problem
    x = np.random.default_rng(seed).normal(0.0, 0.1, N_MARKETS)
    point = auction._Demand(orders, schedules).at(x)
    assert point.excess == pytest.approx(excess_demand(orders, schedules, x), abs=1e-11)
    beyond_limits = float((np.abs(orders["quantity"]) + orders["slope"] * np.abs(x[orders["market"]])).sum())
    most = 1e-11 * (order_size(orders, schedules, x) + 3e-4 * beyond_limits)
    assert ((point.tolerance >= 0.0) & (point.tolerance <= most)).all()
    mirrored = orders.copy()
    for column, opposite in (("quantity", "quantity"), ("lo", "hi"), ("hi", "lo")):
        mirrored[column] = -orders[opposite]
    others = [replace(s, intercepts={reason: -wish for reason, wish in s.intercepts.items()}) for s in schedules]
    np.testing.assert_array_equal(auction._Demand(mirrored, others).at(-x).tolerance, point.tolerance)
    for m in TRADED:
        h = np.eye(N_MARKETS)[m] * 1e-9
        higher, lower = (auction._Demand(orders, schedules).at(x + side * h) for side in (1.0, -1.0))
        if np.array_equal(higher.jacobian, lower.jacobian):
            secant = (excess_demand(orders, schedules, x - h) - excess_demand(orders, schedules, x + h)) / 2e-9
            assert point.jacobian[:, m] == pytest.approx(secant, rel=1e-4, abs=1e-3)


@settings(max_examples=20, deadline=None)
@given(st.tuples(order_books, joint_schedules(coupling=(1.0,))))
def test_prices_agree_with_a_slow_solver(problem: tuple) -> None:
    orders, schedules = with_firm_slopes(problem[0]), problem[1]
    result = clear(orders, schedules)
    assert result.status == Status.CONVERGED and not result.rationed.any()
    assert result.log_change[list(TRADED)] == pytest.approx(slow_clearing(orders, schedules)[list(TRADED)], abs=1e-7)


@FAST
@given(problems, st.floats(-0.5, 0.5))
def test_clearing_prices_clear_from_any_start(problem: tuple, start: float) -> None:
    orders, schedules = with_firm_slopes(problem[0]), problem[1]
    cold, warm = clear(orders, schedules), clear(orders, schedules, start=np.full(N_MARKETS, start))
    size = order_size(orders, schedules, cold.log_change)
    assert cold.status == warm.status == Status.CONVERGED
    assert np.abs(excess_demand(orders, schedules, cold.log_change)).max() <= 1e-11 * size
    assert warm.log_change == pytest.approx(cold.log_change, abs=1e-9)


@FAST
@given(problems, st.sampled_from([0.0, 0.1]), st.sampled_from([1.0, 1e-13]), st.integers(0, 2**32))
def test_compiled_newton_steps_lead_where_the_plain_search_leads(
    problem: tuple, far: float, unit: float, seed: int
) -> None:
    """Unless the plain search needs more than Newton steps: then, and only then, the compiled one gives up."""
    orders, schedules = in_unit(unit, *problem)
    demand, x = auction._Demand(orders, schedules), np.random.default_rng(seed).normal(0.0, far, N_MARKETS)
    compiled, more = demand.newton(x.copy()), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auction._Demand, "newton", lambda self, x: None)
        for owner, name in ((auction, "_walk"), (auction, "_clear_alone"), (np.linalg, "lstsq")):
            patch.setattr(owner, name, noting(getattr(owner, name), more))
        plain, stuck, steps, found = auction._find_prices(demand, x)
    assert (compiled is None) == bool(more)
    if compiled is not None:
        assert found and not stuck.any() and compiled[1] == steps
        assert compiled[0].x == pytest.approx(plain.x, rel=1e-9, abs=1e-12)
        assert compiled[0].excess == pytest.approx(plain.excess, abs=1e-9 * unit)
        assert compiled[0].jacobian == pytest.approx(plain.jacobian, abs=1e-12 * unit)
        assert compiled[0].tolerance == pytest.approx(plain.tolerance, abs=1e-20 * unit)


def in_unit(unit: float, orders: np.ndarray, schedules: list[MatrixSchedule]) -> tuple:
    """The same problem with all amounts times the unit."""
    orders = orders.copy()
    for column in ("quantity", "slope", "lo", "hi"):
        orders[column] *= unit
    return orders, [
        replace(s, matrix=unit * s.matrix, intercepts={r: unit * q for r, q in s.intercepts.items()}) for s in schedules
    ]


def noting(function: Callable, calls: list[str]) -> Callable:
    """The function; each call of it adds its name to the list."""

    def noted(*arguments: object, **named: object) -> object:
        calls.append(function.__name__)
        return function(*arguments, **named)

    return noted


def limits_reached(orders: np.ndarray, x: np.ndarray) -> np.ndarray:
    """-1 for rows at their lower limit, 1 at the upper one, 0 between, (rows,)."""
    wanted = orders["quantity"] - orders["slope"] * x[orders["market"]]
    return np.where(wanted <= orders["lo"], -1, np.where(wanted >= orders["hi"], 1, 0))


@FAST
@given(order_books, st.sampled_from([0.3, 100.0]), st.sampled_from([0.3, 1e-9]), st.integers(0, 2**32))
def test_no_row_reaches_or_leaves_a_limit_before_the_next_kink(
    orders: np.ndarray, far: float, long: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x, step = rng.normal(0.0, far, N_MARKETS), rng.normal(0.0, long, N_MARKETS)
    share = auction._Demand(orders, []).next_kink(x, step)
    if share * np.abs(step).min() > 1e-6:
        before, half, last = (limits_reached(orders, x + p * min(share, 1e4) * step) for p in (1e-3, 0.5, 0.999))
        np.testing.assert_array_equal(before, half)
        np.testing.assert_array_equal(before, last)
    if np.isfinite(share) and (long > 1e-9 or share * np.abs(step).max() < 1.0):  # not where rounding hides the step
        assert (limits_reached(orders, x + share * step) != limits_reached(orders, x)).any()


@FAST
@given(problems, st.integers(0, 2**32))
def test_a_market_is_cleared_alone_wherever_a_price_does_it(problem: tuple, seed: int) -> None:
    orders, schedules = problem
    demand, x = auction._Demand(orders, schedules), np.random.default_rng(seed).normal(0.0, 0.3, N_MARKETS)
    here, size = demand.at(x), order_size(orders, schedules, x)

    def moved(m: int, y: float) -> np.ndarray:
        return np.where(np.arange(N_MARKETS) == m, y, x)

    for m in TRADED:
        y, cleared = auction._clear_alone(demand, here, m)
        low, high = (excess_demand(orders, schedules, moved(m, y))[m] for y in (-auction.FURTHEST, auction.FURTHEST))
        there = demand.at(moved(m, y))
        if cleared:
            assert abs(there.excess[m]) <= 1e-9 * (size + 1.0)
        else:
            assert low * high > 0.0
            if there.slope[m] == 0.0:
                assert there.excess[m] == pytest.approx(min(low, high, key=abs), abs=1e-9 * (size + 1.0))


@FAST
@given(problems, st.integers(0, 2**32))
def test_a_cut_balances_the_market_and_takes_the_same_part_of_all_outright_trades(problem: tuple, seed: int) -> None:
    orders, schedules = problem
    x = np.random.default_rng(seed).normal(0.0, 0.1, N_MARKETS)
    for m in TRADED:
        demand = auction._Demand(orders, schedules)
        before, joint = demand.fills(x), demand.joint_fills(x)[:, m]
        weight = np.array([weight_in(row, m) for row in orders])
        assert demand.weight_at(m) == pytest.approx(weight)
        size, own = 1e-9 * (np.abs(before).sum() + np.abs(joint).sum() + 1e-3), orders["market"] == m
        flow = weight * before
        side = np.sign(flow.sum() + joint.sum())
        auction._cut_long_side(demand, x, m)
        after, joint_after = demand.fills(x), demand.joint_fills(x)[:, m]
        assert abs((weight * after).sum() + joint_after.sum()) <= size
        assert (np.abs(after) <= np.abs(before) + size).all() and (after * before >= 0.0).all()
        assert after[side * flow <= 0.0] == pytest.approx(before[side * flow <= 0.0])
        assert joint_after[side * joint <= 0.0] == pytest.approx(joint[side * joint <= 0.0])
        legs = (side * flow > 0.0) & ~own
        short = -side * (flow[side * flow <= 0.0].sum() + joint[side * joint <= 0.0].sum())
        legs_keep = min(1.0, short / (side * flow[legs].sum())) if legs.any() else 1.0
        assert after[legs] == pytest.approx(legs_keep * before[legs], abs=size)
        outright = np.concatenate([flow[(side * flow > 0.0) & own], joint[side * joint > 0.0]])
        kept = np.concatenate([(weight * after)[(side * flow > 0.0) & own], joint_after[side * joint > 0.0]])
        if outright.size:
            keep = max(0.0, short - side * flow[legs].sum()) / (side * outright.sum())
            assert kept == pytest.approx(keep * outright, abs=size)


@FAST
@given(problems)
def test_orders_and_schedules_are_the_callers_and_stay_what_they_are(problem: tuple) -> None:
    orders, schedules = problem
    before, matrices = orders.copy(), [schedule.matrix.copy() for schedule in schedules]
    clear(orders, schedules)
    np.testing.assert_array_equal(orders, before)
    for schedule, matrix in zip(schedules, matrices, strict=True):
        np.testing.assert_array_equal(schedule.matrix, matrix)


@FAST
@given(problems)
def test_walk_alone_finds_the_same_prices(problem: tuple) -> None:
    orders, schedules = with_firm_slopes(problem[0]), problem[1]
    expected = clear(orders, schedules)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auction, "HALVINGS", 0)
        walked = clear(orders, schedules)
    assert walked.status == Status.CONVERGED
    assert walked.log_change == pytest.approx(expected.log_change, abs=1e-9)


@FAST
@given(problems)
def test_fills_balance_and_stay_finite_whatever_the_orders(problem: tuple) -> None:
    orders, schedules = problem
    result = clear(orders, schedules)
    size = order_size(orders, schedules, result.log_change)
    assert all(np.isfinite(a).all() for a in (result.log_change, result.filled, result.jacobian, result.depth))
    net, gross = flows(orders, result)
    assert (np.abs(net) <= 1e-9 * gross + 1e-11 * size).all(), IDS[int(np.argmax(np.abs(net)))]
    on_schedule = orders["quantity"] - orders["slope"] * result.log_change[orders["market"]]
    wanted = np.clip(on_schedule, orders["lo"], orders["hi"])
    assert (np.abs(result.filled) <= np.abs(wanted) + 1e-9 * size).all(), "rationing never enlarges a fill"
    assert (result.filled * wanted >= -1e-9 * size).all(), "nor turns a buyer into a seller"
    cut = np.abs(result.filled - wanted) > 1e-9 * max(size, 1.0)
    assert (result.status == Status.CONVERGED) == (not result.rationed.any())
    assert result.rationed.any() or not cut.any()


@FAST
@given(problems, st.booleans())
def test_search_never_fails_where_demand_is_a_gradient(problem: tuple, walk_only: bool) -> None:
    """Without currency legs every market clears or is rationed, whatever the kinks, flat stretches and ties."""
    orders, schedules = problem[0].copy(), problem[1]
    orders["hedge"] = 1.0
    with pytest.MonkeyPatch.context() as patch:
        if walk_only:
            patch.setattr(auction, "HALVINGS", 0)
        assert clear(orders, schedules).status != Status.ITERATION_LIMIT


@FAST
@given(problems, st.integers(0, 2**32))
def test_attribution_adds_up_to_the_move(problem: tuple, seed: int) -> None:
    orders, schedules = with_sectors(problem[0]), problem[1]
    start = np.random.default_rng(seed).normal(0.0, 0.1, N_MARKETS)
    assert_split(orders, schedules, clear(orders, schedules))
    assert_split(orders, schedules, clear(orders, schedules, start=start))


@FAST
@given(problems, st.integers(0, 2**32))
def test_excess_demand_falls_with_the_price(problem: tuple, seed: int) -> None:
    """Own market: always, legs being in other markets. All together: where nobody brings currency legs."""
    orders, schedules = problem
    rng = np.random.default_rng(seed)
    x, y = rng.normal(0.0, 0.3, (2, N_MARKETS))
    for m in TRADED:
        higher = np.where(np.arange(N_MARKETS) == m, x + 0.1, x)
        rise = excess_demand(orders, schedules, higher) - excess_demand(orders, schedules, x)
        assert rise[m] <= 1e-9
    hedged = orders.copy()
    hedged["hedge"] = 1.0
    assert (excess_demand(hedged, schedules, x) - excess_demand(hedged, schedules, y)) @ (x - y) <= 1e-9


@FAST
@given(problems, st.randoms(use_true_random=False))
def test_prices_depend_neither_on_the_order_of_rows_nor_on_the_unit(problem: tuple, random: object) -> None:
    orders, schedules = with_firm_slopes(problem[0]), problem[1]
    result = clear(orders, schedules)
    mixed = list(range(len(orders)))
    random.shuffle(mixed)  # type: ignore[attr-defined]
    doubled = orders[mixed]
    for column in ("quantity", "slope", "lo", "hi"):
        doubled[column] *= 2.0
    again = clear(doubled, schedules + schedules)
    assert again.log_change == pytest.approx(result.log_change, abs=1e-10)
    assert again.filled == pytest.approx(2.0 * result.filled[mixed], abs=1e-7)


def test_newton_does_not_cycle_between_the_tails_of_a_steep_schedule() -> None:
    """From far away full Newton steps jump between the two flat tails for ever: demand falls steeply only near 0."""
    orders = book(post(UST10, 0.5, "carry"), post(UST10, 0.0, "valuation", slope=100.0, lo=-1.0, hi=1.0))
    result = clear(orders, [dealers(np.eye(1), UST10)], start=np.full(N_MARKETS, -1.0))
    assert result.status == Status.CONVERGED
    assert result.log_change[UST10] == pytest.approx(0.5 / 101.0)


def test_many_institutions_clear_in_a_few_steps() -> None:
    rng = np.random.default_rng(5)
    rows = [
        post(m, rng.normal(0.0, 0.05, 200), "valuation", slope=rng.pareto(1.5, 200), lo=-rng.exponential(0.2, 200),
             hi=rng.exponential(0.2, 200), funding=JPY, hedge=0.5)
        for m in range(N_MARKETS) if not IS_FX[m]
    ]  # fmt: skip
    factor = rng.normal(size=(N_MARKETS, 3))
    schedules = [dealers(50.0 * (factor @ factor.T + np.eye(N_MARKETS)), *range(N_MARKETS), intercept=1.0)]
    orders = book(*rows)
    result = clear(orders, schedules)
    assert result.status == Status.CONVERGED and result.iterations <= 6
    assert clear(orders, schedules, start=result.log_change).iterations == 0


# -- who moved the market ------------------------------------------------------------------------------------------


def test_attribution_of_a_linear_market_is_each_order_by_itself() -> None:
    rng = np.random.default_rng(2)
    factor = rng.normal(size=(len(TRADED), 3))
    quantity = rng.normal(size=(3, len(TRADED)))
    orders = book(
        *(post(np.array(TRADED), quantity[s : s + 1], reason, slope=np.array([20.0 + s]), funding=fund, hedge=0.3)
          for s, (reason, fund) in enumerate([("lapse", JPY), ("carry", USD), ("margin_call", EUR)]))
    )  # fmt: skip
    schedule = dealers(factor @ factor.T + 5.0 * np.eye(len(TRADED)), *TRADED, intercept=0.7)
    whole = attribute(orders, [schedule], clear(orders, [schedule]), SECTORS)
    for sector, reason in ((0, "lapse"), (1, "carry"), (2, "margin_call"), (4, "market_making")):
        alone = orders.copy()
        alone["quantity"][alone["sector"] != sector] = 0.0
        quiet = schedule if sector == 4 else replace(schedule, intercepts={"carry": np.zeros(N_MARKETS)})
        moved = clear(alone, [quiet]).log_change
        assert whole[sector, REASON[reason]] == pytest.approx(moved, abs=1e-12)
    assert whole.sum(axis=(0, 1)) == pytest.approx(whole[[0, 1, 2, 4]].sum(axis=(0, 1)))


def test_order_at_its_limit_pushes_by_its_fill() -> None:
    orders = book(
        post(UST10, -10.0, "lapse"),
        post(UST10, 1.0, "dip_buying", slope=900.0, hi=4.0),
        post(UST10, 0.0, "valuation", slope=100.0),
    )
    parts = attribute(orders, [], clear(orders, []), SECTORS)[:, :, UST10]
    assert parts[0, REASON["lapse"]] == pytest.approx(-0.10)
    assert parts[1, REASON["dip_buying"]] == pytest.approx(0.04)
    assert parts[2, REASON["valuation"]] == pytest.approx(0.0)


@pytest.mark.parametrize("unit", [1.0, 0.01])
def test_move_of_a_rationed_market_belongs_to_those_who_pushed(unit: float) -> None:
    orders = book(
        post(UST10, -6.0, "lapse"),
        post(UST10, -2.0, "margin_call"),
        post(UST10, 0.0, "valuation", slope=100.0, hi=2.0),
        post(UST30, 0.0, "valuation", slope=100.0),
    )
    orders, schedules = in_unit(unit, orders, [dealers(50.0 * np.eye(1), UST30)])
    parts = attribute(orders, schedules, clear(orders, schedules), SECTORS)[:, :, UST10]
    assert parts[0, REASON["lapse"]] == pytest.approx(-0.015)
    assert parts[1, REASON["margin_call"]] == pytest.approx(-0.005)
    assert not parts[2].any()


def test_move_of_a_rationed_market_belongs_to_the_schedule_that_pushed() -> None:
    orders = book(post(UST10, -2.0, "lapse"), post(UST10, 0.0, "valuation", slope=100.0, hi=2.0))
    seller = [dealers(np.zeros((1, 1)), UST10, intercept=-6.0)]
    parts = attribute(orders, seller, clear(orders, seller), SECTORS)[:, :, UST10]
    assert parts[4, REASON["market_making"]] == pytest.approx(-0.015)
    assert parts[0, REASON["lapse"]] == pytest.approx(-0.005)


def test_move_of_a_rationed_market_carries_over_to_what_is_quoted_off_it() -> None:
    """Who sells a market to where nobody buys any more has also moved what dealers quote by its price."""
    orders = book(post(UST10, -6.0, "lapse"), post(UST10, 0.0, "valuation", slope=100.0, hi=50.0 / 100.0))
    quoted_off = [dealers(np.array([[0.0, 0.0], [10.0, 20.0]]), UST10, UST30)]
    parts = attribute(orders, quoted_off, clear(orders, quoted_off), SECTORS)
    assert parts[0, REASON["lapse"], [UST10, UST30]] == pytest.approx([-0.005, 0.0025])


def test_who_wanted_nothing_at_the_quote_but_is_at_its_limit_everywhere_pushes_everywhere() -> None:
    everywhere = np.arange(N_MARKETS)
    orders = book(
        post(everywhere, np.full((1, N_MARKETS), -3.0), "lapse"),
        post(everywhere, np.zeros((1, N_MARKETS)), "dip_buying", slope=1000.0, hi=1.0),
        post(everywhere, np.zeros((1, N_MARKETS)), "valuation", slope=10.0),
    )
    parts = attribute(orders, [], clear(orders, []), SECTORS)
    assert parts[1, REASON["dip_buying"]] == pytest.approx(np.full(N_MARKETS, 0.1))


def test_move_of_a_rationed_exchange_rate_belongs_to_the_trade_behind_the_leg() -> None:
    orders = book(
        post(UST10, -6.0, "repatriation", funding=JPY),
        post(UST10, 0.0, "valuation", slope=100.0),
        post(USDJPY, 0.0, "valuation", slope=100.0, hi=2.0),
    )
    result = clear(orders, [])
    parts = attribute(orders, [], result, SECTORS)
    assert result.log_change[[UST10, USDJPY]] == pytest.approx([-0.02, -0.02])
    assert parts[0, REASON["repatriation"], [UST10, USDJPY]] == pytest.approx([-0.02, -0.02])


def test_rationed_order_pushes_by_its_fill_and_reacts_no_more() -> None:
    orders = book(
        post(UST10, -3.0, "repatriation", slope=10.0, funding=JPY),
        post(UST10, -1.0, "lapse"),
        post(UST10, 0.0, "valuation", slope=100.0),
        post(USDJPY, 1.0, "hedging"),
    )
    parts = attribute(orders, [], clear(orders, []), SECTORS)[:, :, UST10]
    assert parts[0, REASON["repatriation"]] == pytest.approx(-0.01)
    assert parts[1, REASON["lapse"]] == pytest.approx(-0.01)


def test_sale_of_bonds_is_what_moved_the_yen() -> None:
    orders = book(
        post(UST10, -2.0, "repatriation", funding=JPY),
        post(UST10, 0.0, "valuation", slope=100.0),
        post(USDJPY, 0.0, "valuation", slope=50.0),
    )
    parts = attribute(orders, [], clear(orders, []), SECTORS)
    assert parts[0, REASON["repatriation"], [UST10, USDJPY]] == pytest.approx([-0.02, -0.04])


def test_depth_is_the_flow_that_moves_a_market_by_one_unit() -> None:
    rng = np.random.default_rng(4)
    factor = rng.normal(size=(len(TRADED), 2)) * 5.0
    schedules = [dealers(factor @ factor.T + 5.0 * np.eye(len(TRADED)), *TRADED)]
    orders = book(post(NIKKEI, 1.0, "carry"), post(NIKKEI, -1.0, "lapse"))
    result = clear(orders, schedules)
    for m in TRADED:
        moved = clear(np.concatenate([orders, book(post(m, 0.01, "outside_flow"))]), schedules).log_change[m]
        assert result.depth[m] == pytest.approx(0.01 / moved)
        assert result.depth[m] < result.jacobian[m, m]
    assert result.depth[NIKKEI] == 0.0


def test_depth_of_a_thin_market_is_its_slope() -> None:
    assert clear(book(post(NIKKEI, 0.0, "valuation", slope=0.25)), []).depth[NIKKEI] == pytest.approx(0.25)


def test_depth_is_none_where_a_flow_moves_only_other_markets() -> None:
    jacobian = np.zeros((N_MARKETS, N_MARKETS))
    jacobian[:3, :3] = [[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    assert np.linalg.inv(jacobian[:3, :3])[0, 0] == 0.0
    assert auction.depth(jacobian)[:3] == pytest.approx([0.0, 1.0, 1.0])


# -- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("quantity", np.nan), ("quantity", np.inf), ("slope", -1.0), ("slope", np.inf), ("lo", 9.0), ("hedge", 1.5),
        ("hedge", -0.5), ("market", N_MARKETS), ("market", -1), ("fx1", N_MARKETS), ("fx2", N_MARKETS),
        ("reason", len(REASONS)), ("reason", -1),
    ],
)  # fmt: skip
def test_unsound_order_is_named(column: str, value: float) -> None:
    for position in (0, 1):
        orders = book(post(UST10, 1.0, "carry", hi=2.0), post(JGB30, 1.0, "lapse", hi=2.0))
        orders[column][position] = value
        with pytest.raises(ValueError, match=rf"order {position} has sector {position}, .*{column} {value}"):
            clear(orders, [])


def test_orders_at_the_edge_of_what_is_sound_are_taken() -> None:
    first, last = INDEX[IDS[0]], N_MARKETS - 1
    orders = book(
        post(first, np.array([-1.0, 1.0]), REASONS[0], hedge=0.0, funding=JPY),
        post(last, np.array([-1.0, 1.0]), REASONS[-1], lo=0.0, hi=0.0),
        post(UST10, np.array([-1.0, 1.0]), "carry", funding=JPY, hedge=1.0),
    )
    assert clear(orders, []).filled == pytest.approx([-1.0, 1.0, 0.0, 0.0, -1.0, 1.0])


def test_unsound_schedules_and_starts_are_refused() -> None:
    orders = book(post(UST10, 1.0, "carry"))
    for schedule in (dealers(np.full((1, 1), np.nan), UST10), dealers(np.eye(1), UST10, intercept=np.inf)):
        with pytest.raises(ValueError, match="joint schedule of sector 4"):
            clear(orders, [schedule])
    for start in (np.zeros(3), np.where(np.arange(N_MARKETS) == UST10, np.nan, 0.0)):
        with pytest.raises(ValueError, match=f"start must be {N_MARKETS} finite"):
            clear(orders, [], start=start)


@pytest.mark.parametrize(("sectors", "words"), [((-1, 4), "-1 to 4; need 0 to 4"), ((0, 5), "0 to 5; need 0 to 4")])
def test_a_split_knows_the_sectors_it_is_asked_for(sectors: tuple[int, int], words: str) -> None:
    orders = book(post(UST10, -1.0, "carry"), post(UST10, 0.0, "valuation", slope=10.0))
    result = clear(orders, [])
    orders["sector"] = 0, SECTORS - 1
    assert attribute(orders, [], result, SECTORS).sum(axis=(0, 1)) == pytest.approx(result.log_change)
    orders["sector"] = sectors
    with pytest.raises(ValueError, match=words):
        attribute(orders, [], result, SECTORS)


def test_what_an_auction_found_is_not_changed() -> None:
    for found in (clear(no_orders(), []), auction._Demand(no_orders(), []).at(np.zeros(N_MARKETS))):
        with pytest.raises(FrozenInstanceError):
            found.jacobian = np.eye(N_MARKETS)  # type: ignore[misc]


def test_a_split_needs_the_schedules_that_were_cleared() -> None:
    orders, schedules = book(post(UST10, 1.0, "carry")), [dealers(np.eye(1), UST10)]
    with pytest.raises(ValueError, match="longer"):
        attribute(orders, [], clear(orders, schedules), SECTORS)


@pytest.mark.parametrize("most", [np.inf, 1.0])
def test_a_price_of_e_to_the_thousandth_has_a_meaning_and_a_further_one_has_none(most: float) -> None:
    def result(furthest: float) -> Clearing:
        buyer = post(UST10, 1.0 - furthest, "dip_buying", slope=1.0, lo=0.0, hi=most)
        return clear(book(post(UST10, -1.0, "lapse"), buyer), [])

    assert result(1000.0).status == Status.CONVERGED
    assert result(1000.0).log_change[UST10] == -1000.0
    assert result(1000.0).filled == pytest.approx([-1.0, 1.0])
    for furthest in (1000.5, 1002.0):
        assert result(furthest).status == Status.RATIONED
        assert not result(furthest).filled.any()


def test_who_would_trade_only_at_a_price_without_meaning_is_out_of_the_market() -> None:
    """A slope of 1e-170 balances any order somewhere; that is no clearing, and the long side is cut instead."""
    seller = post(BTC, np.array([[-5.0]]), "outside_flow")
    buyer = post(BTC, np.array([[1.0]]), "valuation", slope=np.array([[1e-170]]), lo=np.array([[0.0]]), hi=np.inf)
    orders = join([seller, buyer])
    orders["sector"] = 0
    clearing = clear(orders, [])
    assert clearing.status != Status.CONVERGED and clearing.rationed[BTC]
    assert -auction.FURTHEST <= clearing.log_change[BTC] <= 0.0
    assert not np.delete(clearing.log_change, BTC).any()
    assert clearing.filled == pytest.approx([-1.0, 1.0])
    parts = attribute(orders, [], clearing, 1)
    assert parts.sum(axis=(0, 1)) == pytest.approx(clearing.log_change, abs=1e-12)
    assert np.abs(parts).max() <= auction.FURTHEST
