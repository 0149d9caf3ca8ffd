"""The joint auction: one set of prices at which all schedules in all markets clear together.

With x the log change of every market's price from its quote, row i buys ``q_i = clip(a_i - b_i x_m, lo_i, hi_i)``
of its own market m and, through its currency legs, ``sign_k (1 - hedge) q_i`` of up to two exchange rates; joint
schedules s buy ``c_s - M_s x``. Excess demand in USD bn at the quote is

    Z(x) = sum_i L_i clip(a_i - b_i x_m, lo_i, hi_i) + sum_s (c_s - M_s x),

L_i being one at the own market and ``sign_k (1 - hedge)`` at the legs. The auction finds Z(x) = 0 by Newton
steps on the rows that are not at a limit (Z is piecewise linear, so the last step is exact).

Is there one solution only? Without currency legs, yes where somebody trades on price: Z is then minus the gradient
of a convex function, strictly convex in every direction in which an own slope or a joint schedule reacts. Legs make
the exchange-rate rows depend on bond, equity and crypto prices but not the reverse, so if no joint schedule links
these two groups, the first clears by itself and the exchange rates follow, each step unique. Dealers do link them,
and then there is a loop: the yen moves dealers' bond prices, bond prices move unhedged holders' purchases, and those
move the yen. A sufficient condition for a unique solution is that in the exchange rates the slopes of orders without
legs, D, exceed a quarter of what elastic holders bring through theirs: ``D - sum_i b_i k_i k_i' / 4`` positive
definite at all prices, over the rows off their limits with leg weights k_i. The symmetric part of the Jacobian is
then positive definite; what dealers add to it helps. The condition is not necessary and not checked: outside it a
solution is still verified to clear, but another might exist, or none (reported as iteration limit). A stretch of
prices over which nobody reacts and orders happen to balance is also a set of solutions; its end nearest to the quote
is taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final

import numpy as np
from numba import njit

from abm.world.instruments import IS_FX, N_MARKETS
from abm.world.orders import REASON, REASONS, MatrixSchedule
from abm.world.sums import pairwise_sum

TOLERANCE: Final = 1e-11  # largest excess demand of a cleared market, share of the size of its orders
MAX_ITERATIONS = 100  # Newton steps and walks of a search for prices
MAX_ROUNDS: Final = 30  # searches, each after one more round of rationing
MAX_CUTS: Final = 100  # passes of cuts at given prices before what is still unmatched is cancelled
SINGULAR: Final = 1e10  # amplification at which slopes are taken to be linearly dependent
HALVINGS: Final = 5  # shortest Newton step tried is 1/16
OVERSTEP: Final = 1e-9  # share of a Newton step taken beyond a kink, to be on its other side
ROUNDING: Final = 1e-4  # of TOLERANCE: allowance for what limits cut off, whose kinks are rounded
FURTHEST: Final = 1e3  # log change beyond which a price means nothing; who would trade only there is out of the market
MIN_GAIN: Final = 0.1  # share of the promised fall in unmatched orders that a Newton step must achieve


class Status(StrEnum):
    """How the auction ended."""

    CONVERGED = "converged"
    RATIONED = "rationed"
    ITERATION_LIMIT = "iteration_limit"


@dataclass(frozen=True)
class Clearing:
    """Prices and fills of one auction; arrays have shape (markets,) unless said otherwise.

    log_change: change of the log price from the quote. filled: (rows,) USD bn at the quote. matrix_filled: one
    (markets,) array per joint schedule, USD bn. jacobian: (markets, markets) slopes of minus excess demand at the
    solution, USD bn per unit of log price. iterations: Newton steps and fallback walks, all rounds. residual_usd_bn:
    excess demand that prices did not remove (and rationing did). rationed: markets where the long side was cut.
    """

    log_change: np.ndarray
    filled: np.ndarray
    matrix_filled: tuple[np.ndarray, ...]
    jacobian: np.ndarray
    status: Status
    iterations: int
    residual_usd_bn: np.ndarray
    rationed: np.ndarray

    @cached_property
    def depth(self) -> np.ndarray:
        """Net flow that moves a market by one unit of log price when all other markets adjust, USD bn."""
        return depth(self.jacobian)


def clear(orders: np.ndarray, schedules: Sequence[MatrixSchedule], start: np.ndarray | None = None) -> Clearing:
    """Clear all markets together. start: log changes (markets,) to begin the search from, by default none.

    A market without any reaction to price keeps its quote. Where orders do not balance and no price change would
    bring more of the short side, the price stops where the last slope ended and the long side is rationed: its limits
    become its pro rata fills, and all markets clear again, currency legs following the fills. In an exchange rate,
    legs are served before outright orders; where even legs find too little, the trades they belong to are rationed.

    Fills balance in every market whatever the status. If the search ends at its limit, or rationing has not settled
    after MAX_ROUNDS, the prices with the fewest unmatched orders are kept, every schedule is replaced by its fill
    there, and long sides are cut, market after market, until nothing is unmatched. Cuts only shrink fills, so this
    ends; should cuts chase one another through the currency legs for more than MAX_CUTS passes, the trades in the
    markets concerned are cancelled.
    """
    demand = _Demand(orders, schedules)
    _check(demand, schedules, start)
    quote = np.zeros(N_MARKETS)
    x = quote if start is None or not demand.at(quote).over.any() else np.array(start, dtype=float)
    residual, rationed, iterations = np.zeros(N_MARKETS), np.zeros(N_MARKETS, dtype=bool), 0
    for _ in range(MAX_ROUNDS):
        here, stuck, used, found = _find_prices(demand, x)
        x, iterations = here.x, iterations + used
        if not found or not stuck.any():
            break
        _ration(demand, here, stuck)
        rationed |= stuck
        residual += np.where(stuck, here.excess, 0.0)
    far = np.abs(x) > FURTHEST
    if far.any():
        x = np.clip(x, -FURTHEST, FURTHEST)
        here, found = demand.at(x), False
    residual += here.excess
    for m in np.flatnonzero(~far & ~here.jacobian.any(axis=0)).tolist():
        x[m] = demand.flat_end(m, x[m])
    if not found or stuck.any():
        _cut_until_balanced(demand, x, rationed)
    status = Status.RATIONED if rationed.any() else Status.CONVERGED
    return Clearing(
        log_change=x,
        filled=demand.fills(x),
        matrix_filled=tuple(demand.joint_fills(x)),
        jacobian=here.jacobian,
        status=status if found else Status.ITERATION_LIMIT,
        iterations=iterations,
        residual_usd_bn=residual,
        rationed=rationed,
    )


def depth(jacobian: np.ndarray) -> np.ndarray:
    """One over the own impact of a flow, ``1 / (J^-1)_mm``, USD bn per unit of log price, (markets,).

    jacobian: (markets, markets) slopes of minus excess demand. Smaller than the own slope, since holders of close
    substitutes react too. 0 in markets where nobody reacts to price.
    """
    out = np.zeros(N_MARKETS)
    live = jacobian.diagonal() > 0.0
    impact = _solve(_among(jacobian, live), np.eye(np.count_nonzero(live))).diagonal()
    out[live] = np.divide(1.0, impact, out=np.zeros(impact.size), where=impact > 0.0)
    return out


# -- schedules and what they add up to ---------------------------------------------------------------------------


def _check(demand: "_Demand", schedules: Sequence[MatrixSchedule], start: np.ndarray | None) -> None:
    orders = demand.rows
    unsound = _first_unsound(orders, N_MARKETS, len(REASONS))
    if unsound >= 0:
        row = zip(orders.dtype.names or (), orders[unsound], strict=True)
        got = ", ".join(f"{name} {value}" for name, value in row)
        raise ValueError(
            f"order {unsound} has {got}; need finite quantity and slope, slope >= 0, lo <= hi, hedge in [0, 1], "
            f"market and legs below {N_MARKETS}, reason below {len(REASONS)}"
        )
    unsound = _first_not_finite(demand.intercept, demand.matrix)
    if unsound >= 0:
        sector = schedules[unsound].sector
        raise ValueError(f"joint schedule of sector {sector} has entries that are not finite; need finite ones")
    if start is not None and not (np.shape(start) == (N_MARKETS,) and np.isfinite(start).all()):
        raise ValueError(f"start must be {N_MARKETS} finite log changes, got {start}")


@njit(cache=True)
def _first_not_finite(intercept, matrix):  # type: ignore
    """Position of the first joint schedule with an entry that is not finite, -1 if there is none."""
    for s in range(intercept.shape[0]):
        if not (np.isfinite(intercept[s]).all() and np.isfinite(matrix[s]).all()):
            return s
    return -1


@njit(cache=True)
def _first_unsound(orders, markets, reasons):  # type: ignore
    """Position of the first order that breaks the rules of a schedule, -1 if none does."""
    for i in range(orders.size):
        row = orders[i]
        finite = np.isfinite(row.quantity) and 0.0 <= row.slope < np.inf
        known = 0 <= row.market < markets and max(row.fx1, row.fx2) < markets and 0 <= row.reason < reasons
        if not (finite and known and row.lo <= row.hi and 0.0 <= row.hedge <= 1.0):
            return i
    return -1


@njit(cache=True)
def _add_rows(rows, x, excess, jacobian, gross):  # type: ignore
    """Add every row's purchases at x to excess, its slope to minus the Jacobian, the size of its terms to gross."""
    for i in range(rows.size):
        row = rows[i]
        m, reaction = row.market, row.slope
        bought = row.quantity - row.slope * x[m]
        size = abs(row.quantity) + row.slope * abs(x[m])
        if bought <= row.lo:
            bought, size, reaction = row.lo, abs(row.lo) + ROUNDING * size, 0.0
        elif bought >= row.hi:
            bought, size, reaction = row.hi, abs(row.hi) + ROUNDING * size, 0.0
        excess[m] += bought
        gross[m] += size
        jacobian[m, m] += reaction
        for fx, sign in ((row.fx1, row.sign1), (row.fx2, row.sign2)):
            if fx >= 0:
                weight = sign * (1.0 - row.hedge)
                excess[fx] += weight * bought
                gross[fx] += abs(weight) * size
                jacobian[fx, m] += weight * reaction


@njit(cache=True)
def _add_up_joint(intercepts, matrices):  # type: ignore
    """Joint schedules together: intercept, matrix, and the sizes of both, which count for the tolerance."""
    intercept, matrix = np.zeros(intercepts.shape[1]), np.zeros(matrices.shape[1:])
    size, matrix_size = np.zeros_like(intercept), np.zeros_like(matrix)
    for s in range(intercepts.shape[0]):
        for m in range(intercept.size):
            intercept[m] += intercepts[s, m]
            size[m] += abs(intercepts[s, m])
            for k in range(intercept.size):
                matrix[m, k] += matrices[s, m, k]
                matrix_size[m, k] += abs(matrices[s, m, k])
    return intercept, matrix, size, matrix_size


@njit(cache=True)
def _evaluate(rows, joint, x):  # type: ignore
    """Excess demand, Jacobian of minus it and tolerance at x; joint: as `_add_up_joint` adds them up."""
    intercept, matrix, size, matrix_size = joint
    excess, jacobian, gross = intercept.copy(), matrix.copy(), size.copy()
    for m in range(x.size):
        for k in range(x.size):
            excess[m] -= matrix[m, k] * x[k]
            gross[m] += matrix_size[m, k] * abs(x[k])
    _add_rows(rows, x, excess, jacobian, gross)
    return excess, jacobian, TOLERANCE * gross


@njit(cache=True)
def _evaluate_at(rows, intercepts, matrices, x):  # type: ignore
    return _evaluate(rows, _add_up_joint(intercepts, matrices), x)


@njit(cache=True)
def _newton(rows, intercepts, matrices, x, limit, halvings):  # type: ignore
    """Newton steps from x, halved where they promise too much: (solved, steps, x, excess, jacobian, tolerance).

    Gives up (not solved) where something out of the ordinary is needed: a market that does not balance and where
    nobody reacts, linearly dependent slopes, a cycle between kinks, too many steps.
    """
    joint = _add_up_joint(intercepts, matrices)
    excess, jacobian, tolerance = _evaluate(rows, joint, x)
    for steps in range(limit + 1):
        unmatched, flat = 0.0, False
        for m in range(x.size):
            over = abs(excess[m]) - tolerance[m]
            if over > 0.0:
                unmatched += over
                flat |= jacobian[m, m] <= 0.0
        if unmatched <= 0.0:
            return True, steps, x, excess, jacobian, tolerance
        step, regular = _direction(jacobian, excess)
        if flat or not regular or steps == limit:
            break
        share = 1.0
        for _ in range(halvings):
            there = x + share * step
            excess, jacobian, tolerance = _evaluate(rows, joint, there)
            left = np.maximum(np.abs(excess) - tolerance, 0.0).sum()
            if left <= (1.0 - MIN_GAIN * share) * unmatched:
                x = there
                break
            share /= 2.0
        else:
            break
    return False, 0, x, excess, jacobian, tolerance


@njit(cache=True)
def _direction(jacobian, excess):  # type: ignore
    """Newton step in the markets where somebody reacts, and whether their slopes are independent (see `_solve`)."""
    live = np.flatnonzero(np.diag(jacobian) > 0.0)
    step, n = np.zeros(excess.size), live.size
    a, b = np.empty((n, n)), excess[live]
    for i in range(n):
        for j in range(n):
            a[i, j] = jacobian[live[i], live[j]]
    for i in range(n):  # elimination with row pivoting
        pivot = i + np.argmax(np.abs(a[i:, i]))
        if a[pivot, i] == 0.0:
            return step, False
        for j in range(n):
            a[i, j], a[pivot, j] = a[pivot, j], a[i, j]
        b[i], b[pivot] = b[pivot], b[i]
        for k in range(i + 1, n):
            factor = a[k, i] / a[i, i]
            if factor != 0.0:
                for j in range(i + 1, n):
                    a[k, j] -= factor * a[i, j]
                b[k] -= factor * b[i]
    largest, right = 0.0, 0.0
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, n):
            b[i] -= a[i, j] * b[j]
        b[i] /= a[i, i]
        step[live[i]] = b[i]
        largest = max(largest, abs(jacobian[live[i], live[i]] * b[i]))
        right = max(right, abs(excess[live[i]]))
    return step, largest <= SINGULAR * right


@njit(cache=True)
def _fill_rows(rows, x):  # type: ignore
    """Every row's purchase at x, USD bn, (rows,)."""
    filled = np.empty(rows.size)
    for i in range(rows.size):
        row = rows[i]
        filled[i] = min(max(row.quantity - row.slope * x[row.market], row.lo), row.hi)
    return filled


@dataclass(frozen=True)
class _Point:
    """Aggregate demand at prices x, USD bn, (markets,).

    excess: excess demand. jacobian: of minus excess demand, (markets, markets), per unit of log price. tolerance:
    excess that counts as none, relative to the sizes of all terms added up.
    """

    x: np.ndarray
    excess: np.ndarray
    jacobian: np.ndarray
    tolerance: np.ndarray

    @cached_property
    def over(self) -> np.ndarray:
        """Unmatched beyond the tolerance."""
        return np.maximum(np.abs(self.excess) - self.tolerance, 0.0)

    @property
    def slope(self) -> np.ndarray:
        """Own-market slope of aggregate demand, USD bn per unit of log price."""
        return self.jacobian.diagonal().copy()


class _Demand:
    """Working copy of all schedules; rationing tightens their limits.

    rows: ORDER. intercept: (schedules, markets) and matrix: (schedules, markets, markets) of the joint schedules.
    """

    def __init__(self, orders: np.ndarray, schedules: Sequence[MatrixSchedule]) -> None:
        self.rows, self._own_rows = orders, False
        self.intercept = np.zeros((len(schedules), N_MARKETS))
        self.matrix = np.zeros((len(schedules), N_MARKETS, N_MARKETS))
        for s, schedule in enumerate(schedules):
            self.intercept[s], self.matrix[s] = schedule.intercept, schedule.matrix

    def at(self, x: np.ndarray) -> _Point:
        """Excess demand and its slopes at log price changes x."""
        return _Point(x, *_evaluate_at(self.rows, self.intercept, self.matrix, x))

    def newton(self, x: np.ndarray) -> tuple[_Point, int] | None:
        """The solution and the steps it took from x, if plain Newton steps lead there."""
        solved, steps, *point = _newton(self.rows, self.intercept, self.matrix, x, MAX_ITERATIONS, HALVINGS)
        return (_Point(*point), steps) if solved else None

    def weight_at(self, m: int) -> np.ndarray:
        """What one USD bn of each row buys of market m, outright and through legs, (rows,)."""
        rows = self.rows
        legs = (rows["fx1"] == m) * rows["sign1"] + (rows["fx2"] == m) * rows["sign2"]
        return np.asarray((rows["market"] == m) + legs * (1.0 - rows["hedge"]))

    def fills(self, x: np.ndarray) -> np.ndarray:
        """Every row's purchase at x, USD bn, (rows,)."""
        return np.asarray(_fill_rows(self.rows, x))

    def joint_fills(self, x: np.ndarray) -> np.ndarray:
        """Every joint schedule's purchases at x, USD bn, (schedules, markets)."""
        return np.asarray(self.intercept - self.matrix @ x)

    def of_market(self, m: int) -> np.ndarray:
        """Which rows trade market m outright, (rows,)."""
        return np.asarray(self.rows["market"] == m)

    def kinks(self, m: int) -> np.ndarray:
        """Log changes at which a row of market m reaches a limit, ascending."""
        rows = self.rows[self.of_market(m) & (self.rows["slope"] > 0.0)]
        limits = np.concatenate([rows["quantity"] - rows["lo"], rows["quantity"] - rows["hi"]])
        change = limits / np.tile(rows["slope"], 2)
        return np.sort(change[np.abs(change) <= FURTHEST])

    def flat_end(self, m: int, x_m: float) -> float:
        """The price nearest to the quote on the flat stretch of market m's demand on which x_m lies, or ends."""
        kinks, rounding = self.kinks(m), 1e-9 * max(1.0, abs(x_m))
        between = kinks[(kinks > min(x_m, 0.0)) & (kinks < max(x_m, 0.0))]
        ends, own = [*sorted(between.tolist(), key=abs, reverse=True), 0.0], _OwnDemand(self, m)
        here = x_m if (np.abs(kinks - x_m) <= rounding).any() else ends[0]
        for end in ends:
            if abs(end - here) > rounding and own.slope_at((here + end) / 2.0) > 0.0:
                break
            here = end
        return float(here)

    def next_kink(self, x: np.ndarray, step: np.ndarray) -> float:
        """Share of the step from x just after which the first row reaches or leaves a limit, infinite if none does."""
        beyond = OVERSTEP + 1e-15 * (1.0 + np.abs(x)) / np.maximum(np.abs(step), 1e-300)
        rows = self.rows[np.abs(self.rows["slope"] * step[self.rows["market"]]) > 1e-100]
        lo, hi, slope, market = rows["lo"], rows["hi"], rows["slope"], rows["market"]
        bought, fall = rows["quantity"] - slope * x[market], slope * step[market]
        share_lo = np.where((fall > 0.0) == (bought > lo), (bought - lo) / fall, np.inf)
        share_hi = np.where((fall > 0.0) == (bought >= hi), (bought - hi) / fall, np.inf)
        return float((np.minimum(share_lo, share_hi) + beyond[market]).min(initial=np.inf))

    def limit(self, rows: np.ndarray, fill: np.ndarray, keep: float) -> None:
        """Let these rows buy, or sell, at most the share ``keep`` of their fills (all rows), USD bn."""
        self._copy_rows()
        buys, sells, most = rows & (fill > 0.0), rows & (fill < 0.0), keep * fill
        self.rows["hi"][buys] = most[buys]
        self.rows["lo"][sells] = most[sells]
        self.rows["lo"][buys] = np.minimum(self.rows["lo"], most)[buys]
        self.rows["hi"][sells] = np.maximum(self.rows["hi"], most)[sells]

    def fix(self, rows: np.ndarray, fill: np.ndarray | float) -> None:
        """Replace the schedules of these rows by constant fills, USD bn."""
        self._copy_rows()
        for column, value in (("quantity", fill), ("slope", 0.0), ("lo", -np.inf), ("hi", np.inf)):
            self.rows[column][rows] = value

    def _copy_rows(self) -> None:
        """Orders are the caller's; they are copied before the first limit is tightened."""
        if not self._own_rows:
            self.rows, self._own_rows = self.rows.copy(), True

    def fix_joint(self, m: int, fill: np.ndarray | float) -> None:
        """Replace the joint schedules in market m by constant fills (schedules,), USD bn."""
        self.intercept[:, m], self.matrix[:, m, :] = fill, 0.0


# -- the search for prices -----------------------------------------------------------------------------------------


def _find_prices(demand: _Demand, x: np.ndarray) -> tuple[_Point, np.ndarray, int, bool]:
    """Prices that clear all markets but those stuck: (point, stuck markets, steps used, found).

    Newton steps; where they do not reduce what is unmatched (a cycle between kinks), a walk along the kinks. Without
    joint clearing after MAX_ITERATIONS of these, the point with the fewest unmatched orders.
    Exchange rates count as stuck only when no other market is: fills there decide what the currency legs bring.
    """
    if (quick := demand.newton(x)) is not None:
        return quick[0], np.zeros(N_MARKETS, dtype=bool), quick[1], True
    here = best = demand.at(x)
    for step in range(MAX_ITERATIONS + 1):
        here, stuck = _cross_flat_stretches(demand, here)
        if not here.over[~stuck].any():
            return here, stuck & ~IS_FX if (stuck & ~IS_FX).any() else stuck, step, True
        best = min(best, here, key=lambda point: float(point.over.sum()))
        if step < MAX_ITERATIONS:
            here = _newton_step(demand, here, stuck) or _walk(demand, here, stuck)
    return best, np.zeros(N_MARKETS, dtype=bool), MAX_ITERATIONS, False


def _newton_step(demand: _Demand, here: _Point, stuck: np.ndarray) -> _Point | None:
    """The longest of a full, half ... Newton step that reduces unmatched orders as promised, None if none does."""
    step, unmatched, share = _newton_direction(here), here.over[~stuck].sum(), 1.0
    for _ in range(HALVINGS):
        there = demand.at(here.x + share * step)
        if there.over[~stuck].sum() <= (1.0 - MIN_GAIN * share) * unmatched:
            return there
        share /= 2.0
    return None


def _newton_direction(here: _Point) -> np.ndarray:
    """Price changes that would clear all markets in which somebody reacts, were no row to reach or leave a limit."""
    live, step = here.slope > 0.0, np.zeros(N_MARKETS)
    step[live] = _solve(_among(here.jacobian, live), here.excess[live][:, None])[:, 0]
    return step


def _walk(demand: _Demand, here: _Point, stuck: np.ndarray) -> _Point:
    """Follow the prices along which all imbalances shrink in proportion, from kink to kink, as far as they lead.

    On such a path every stretch is one Newton direction; it cannot turn back where the Jacobian's determinant keeps
    its sign, hence not where the solution is unique (Katzenelson 1965, Bell System Technical Journal 44, 1605-1620).
    """
    for _ in range(2 * demand.rows.size + 1):
        step = _newton_direction(here)
        share = demand.next_kink(here.x, step)
        here = demand.at(here.x + min(share, 1.0) * step)
        if share >= 1.0 or (~stuck & (here.slope <= 0.0) & (here.over > 0.0)).any():
            break
    return here


def _solve(jacobian: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solution of the linear system (markets, right-hand sides); the least-squares one if it is (nearly) singular.

    Nearly singular: own-market slopes times the solution exceed the right-hand side SINGULAR times.
    """
    try:
        solution = np.linalg.solve(jacobian, right)
        if _is_regular(jacobian, solution, right):
            return solution
    except np.linalg.LinAlgError:
        pass
    scale = np.sqrt(jacobian.diagonal())
    scaled = np.linalg.lstsq(jacobian / np.outer(scale, scale), (right.T / scale).T, rcond=1.0 / SINGULAR)[0]
    return (scaled.T / scale).T


@njit(cache=True)
def _is_regular(jacobian, solution, right):  # type: ignore
    """Whether own-market slopes times the solution are at most SINGULAR times the right-hand side."""
    most = 0.0
    for m in range(right.shape[0]):
        for k in range(right.shape[1]):
            most = max(most, SINGULAR * abs(right[m, k]))
    for m in range(right.shape[0]):
        for k in range(right.shape[1]):
            if not abs(jacobian[m, m] * solution[m, k]) <= most:
                return False
    return True


def _among(jacobian: np.ndarray, markets: np.ndarray) -> np.ndarray:
    """The Jacobian of some markets, flags (markets,), among themselves."""
    return jacobian if markets.all() else jacobian[np.ix_(markets, markets)]


def _cross_flat_stretches(demand: _Demand, here: _Point) -> tuple[_Point, np.ndarray]:
    """Move markets that do not balance and where nobody reacts to where somebody does; stuck where nobody ever does."""
    stuck = np.zeros(N_MARKETS, dtype=bool)
    flat = (here.over > 0.0) & (here.slope <= 0.0)
    if not flat.any():
        return here, stuck
    x = here.x.copy()
    for m in np.flatnonzero(flat).tolist():
        x[m], cleared = _clear_alone(demand, here, m)
        stuck[m] = not cleared
    return demand.at(x), stuck


def _clear_alone(demand: _Demand, here: _Point, m: int) -> tuple[float, bool]:
    """Log change that clears market m, all other prices given, and whether there is one.

    Demand is linear between kinks, so the kinks on either side of the root give it exactly. Without a root the price
    is put beyond the last kink, where nobody reacts.
    """
    own = _OwnDemand(demand, m)
    rest, kinks = here.excess[m] - own.at(here.x[m]), demand.kinks(m)
    left, right = -1, kinks.size  # excess demand at left, none at right
    while right - left > 1:
        middle = (left + right) // 2
        left, right = (middle, right) if rest + own.at(kinks[middle]) > 0.0 else (left, middle)
    if left >= 0 and right < kinks.size:
        above, below = rest + own.at(kinks[left]), rest + own.at(kinks[right])
        if abs(below) <= here.tolerance[m]:
            return demand.flat_end(m, float(kinks[right])), True
        return float(kinks[left] + (kinks[right] - kinks[left]) * above / (above - below)), True
    edge = beyond = float(here.x[m])
    if kinks.size:
        edge = float(kinks[max(left, 0)])
        beyond = edge + (1.0 if left >= 0 else -1.0)
    excess, slope = rest + own.at(edge), own.slope_at(beyond)
    if slope > 0.0 and abs(edge + excess / slope) <= FURTHEST:
        return edge + excess / slope, True
    return (edge, True) if abs(excess) <= here.tolerance[m] else (beyond, False)


class _OwnDemand:
    """Demand in market m as a function of its own price only: its rows, their weights, joint slope."""

    def __init__(self, demand: _Demand, m: int) -> None:
        own = demand.of_market(m) & (demand.rows["slope"] > 0.0)
        self.rows, self.weight = demand.rows[own], demand.weight_at(m)[own]
        self.joint_slope = float(demand.matrix[:, m, m].sum())

    def at(self, y: float) -> float:
        """USD bn bought at log change y."""
        bought = np.clip(self.rows["quantity"] - self.rows["slope"] * y, self.rows["lo"], self.rows["hi"])
        return float(self.weight @ bought) - self.joint_slope * y

    def slope_at(self, y: float) -> float:
        """USD bn per unit of log price at log change y."""
        bought = self.rows["quantity"] - self.rows["slope"] * y
        free = (bought > self.rows["lo"]) & (bought < self.rows["hi"])
        return float(self.weight @ (self.rows["slope"] * free)) + self.joint_slope


# -- rationing -----------------------------------------------------------------------------------------------------


def _ration(demand: _Demand, here: _Point, stuck: np.ndarray) -> None:
    """Put the price of stuck markets where the last slope ended and limit their long side to what it can get."""
    for m in np.flatnonzero(stuck).tolist():
        here.x[m] = demand.flat_end(m, here.x[m])
        _cut_long_side(demand, here.x, m)


def _cut_long_side(demand: _Demand, x: np.ndarray, m: int) -> None:
    """Limit the long side of market m to its pro rata fills at x.

    Legs of trades elsewhere come first; outright orders and joint schedules share what is left.
    """
    fill, joint, own = demand.fills(x), demand.joint_fills(x)[:, m], demand.of_market(m)
    flow = demand.weight_at(m) * fill
    side = 1.0 if flow.sum() + joint.sum() > 0.0 else -1.0
    long, joint_long = side * flow > 0.0, side * joint > 0.0
    short = -side * (flow[~long].sum() + joint[~joint_long].sum())
    legs = side * flow[long & ~own].sum()
    outright = side * (flow[long & own].sum() + joint[joint_long].sum())
    if outright > 0.0:
        keep = max(0.0, short - legs) / outright
        demand.limit(long & own, fill, keep)
        demand.fix_joint(m, np.where(joint_long, keep * joint, joint))
    if legs > short:
        demand.limit(long & ~own, fill, short / legs)


def _cancel(demand: _Demand, m: int) -> None:
    """Cancel every trade that touches market m."""
    demand.fix(demand.weight_at(m) != 0.0, 0.0)
    demand.fix_joint(m, 0.0)


def _cut_until_balanced(demand: _Demand, x: np.ndarray, rationed: np.ndarray) -> None:
    """Fix every schedule at its fill and cut long sides, market after market, until nothing is unmatched."""
    demand.fix(np.ones(demand.rows.size, dtype=bool), demand.fills(x))
    for m, joint in enumerate(demand.joint_fills(x).T):
        demand.fix_joint(m, joint)
    for cuts in range(MAX_CUTS + N_MARKETS):
        for m in np.flatnonzero(demand.at(x).over).tolist():
            rationed[m] = True
            if cuts < MAX_CUTS:
                _cut_long_side(demand, x, m)
            else:
                _cancel(demand, m)


# -- who moved the market ------------------------------------------------------------------------------------------


def attribute(
    orders: np.ndarray, schedules: Sequence[MatrixSchedule], clearing: Clearing, n_sectors: int
) -> np.ndarray:
    """Split the log price change exactly by who caused it: (n_sectors, reasons, markets), summing to log_change.

    With the rows off their limits known, clearing is linear, ``J x = sum of pushes``: a row pushes by what it would
    have bought at the quote if off its limits, by its fill otherwise (at a limit, or cut by rationing), a joint
    schedule by its intercepts. One solve gives every push its part of x, including what it does to other markets.
    In a market where nobody reacts to the price at the solution, the move is shared by those who pushed in its
    direction, in proportion to what they wanted at the quote; so is the rounding error of the solve.
    """
    sectors = np.concatenate([orders["sector"], [s.sector for s in schedules]])
    if sectors.size and not 0 <= sectors.min() <= sectors.max() < n_sectors:
        raise ValueError(f"orders of sectors {sectors.min():g} to {sectors.max():g}; need 0 to {n_sectors - 1}")
    x = clearing.log_change
    jacobian, push, wanted = _linear_clearing(orders, schedules, clearing, n_sectors)
    groups, push, share, flat = _who_pushed(push, wanted, x, jacobian)
    part = np.zeros_like(push)
    if flat.any():
        part = np.where(flat, share * x, 0.0)
        part[:, ~flat] = _solve(_among(jacobian, ~flat), (push - part @ jacobian.T)[:, ~flat].T).T
    else:
        part[:] = _solve(jacobian, push.T).T
    parts = np.zeros((n_sectors * len(REASONS), N_MARKETS))
    _add_rounding(parts, groups, part, share, x)
    return parts.reshape(n_sectors, len(REASONS), N_MARKETS)


def _linear_clearing(
    orders: np.ndarray, schedules: Sequence[MatrixSchedule], clearing: Clearing, n_sectors: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The clearing as linear equations: Jacobian (markets, markets), pushes and wishes at the quote (groups, markets).

    Groups are (sector, reason) pairs, row-major. USD bn; the Jacobian is that of minus excess demand.
    """
    jacobian = sum((s.matrix for s in schedules), np.zeros((N_MARKETS, N_MARKETS)))
    push, wanted = np.zeros((2, n_sectors * len(REASONS), N_MARKETS))
    _add_pushes(orders, clearing.filled, clearing.log_change, len(REASONS), jacobian, push, wanted)
    for schedule, filled in zip(schedules, clearing.matrix_filled, strict=True):
        first = schedule.sector * len(REASONS)
        for reason, intercept in schedule.intercepts.items():
            push[first + REASON[reason]] += intercept
            wanted[first + REASON[reason]] += intercept
        cut = filled + schedule.matrix @ clearing.log_change - schedule.intercept
        push[first + REASON["market_making"]] += cut
    return jacobian, push, wanted


@njit(cache=True)
def _add_pushes(rows, filled, x, reasons, jacobian, push, wanted):  # type: ignore
    """Add every row's slope to minus the Jacobian, its push and its wish at the quote to its group's (groups, markets).

    For a leg the wish is what the trade brings at the solution: its size does not depend on the exchange rate.
    """
    for i in range(rows.size):
        row = rows[i]
        m, group = row.market, row.sector * reasons + row.reason
        on_schedule = row.quantity - row.slope * x[m]
        free = row.lo < on_schedule < row.hi and filled[i] == on_schedule
        reaction = row.slope if free else 0.0
        pushed = filled[i] + reaction * x[m]
        jacobian[m, m] += reaction
        push[group, m] += pushed
        wanted[group, m] += min(max(row.quantity, row.lo), row.hi)
        for fx, sign in ((row.fx1, row.sign1), (row.fx2, row.sign2)):
            if fx >= 0:
                weight = sign * (1.0 - row.hedge)
                jacobian[fx, m] += weight * reaction
                push[group, fx] += weight * pushed
                wanted[group, fx] += weight * filled[i]


@njit(cache=True)
def _who_pushed(push, wanted, x, jacobian):  # type: ignore
    """Groups with any push or wish: their numbers, pushes and shares of the move (groups, markets), and flat markets.

    Shares are of those who pushed in the direction of x; where nobody did so, of all who traded there, or anywhere.
    Flat are markets, flags (markets,), in which the reaction to the price is too small to be told from rounding.
    """
    some = np.zeros(push.shape[0], dtype=np.bool_)
    for g in range(some.size):
        for m in range(x.size):
            some[g] |= push[g, m] != 0.0 or wanted[g, m] != 0.0
    groups = np.flatnonzero(some)
    push, wanted = push[groups], wanted[groups]
    turnover, size = np.abs(wanted) + np.abs(push), np.zeros(x.size)
    anywhere = np.empty(groups.size)
    for g in range(groups.size):
        anywhere[g] = pairwise_sum(turnover[g])
        for m in range(x.size):
            size[m] += abs(push[g, m])
    share = np.empty_like(push)
    for m in range(x.size):
        weight = share[:, m]
        weight[:] = np.maximum(np.sign(x[m]) * wanted[:, m], 0.0)
        if _total(weight) <= 0.0:
            weight[:] = turnover[:, m]
        if _total(weight) <= 0.0:
            weight[:] = anywhere
        if _total(weight) > 0.0:
            weight /= _total(weight)
    return groups, push, share, np.diag(jacobian) * FURTHEST <= TOLERANCE * size


@njit(cache=True)
def _total(values):  # type: ignore
    """Sum, one after the other."""
    total = 0.0
    for i in range(values.size):
        total += values[i]
    return total


@njit(cache=True)
def _add_rounding(parts, groups, part, share, x):  # type: ignore
    """Put the groups' parts (groups, markets) into all parts; what they lack of x is shared out."""
    for m in range(x.size):
        lacking = x[m] - _total(part[:, m])
        for g in range(groups.size):
            parts[groups[g], m] = part[g, m] + lacking * share[g, m]
