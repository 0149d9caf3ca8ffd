"""The ledger: who owns and owes what. Every change has two sides.

Rows are accounts: a sector's members, then its house accounts, sectors in registry order. Four tables:

- units (rows, markets): bonds in bn of face, index units, bitcoins in bn. They add up to ``issued``, which only an
  issuer's own cash trades change (the government sells bonds it does not own).
- cash (rows, currencies): bn of the currency; adds up to zero, because money is owed by somebody: yen by the Bank of
  Japan, dollars by the Federal Reserve, euros by the ECB, other currencies and bank money by the rest of the world.
- loans (rows, currencies): positive owed, negative lent; adds up to zero.
- contracts (rows, markets): forwards, futures and perpetuals, in units of the market; adds up to zero. They have no
  value of their own: `mark` pays each change of price in cash.

The rest of the world holds, on day 0, what is outstanding and nobody else holds, and owes the cash that others have.
From then on it changes by postings like everybody else.
"""

import mmap
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from abm.world import posting
from abm.world.book import Book, Opening
from abm.world.economy import DAYS_PER_YEAR
from abm.world.errors import InputError
from abm.world.instruments import (
    BASE_CCY,
    CURRENCIES,
    EUR,
    HOLDABLE,
    IDS,
    INCOME_PCT,
    IS_BOND,
    IS_FX,
    JPY,
    MARKETS,
    N_CCY,
    N_MARKETS,
    QUOTE_CCY,
    REST,
    USD,
    is_constant,
    price_of,
    unit_value_usd,
    usd_per_currency,
)
from abm.world.orders import MatrixSchedule

Array = np.ndarray[Any, Any]

ARBITRAGEURS: Final = "arbitrageurs"
MONEY_ISSUERS: Final = {"bank_of_japan": JPY, "federal_reserve": USD, "european_central_bank": EUR}
TOLERANCE: Final = 1e-9  # of the gross sum, for every identity (SOURCES.md 8)
_NOTHING: Final = np.zeros(N_MARKETS)


class LedgerError(RuntimeError):
    """The books are not, or would no longer be, in balance: says where, on which day and by how much."""


class Ledger:
    """Tables of all accounts and the only ways to change them.

    rows: slice of each sector. start: first row of each sector, then the number of rows.
    issued: (markets,) units in existence. mark_log: (markets,) log prices contracts were last settled at.
    share: (rows,) part of its sector's lending a row takes: its part of the sector's equity on day 0.
    owns, open_in (sectors, markets), money (sectors, currencies): where a sector may have units, contracts, cash or
    loans. Columns of a table are contiguous, and those a sector never uses are never touched: they take no memory, but
    in copies of the ledger they do.
    """

    def __init__(self, rows: Mapping[str, int]) -> None:
        if rows.get(REST, 0) < 1:
            raise ValueError(f"the ledger needs a sector {REST} with at least one row, got {dict(rows)}")
        self.sectors = tuple(rows)
        self.index = {name: i for i, name in enumerate(rows)}
        self.start = np.concatenate([[0], np.cumsum(list(rows.values()))]).astype(np.int64)
        self.rows = {name: slice(int(self.start[i]), int(self.start[i + 1])) for name, i in self.index.items()}
        n = int(self.start[-1])
        self.units, self.contracts = _empty_table(n, N_MARKETS), _empty_table(n, N_MARKETS)
        self.cash, self.loans = _empty_table(n, N_CCY), _empty_table(n, N_CCY)
        self.issued, self.mark_log = np.zeros(N_MARKETS), np.zeros(N_MARKETS)
        self.share = np.zeros(n)
        self.owns, self.open_in = np.zeros((2, len(rows), N_MARKETS), dtype=np.bool_)
        self.money = np.zeros((len(rows), N_CCY), dtype=np.bool_)
        self._issuer, self._issuer_row = self._issuers()
        self._exempt = self._may_be_overdrawn()
        self._lenders: dict[str, str] | None = None
        self._plan = (np.zeros(0, np.int64), np.zeros(0, np.int64))
        self._largest = {
            name: np.zeros(getattr(self, name).shape[1]) for name in ("units", "contracts", "cash", "loans")
        }

    def book(self, sector: str) -> Book:
        """The sector's rows, read-only; they follow the ledger."""
        s, rows = self.index[sector], self.rows[sector]
        tables = self.units, self.cash, self.loans, self.contracts
        units, cash, loans, contracts = (_read_only(table[rows]) for table in tables)
        used = self.owns[s], self.open_in[s], self.money[s]
        return Book(units, cash, loans, contracts, *used, (rows.start, *tables))

    # -- day 0 -----------------------------------------------------------------------------------------------------

    def open(
        self,
        openings: Mapping[str, Opening],
        outstanding_usd_bn: Array,
        log_price: Array,
        lenders: Mapping[str, str] | None = None,
    ) -> None:
        """Book the sectors' opening positions and close the system.

        Contracts: arbitrageurs take the other side of all contracts together with the spot position that hedges it.
        Loans: lent by the borrower's lender out of its cash; the rest of the world lends what has no other lender.
        The rest of the world holds what is outstanding and not held, and the other side of all cash.

        outstanding_usd_bn: (markets,), 0 for exchange rates. lenders: lender of each sector's members, as in `fund`.
        InputError if more is held than is outstanding.
        """
        self._book_openings(openings, log_price)
        self._find_used()
        self.mark_log = np.array(log_price, dtype=float)
        self.issued = outstanding_usd_bn / unit_value_usd(log_price)
        self._set_shares(log_price)
        self._hedge_contracts(np.exp(log_price))
        self._lend_opening_loans(lenders or {})
        self._close_with_rest(outstanding_usd_bn, unit_value_usd(log_price))
        self._find_used()

    def _find_used(self) -> None:
        """Mark every column of every sector that is not zero, and the currencies of the markets it is in."""
        for s, rows in enumerate(self.rows.values()):
            self.owns[s] |= self.units[rows].any(axis=0)
            self.open_in[s] |= self.contracts[rows].any(axis=0)
            self.money[s] |= self.cash[rows].any(axis=0) | self.loans[rows].any(axis=0)
            self.money[s, QUOTE_CCY[self.owns[s] | self.open_in[s]]] = True

    def _book_openings(self, openings: Mapping[str, Opening], log_price: Array) -> None:
        """Opening books from USD bn into units and currencies."""
        per_unit, per_currency = unit_value_usd(log_price), usd_per_currency(log_price)
        for name, opening in openings.items():
            if name not in self.rows:
                raise ValueError(f"opening of {name!r}, which has no rows; the ledger has {', '.join(self.sectors)}")
            for field, usd in (
                ("units", per_unit), ("cash", per_currency), ("loans", per_currency), ("contracts", per_unit),
            ):  # fmt: skip
                value = np.asarray(getattr(opening, f"{field}_usd_bn"), dtype=float)
                table = getattr(self, field)[self.rows[name]]
                if value.shape != table.shape or not np.isfinite(value).all():
                    raise ValueError(
                        f"opening of {name}: {field}_usd_bn must be finite with shape {table.shape}, got {value.shape}"
                    )
                for column in np.flatnonzero(value.any(axis=0)):
                    table[:, column] = value[:, column] / usd[column]
            if self.units[self.rows[name]][:, IS_FX].any():
                raise ValueError(f"opening of {name}: currencies are held as cash, not as units of an exchange rate")

    def _set_shares(self, log_price: Array) -> None:
        """Members share their sector's lending by their positive equity on day 0, equally if none has any."""
        for name, rows in self.rows.items():
            equity = np.maximum(self.book(name).equity_usd(log_price), 0.0)
            total = equity.sum()
            self.share[rows] = equity / total if total > 0.0 else 1.0 / max(equity.size, 1)

    def _hedge_contracts(self, price: Array) -> None:
        """Arbitrageurs are short what all others are long by contract, and own it in the cash market, funded by loans.

        Without arbitrageurs the rest of the world takes the contracts against what it owns.
        """
        rows = self.rows.get(ARBITRAGEURS, slice(0, 0))
        total = self._total(self.contracts)
        if rows.start == rows.stop:
            self.contracts[self.rows[REST].start] -= total
            return
        amounts = np.outer(self.share[rows], total)
        self.contracts[rows] -= amounts
        self.units[rows][:, HOLDABLE] += amounts[:, HOLDABLE]
        for m in range(N_MARKETS):
            if IS_FX[m]:
                self._owe_or_own(rows, int(BASE_CCY[m]), amounts[:, m])
            self._owe_or_own(rows, int(QUOTE_CCY[m]), -amounts[:, m] * price[m])

    def _owe_or_own(self, rows: slice, currency: int, amounts: Array) -> None:
        """Positive amounts are owned as cash, negative ones owed as loans."""
        self.cash[rows, currency] += np.maximum(amounts, 0.0)
        self.loans[rows, currency] += np.maximum(-amounts, 0.0)

    def _lend_opening_loans(self, lenders: Mapping[str, str]) -> None:
        """Loans of sectors whose lender is not the rest of the world are lent by that sector out of its cash."""
        owed = {name: self.loans[rows].sum(axis=0) for name, rows in self.rows.items()}
        for name, lender in lenders.items():
            if lender != REST:
                lent = np.outer(self.share[self.rows[lender]], owed[name])
                self.loans[self.rows[lender]] -= lent
                self.cash[self.rows[lender]] -= lent

    def _close_with_rest(self, outstanding_usd_bn: Array, per_unit: Array) -> None:
        """The first account of the rest of the world gets what is outstanding, owed and owned beyond all others."""
        row = self.rows[REST].start
        held_usd_bn = self._total(self.units) * per_unit
        left = outstanding_usd_bn - held_usd_bn
        for m in np.flatnonzero(~(left >= -TOLERANCE * np.abs(outstanding_usd_bn)) | (IS_FX & (left != 0.0))):
            raise InputError(
                f"{IDS[m]}: sectors hold {held_usd_bn[m]:,.6g} USD bn of {outstanding_usd_bn[m]:,.6g} USD bn "
                "outstanding (0 for an exchange rate); lower the holdings or raise the outstanding amount in the state"
            )
        self.units[row] += left / per_unit
        self.cash[row] -= self._total(self.cash)
        self.loans[row] -= self._total(self.loans)

    def _total(self, table: Array) -> Array:
        """Column sums, sector by sector, so that a sector with empty books does not change a bit of them."""
        return np.sum([table[rows].sum(axis=0) for rows in self.rows.values()], axis=0)

    # -- the day's trades ------------------------------------------------------------------------------------------

    def settle(
        self,
        orders: Array,
        filled_usd_bn: Array,
        schedules: Sequence[MatrixSchedule],
        matrix_filled: Sequence[Array] | Array,
        quote_log: Array,
        price_log: Array,
        day: int,
    ) -> Array:
        """Deliver and pay what was filled; filled amounts are increments over what has been settled before.

        An amount f USD bn at the quote is f / (USD per unit at the quote) units, paid at ``price_log``. A cash order
        delivers units, or the base currency in an exchange-rate market, against the quote currency; its currency
        legs deliver spot, and sell the share ``hedge`` forward. A contract order opens a contract at ``price_log``:
        earlier contracts are marked to it first. Every order pays half the spread on its trade and its legs.

        The other side is the sectors with a joint schedule, or the rest of the world if there is none. Together
        they take minus all contracts, and in the cash markets the rest of what they bought, so they hold the bond
        against the future and the bitcoin against the perpetual; contracts and costs are shared by capacity (their
        schedules' own-market slopes), then by their members' weights.

        orders: rows of `orders.ORDER`. filled_usd_bn: (orders,). matrix_filled: (markets,) USD bn at the quote for
        each schedule. Returns (markets,) what the schedules' owners had to take beyond ``matrix_filled`` for the
        books to balance, USD bn: the auction's imbalance.
        """
        orders = np.ascontiguousarray(orders)
        filled = np.ascontiguousarray(filled_usd_bn, dtype=float)
        self._refuse_bad_orders(orders, filled, day)
        takers, weights, slopes = self._takers_of_trades(schedules, day)
        taken_usd = np.asarray(matrix_filled, dtype=float) if schedules else np.zeros((0, N_MARKETS))
        if schedules and taken_usd.shape != slopes.shape:
            raise LedgerError(f"day {day}: matrix_filled has shape {taken_usd.shape}, expected {slopes.shape}")
        self.mark(price_log)
        worth, price = unit_value_usd(quote_log), price_of(price_log)
        traded, beyond = posting.post_trades(
            orders, filled, taken_usd, slopes, self.start, self._issuer, worth, price, self.units, self.cash,
            self.contracts, self.issued, self.owns, self.open_in, self.money, *self._largest.values(),
        )  # fmt: skip
        for k, s in enumerate(takers):
            posting.post_taker(
                s, weights[k], traded[k], self.start, price,
                self.units, self.cash, self.contracts, self.owns, self.open_in, self.money,
            )  # fmt: skip
        return np.asarray(beyond * worth)

    def _refuse_bad_orders(self, orders: Array, filled: Array, day: int) -> None:
        """LedgerError for an order that belongs to no account or whose fill is not a number."""
        if filled.shape != orders.shape:
            raise LedgerError(f"day {day}: {filled.size} fills for {orders.size} orders; give one fill per order")
        k = posting.first_bad_row(orders, filled, self.start)
        if k >= 0:
            s, member = int(orders["sector"][k]), int(orders["member"][k])
            name = self.sectors[s] if 0 <= s < len(self.sectors) else f"number {s}"
            raise LedgerError(
                f"day {day}: order {k} in {IDS[orders['market'][k]]} fills {filled[k]:g} USD bn for member {member} of "
                f"sector {name}; expected a finite amount and an existing account"
            )

    def _takers_of_trades(self, schedules: Sequence[MatrixSchedule], day: int) -> tuple[list[int], list[Array], Array]:
        """Who takes the other side: sectors, weights of their members (members, markets) and slopes (sectors, markets)
        by which they share what is left."""
        if not schedules:
            return [self.index[REST]], [np.ones((1, N_MARKETS))], np.ones((1, N_MARKETS))
        for schedule in schedules:
            if schedule.uneven_market is not None:
                m = schedule.uneven_market
                raise LedgerError(
                    f"day {day}: weights of {self.sectors[schedule.sector]} in {IDS[m]} add up to "
                    f"{schedule.weights[:, m].sum():g}, not 1"
                )
        slopes = np.array([schedule.slope for schedule in schedules])
        return [schedule.sector for schedule in schedules], [schedule.shares for schedule in schedules], slopes

    # -- prices, funding, income -----------------------------------------------------------------------------------

    def mark(self, price_log: Array) -> None:
        """Variation margin: every contract is paid its change of price since the last mark, in the quote currency."""
        change = price_of(price_log) - price_of(self.mark_log)
        posting.post_variation(self.start, self.open_in, change, self.contracts, self.cash)
        self.mark_log = price_log if is_constant(price_log) else np.array(price_log, dtype=float)

    def fund(self, lenders: Mapping[str, str]) -> None:
        """Negative cash becomes a loan in that currency; positive cash first repays loans in it.

        lenders: sector -> sector that lends to it; those left out borrow from the rest of the world. A lender that
        is thereby overdrawn borrows from its own lender, and its table shows lending net of borrowing. The
        rest of the world, and who issues a currency in that currency, may be overdrawn.
        """
        if lenders != self._lenders:
            self._plan = self._funding_plan(lenders)
            self._lenders = dict(lenders)
        borrowers, lending = self._plan
        posting.post_funding(
            borrowers, lending, self.start, self._exempt, self.share, self.money, self.cash, self.loans
        )

    def _funding_plan(self, lenders: Mapping[str, str]) -> tuple[Array, Array]:
        """Sectors in the order they are funded, those who borrow from other borrowers first, and their lenders."""
        distance = {}
        for name in self.sectors:
            at, steps = name, 0
            while at != REST:
                at, steps = lenders.get(at, REST), steps + 1
                if at not in self.rows or self.rows[at].start == self.rows[at].stop or steps > len(self.sectors):
                    raise ValueError(f"lender of {name}: {at!r} has no account or borrows, in the end, from itself")
            distance[name] = steps
        order = sorted((s for s in self.sectors if s != REST), key=lambda s: -distance[s])
        lending = [self.index[lenders.get(s, REST)] for s in order]
        return np.array([self.index[s] for s in order], dtype=np.int64), np.array(lending, dtype=np.int64)

    def accrue(
        self,
        log_price: Array,
        yields_pct: Array,
        policy_rate_pct: Array,
        spread_pct: Array,
        contract_carry_pct: Array,
        days: float = 1.0,
    ) -> None:
        """Income of some trading days (250 a year), per cent a year of value, paid in the market's currency.

        Bonds pay their yield, equities their dividend, from the issuer to the owner. Cash earns and loans cost the
        policy rate; who owes money owed as cash pays it. Borrowers pay ``spread_pct`` (sectors,) on top, to who
        lends that currency, pro rata. A long contract earns ``contract_carry_pct``, paid by the shorts.
        """
        year = days / DAYS_PER_YEAR
        price = price_of(log_price)
        rate, spread = policy_rate_pct / 100.0 * year, spread_pct / 100.0 * year
        posting.post_interest(self.start, self.money, rate, spread, self.cash, self.loans)
        income = np.where(IS_BOND, yields_pct, INCOME_PCT) / 100.0 * year * price
        carry = contract_carry_pct / 100.0 * year * price
        posting.post_income(self.start, self.owns, self.open_in, income, carry, self.units, self.contracts, self.cash)
        np.subtract.at(self.cash, (self._issuer_row, QUOTE_CCY), self.issued * income)
        self.money[self._sector_of(self._issuer_row), QUOTE_CCY] = True

    # -- payments between accounts ---------------------------------------------------------------------------------

    def transfer(self, payer_rows: Any, payee_rows: Any, currency: int, amounts: Any) -> None:
        """Cash from payers to payees, bn of the currency; rows are rows of the ledger, one or as many as amounts."""
        payers, payees, amounts = np.broadcast_arrays(payer_rows, payee_rows, np.asarray(amounts, dtype=float))
        np.subtract.at(self.cash[:, currency], payers, amounts)
        np.add.at(self.cash[:, currency], payees, amounts)
        self.money[self._sector_of(payers), currency] = self.money[self._sector_of(payees), currency] = True

    def collect(self, payers: Array, paid: Array, payees: Array, received: Array, currency: int) -> None:
        """Cash from distinct payers to distinct payees, bn of the currency; both sides add up to the same."""
        self.cash[payers, currency] -= paid
        self.cash[payees, currency] += received
        self.money[self._sector_of(payers), currency] = self.money[self._sector_of(payees), currency] = True

    def transfer_from(self, payer_row: int, payees: slice, amounts: Array) -> None:
        """Cash in all currencies from one account to several; amounts (payees, currencies) bn, negative is received."""
        paid = np.flatnonzero(amounts.any(axis=0))
        for currency in paid:
            self.cash[payees, currency] += amounts[:, currency]
            self.cash[payer_row, currency] -= amounts[:, currency].sum()
        self.money[self._sector_of(payees.start), paid] = self.money[self._sector_of(payer_row), paid] = True

    def absorb(self, row: Any, creditor_row: Any, share: Any = 1.0) -> None:
        """Creditors take over all that failed accounts own and owe; with several creditors, each its share."""
        rows = np.unique(row)
        creditors, share = self._takers(rows, creditor_row, share)
        failed, takers = self._sector_of(rows), self._sector_of(creditors)
        for table, used in (
            (self.units, self.owns), (self.cash, self.money), (self.loans, self.money), (self.contracts, self.open_in),
        ):  # fmt: skip
            columns = used[failed].any(axis=0)
            used[takers] |= columns
            for column in np.flatnonzero(columns):
                passed_on = share * table[rows, column].sum()
                table[rows, column] = 0.0
                np.add.at(table[:, column], creditors, passed_on)

    def novate(self, row: Any, counterparty_row: Any, market: int, share: Any = 1.0) -> None:
        """Counterparties take over all contracts of some accounts in one market, each its share, at the last mark."""
        rows = np.unique(row)
        takers, share = self._takers(rows, counterparty_row, share)
        passed_on = share * self.contracts[rows, market].sum()
        self.contracts[rows, market] = 0.0
        np.add.at(self.contracts[:, market], takers, passed_on)
        self.open_in[self._sector_of(takers), market] = self.money[self._sector_of(takers), QUOTE_CCY[market]] = True

    def _takers(self, rows: Array, taker_row: Any, share: Any) -> tuple[Array, Array]:
        """Rows that take something over and their shares, checked."""
        takers, share = np.broadcast_arrays(np.atleast_1d(taker_row), np.asarray(share, dtype=float))
        gives = np.zeros(len(self.share), dtype=bool)
        gives[rows] = True
        if gives[takers].any() or not abs(share.sum() - 1.0) < 1e-9:
            raise ValueError(
                f"rows {takers[:5]} take over from {rows[:5]} with shares adding up to {share.sum():g}; "
                "the two must differ and the shares add up to 1"
            )
        return takers, share / share.sum()

    # -- identities ------------------------------------------------------------------------------------------------

    def gross_usd_bn(self, log_price: Array) -> Array:
        """Absolute value of all holdings and contracts by sector, USD bn, (sectors,)."""
        worth = unit_value_usd(log_price)
        return posting.gross_by_sector(self.start, self.owns, self.open_in, self.units, self.contracts, worth)

    def check(self, day: int) -> None:
        """LedgerError unless units add up to what is issued and cash, loans and contracts to zero.

        Tolerance: 1e-9 of the gross sum, or of the largest one there has been (a market that was closed out
        leaves the rounding of what was once open). Columns that a sector does not use are not read: they are zero.
        """
        for name, used, target, names in (
            ("units", self.owns, self.issued, IDS),
            ("contracts", self.open_in, _NOTHING, IDS),
            ("cash", self.money, _NOTHING, CURRENCIES),
            ("loans", self.money, _NOTHING, CURRENCIES),
        ):
            table = getattr(self, name)
            i = posting.out_of_balance(table, self.start, used, target, self._largest[name], TOLERANCE)
            if i >= 0:
                net, gross = posting.net_and_gross(table[:, i])
                raise LedgerError(
                    f"day {day}: {name} in {names[i]} add up to {net:.12g} bn over all accounts, "
                    f"off by {net - target[i]:.6g} bn (gross {gross:.6g} bn): a posting had one side only"
                )

    def _sector_of(self, rows: Any) -> Array:
        """Number of the sector each row belongs to."""
        return np.asarray(np.searchsorted(self.start, rows, side="right") - 1)

    # -- fixed facts -----------------------------------------------------------------------------------------------

    def _issuers(self) -> tuple[Array, Array]:
        """Per market: the sector whose sale is issuance (-1 for none), and the account that pays coupon or dividend."""
        issuer = [self.index.get(m.issuer, -1) if m.issuer != REST else -1 for m in MARKETS]
        payer = [self.rows[self.sectors[s]].start if s >= 0 else self.rows[REST].start for s in issuer]
        return np.array(issuer, dtype=np.int64), np.array(payer, dtype=np.int64)

    def _may_be_overdrawn(self) -> Array:
        """(sectors, currencies): a central bank in its own currency; the rest of the world never borrows anyway."""
        exempt = np.zeros((len(self.sectors), N_CCY), dtype=np.bool_)
        for name, currency in MONEY_ISSUERS.items():
            if name in self.index:
                exempt[self.index[name], currency] = True
        return exempt


def _empty_table(rows: int, columns: int) -> Array:
    """Zeros, columns contiguous, on ordinary pages of memory that are taken up when first written to.

    NumPy asks for pages of 2 MB for large arrays, so that the few rows of a small sector would take up as much. The
    memory is private: a forked worker writes into books of its own.
    """
    if not hasattr(mmap, "MAP_ANONYMOUS"):  # Windows
        return np.zeros((rows, columns), order="F")
    pages = mmap.mmap(-1, 8 * rows * columns, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.ndarray((rows, columns), order="F", buffer=pages)


def _read_only(view: Array) -> Array:
    view.flags.writeable = False
    return view
