"""Small faults put into the ledger, the auction and margins, one at a time: do the tests notice?

`make mutants` (or `python -m tests.mutants --sample 50`). First the tests run without a fault, and it is noted which of
them run which line, or compiled loop, and how long they take. Then every mutant is tried in a process of its own,
forked from the one that has all tests ready: the function with the fault gets its new code, and the tests that run
its line follow, those first that noticed most faults of that function and the quick ones before the slow, until one
fails. A test that takes far longer than without the fault has noticed it too.

Results are kept in ``--results``, line by line, so that a search that was broken off goes on where it was: what was
killed is not tried again while its module is the same, nor what survived while the tests are the same too. What
survives is printed with its line; those in `EQUIVALENT` change no result that anybody can see and are left out.
"""

import argparse
import ast
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import json
import os
import random
import signal
import sys
import time
import types
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
MODULES: Final = ("margin", "ledger", "auction", "posting")
TESTS: Final = ("tests/world", "tests/test_margin_day.py")
TIME_FACTOR, MORE_SECONDS = 5.0, 10.0  # processor time a test may take: so many times what it took, and so much more
SWAPS: Final[dict[type[Any], type[Any]]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.And: ast.Or, ast.Or: ast.And,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
NAMES: Final = {"minimum": "maximum", "maximum": "minimum", "min": "max", "max": "min", "any": "all", "all": "any"}
_PLAN: Final = "self._plan = (np.zeros(0, np.int64), np.zeros(0, np.int64))"
_ISSUER: Final = "issuer = [self.index.get(m.issuer, -1) if m.issuer != REST else -1 for m in MARKETS]"
_CHARGED: Final = "if money[c] and per_currency[c] > 0.0:"
_SALE: Final = 'HOLDABLE, -owned_usd, "liquidation", lo=np.minimum(-owned_usd, 0.0), hi=np.maximum(-owned_usd, 0.0),'
_KEPT: Final = "kept, left = (1.0 - undone / np.where(total > 0.0, total, 1.0) for total in (bought, sold))"
_POSITION: Final = 'return np.asarray(account * N_MARKETS + orders["market"])'
_FIRST_STEP: Final = "at, steps = name, 0"
_TOO_FAR: Final = "if at not in self.rows or self.rows[at].start == self.rows[at].stop or steps > len(self.sectors):"
_WHOLE: Final = "if gives[takers].any() or not abs(share.sum() - 1.0) < 1e-9:"
_NAMES: Final = "row = zip(orders.dtype.names or (), orders[unsound], strict=True)"
_NONE_UNSOUND: Final = "return -1"
_OWN_ROWS: Final = "self.rows, self._own_rows = self.rows.copy(), True"
_NO_STEPS: Final = "return False, 0, x, excess, jacobian, tolerance"
_REGULAR: Final = "return step, largest <= SINGULAR * right"
_SETTLED: Final = "if not found or not stuck.any():"
_HAS_LEG: Final = "has_leg = orders[leg] >= 0"
_IF_LEG: Final = "if fx >= 0:"
_TO_LO: Final = "share_lo = np.where((fall > 0.0) == (bought > lo), (bought - lo) / fall, np.inf)"
_TO_HI: Final = "share_hi = np.where((fall > 0.0) == (bought >= hi), (bought - hi) / fall, np.inf)"
_LIMITED: Final = "buys, sells, most = rows & (fill > 0.0), rows & (fill < 0.0), keep * fill"
_LAST_STEP: Final = "if step < MAX_ITERATIONS:"
_ELASTIC: Final = 'own = demand.of_market(m) & (demand.rows["slope"] > 0.0)'
_SIDE: Final = "side = 1.0 if flow.sum() + joint.sum() > 0.0 else -1.0"
_LONG: Final = "long, joint_long = side * flow > 0.0, side * joint > 0.0"
_STEPS: Final = "for steps in range(limit + 1):"
_NO_PIVOT: Final = "return step, False"
_SLICES: Final = "held, money_of = contracts[start[s] : start[s + 1], m], cash[start[s] : start[s + 1], QUOTE_CCY[m]]"
_OVERDRAFT: Final = "if x < 0.0 or (x > 0.0 and owed[i] > 0.0):"
_DRAWN: Final = "drawn = -x if x < 0.0 else -min(x, owed[i])"
_GAIN: Final = "if left <= (1.0 - MIN_GAIN * share) * unmatched:"
_PLAIN_GAIN: Final = "if there.over[~stuck].sum() <= (1.0 - MIN_GAIN * share) * unmatched:"
_BETWEEN: Final = "between = kinks[(kinks > min(x_m, 0.0)) & (kinks < max(x_m, 0.0))]"
_AT_KINK: Final = "here = x_m if (np.abs(kinks - x_m) <= rounding).any() else ends[0]"
_SLOPING: Final = "if abs(end - here) > rounding and own.slope_at((here + end) / 2.0) > 0.0:"
_FALLING: Final = 'rows = self.rows[np.abs(self.rows["slope"] * step[self.rows["market"]]) > 1e-100]'
_ARRIVED: Final = "if share >= 1.0 or (~stuck & (here.slope <= 0.0) & (here.over > 0.0)).any():"
_TOO_STEEP: Final = "if not abs(jacobian[m, m] * solution[m, k]) <= most:"
_ROOT: Final = "if abs(below) <= here.tolerance[m]:"
_BEYOND: Final = "beyond = edge + (1.0 if left >= 0 else -1.0)"
_FREE: Final = 'free = (bought > self.rows["lo"]) & (bought < self.rows["hi"])'
_PUSHES: Final = "some[g] |= push[g, m] != 0.0 or wanted[g, m] != 0.0"
_SIGN: Final = "amount *= order.sign1 if leg == 1 else order.sign2"
_IS_PAIR: Final = "if BASE_CCY[m] >= 0:"
_MONEY_SLICES: Final = "owned, owed = cash[start[s] : start[s + 1], c], loans[start[s] : start[s + 1], c]"
_MONEY_OF: Final = "money_of = cash[start[s] : start[s + 1], QUOTE_CCY[m]]"
_NOT_FOUND: Final = "found = -1"
_LARGEST: Final = "if not size <= most[j]:"
_BLOCK: Final = "BLOCK: Final = 64  # accounts looked at together"
_TO_FUND: Final = "found |= (owned[i] < 0.0) | ((owned[i] > 0.0) & (owed[i] > 0.0))"
EQUIVALENT: Final[dict[tuple[str, str, str], str]] = {
    ("ledger", _PLAN, "0 -> 1"): "the first call of fund makes a plan before it reads one",
    ("ledger", _PLAN, "0 -> 1 (2)"): "the same",
    ("ledger", _ISSUER, "1 -> 3"): "any number below zero is nobody's",
    ("ledger", _ISSUER, "1 -> 3 (2)"): "the same",
    ("auction", _NAMES, "True -> False"): "a row has as many values as names",
    ("auction", _NONE_UNSOUND, "1 -> 3"): "any number below zero is no row's",
    ("posting", _NONE_UNSOUND, "1 -> 3"): "the same",
    ("auction", _OWN_ROWS, "True -> False"): "copies what is its own already once more",
    ("auction", _NO_STEPS, "0 -> 1"): "nobody asks for the steps of a search that failed",
    ("auction", _REGULAR, "LtE -> Lt"): "equal, but for chance, only if nothing is unmatched where somebody reacts",
    ("auction", _SETTLED, "Or -> And"): "goes on from where all is matched, which changes nothing",
    ("auction", _HAS_LEG, "0 -> 1"): "legs are exchange rates, which are the last markets",
    ("auction", _HAS_LEG, "GtE -> Gt"): "the same",
    ("auction", _IF_LEG, "0 -> 1"): "the same",
    ("auction", _IF_LEG, "GtE -> Gt"): "the same",
    ("auction", _TO_LO, "Gt -> GtE"): "rows that do not fall or rise are left out before",
    ("auction", _TO_HI, "Gt -> GtE"): "the same",
    ("auction", _LIMITED, "Gt -> GtE"): "who trades nothing is on no long side",
    ("auction", _LIMITED, "Lt -> LtE"): "the same",
    ("auction", _LAST_STEP, "Lt -> LtE"): "nobody asks where the step after the last one leads",
    ("auction", _ELASTIC, "Gt -> GtE"): "orders without slope are in the demand of the others as well, and cancel",
    ("auction", _SIDE, "Gt -> GtE"): "in balance, neither side is cut",
    ("auction", _SIDE, "1.0 -> 3.0"): "all amounts in another unit, and only their ratios count",
    ("auction", _SIDE, "1.0 -> 3.0 (2)"): "the same",
    ("auction", _LONG, "Gt -> GtE (2)"): "a part of a schedule that trades nothing is nothing",
    ("auction", _STEPS, "1 -> 3"): "the loop is left at the limit",
    ("auction", _NO_PIVOT, "False -> True"): "a step to nowhere gets nowhere",
    ("auction", _GAIN, "LtE -> Lt"): "no step gains, but for chance, exactly what it must",
    ("auction", _PLAIN_GAIN, "LtE -> Lt"): "the same",
    ("auction", _BETWEEN, "Gt -> GtE"): "the quote, which is an end already, is one once more",
    ("auction", _BETWEEN, "Lt -> LtE"): "the price itself, where the search for the end begins",
    ("auction", _AT_KINK, "LtE -> Lt"): "no price is exactly that far from a kink",
    ("auction", _SLOPING, "Gt -> GtE"): "the same",
    ("auction", _FALLING, "Gt -> GtE"): "no demand falls by exactly that",
    ("auction", _ARRIVED, "1.0 -> 3.0"): "where all is matched, the next stretch has no length",
    ("auction", _ARRIVED, "GtE -> Gt"): "the same",
    ("auction", _TOO_STEEP, "LtE -> Lt"): "of nothing unmatched, one solution is as much nothing as the other",
    ("auction", _ROOT, "LtE -> Lt"): "who is unmatched has a tolerance above zero, and no excess is exactly that",
    ("auction", _BEYOND, "1.0 -> 3.0"): "any price beyond the last kink is as good",
    ("auction", _BEYOND, "1.0 -> 3.0 (2)"): "the same",
    ("auction", _FREE, "Gt -> GtE"): "slopes are asked for between kinks",
    ("auction", _FREE, "Lt -> LtE"): "the same",
    ("auction", _PUSHES, "0.0 -> 1.0"): "who neither pushes nor wishes gets a share of nothing",
    ("auction", _PUSHES, "0.0 -> 1.0 (2)"): "the same",
    ("ledger", _FIRST_STEP, "0 -> 1"): "a chain of lenders has fewer links than there are sectors, a circle any number",
    ("ledger", _TOO_FAR, "Gt -> GtE"): "the same",
    ("ledger", _WHOLE, "Lt -> LtE"): "no number near one is exactly that far from it",
    ("margin", _CHARGED, "Gt -> GtE"): "adds what is charged nothing",
    ("margin", _CHARGED, "And -> Or"): "adds what is charged nothing, or a column that is not in use and zero",
    ("margin", _SALE, "0.0 -> 1.0"): "a lower limit above zero is zero, as `post` writes it",
    ("margin", _KEPT, "1.0 -> 3.0 (2)"): "of no trade, nothing is undone",
    ("margin", _POSITION, "Add -> Sub"): "other numbers, but for each position one of its own",
    ("posting", _SLICES, "1 -> 3 (2)"): "the loop is as long as the other slice",
    ("posting", _OVERDRAFT, "Gt -> GtE"): "of no cash, nothing is repaid",
    ("posting", _OVERDRAFT, "Gt -> GtE (2)"): "of no loan, nothing is repaid",
    ("posting", _DRAWN, "Lt -> LtE"): "zero does not get here",
    ("posting", _SIGN, "Mult -> Div"): "signs are one or minus one",
    ("posting", _IS_PAIR, "0 -> 1"): "currency 0, the yen, is no pair's base",
    ("posting", _IS_PAIR, "GtE -> Gt"): "the same",
    ("posting", _MONEY_SLICES, "1 -> 3 (2)"): "the same",
    ("posting", _MONEY_OF, "1 -> 3"): "the loop is as long as what is owned or held",
    ("posting", _NOT_FOUND, "1 -> 3"): "any number below zero is no column's",
    ("posting", _LARGEST, "LtE -> Lt"): "writes what is there already",
    ("posting", _BLOCK, "64 -> 129"): "more accounts looked at together",
    ("posting", "found = False", "False -> True"): "accounts are looked at one by one that need not be",
    ("posting", _TO_FUND, "0.0 -> 1.0"): "the same",
    ("posting", _TO_FUND, "Lt -> LtE"): "the same",
    ("posting", _TO_FUND, "Gt -> GtE"): "the same",
    ("posting", _TO_FUND, "Gt -> GtE (2)"): "the same",
    ("posting", _TO_FUND, "BitAnd -> BitOr"): "the same",
}
"""Module, line of code and change -> why nobody can see it."""


@dataclass(frozen=True)
class Mutant:
    """One change. number: which of the module's places. words: the change, numbered if the line has it twice.

    lines: of its statement. function: name of the function or method it is in, None for what runs on import.
    """

    module: str
    number: int
    line: int
    code: str
    words: str
    lines: range
    function: str | None

    @property
    def key(self) -> tuple[str, str, str]:
        """Stays what it is when other lines of the module change."""
        return self.module, self.code, self.words


class _Change(ast.NodeTransformer):
    """Numbers every place that can be changed; changes the one with the wanted number."""

    def __init__(self, wanted: int = -1) -> None:
        self.wanted, self.found = wanted, -1
        self.places: list[tuple[int, str]] = []

    def _here(self, node: ast.AST, words: str) -> bool:
        self.found += 1
        self.places.append((getattr(node, "lineno", 0), words))
        return self.found == self.wanted

    def _swapped(self, node: Any, at: Any) -> ast.AST | None:
        new = SWAPS.get(type(at))
        if new and self._here(node, f"{type(at).__name__} -> {new.__name__}"):
            return new()
        return None

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        node.ops = [self._swapped(node, op) or op for op in node.ops]
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        node.op = self._swapped(node, node.op) or node.op
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        node.op = self._swapped(node, node.op) or node.op
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        node.op = self._swapped(node, node.op) or node.op
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, (ast.USub, ast.Not, ast.Invert)) and self._here(node, f"{type(node.op).__name__} gone"):
            return node.operand
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, bool):
            if self._here(node, f"{node.value} -> {not node.value}"):
                return ast.copy_location(ast.Constant(not node.value), node)
        elif isinstance(node.value, int | float) and self._here(node, f"{node.value} -> {2 * node.value + 1}"):
            return ast.copy_location(ast.Constant(2 * node.value + 1), node)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if node.attr in NAMES and self._here(node, f"{node.attr} -> {NAMES[node.attr]}"):
            node.attr = NAMES[node.attr]
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in ("min", "max") and self._here(node, f"{node.id} -> {NAMES[node.id]}"):
            node.id = NAMES[node.id]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """Annotations are no code."""
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Nor are those of functions, and decorators compile."""
        node.body = [self.visit(inner) for inner in node.body]
        return node


def places(module: str) -> list[Mutant]:
    """All mutants of a module."""
    change, source = _Change(), _source(module)
    tree = ast.parse(source)
    change.visit(tree)
    lines, seen, found = source.splitlines(), Counter[tuple[int, str]](), []
    reach, within = _statements(ast.parse(source)), _functions(ast.parse(source))
    for number, place in enumerate(change.places):
        seen[place] += 1
        line, words = place
        words = words if seen[place] == 1 else f"{words} ({seen[place]})"
        code = lines[line - 1].strip()
        found.append(Mutant(module, number, line, code, words, reach[line], within.get(line)))
    return found


def _statements(tree: ast.AST) -> dict[int, range]:
    """Line -> lines of the innermost statement there, of a compound one its head."""
    lines: dict[int, range] = {}
    for node in ast.walk(tree):  # outer statements first
        if isinstance(node, ast.stmt | ast.ExceptHandler):
            body, decorators = getattr(node, "body", None), getattr(node, "decorator_list", [])
            first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
            last = max(node.lineno, body[0].lineno - 1) if body else node.end_lineno or node.lineno
            for line in range(first, last + 1):
                lines[line] = range(first, last + 1)
    return lines


def _functions(tree: ast.Module) -> dict[int, str]:
    """Line -> name of the function or method it is in."""
    named = [(node.name, node) for node in tree.body if isinstance(node, ast.FunctionDef)]
    for owner in tree.body:
        if isinstance(owner, ast.ClassDef):
            named += [(f"{owner.name}.{node.name}", node) for node in owner.body if isinstance(node, ast.FunctionDef)]
    return {line: name for name, node in named for line in range(node.lineno, (node.end_lineno or 0) + 1)}


def _path(module: str) -> str:
    return str(ROOT / "abm" / "world" / f"{module}.py")


def _source(module: str) -> str:
    return Path(_path(module)).read_text()


def _mutated(mutant: Mutant, source: str) -> types.CodeType:
    """The module with its fault."""
    tree = _Change(mutant.number).visit(ast.parse(source))
    return compile(ast.fix_missing_locations(tree), _path(mutant.module), "exec")


# -- putting a fault in --------------------------------------------------------------------------------------------


def _named(owner: Any, name: str) -> Any:
    """A module's function or method by its name, undecorated but for compiled loops."""
    *classes, last = name.split(".")
    for part in classes:
        owner = getattr(owner, part)
    found = owner.__dict__[last]
    if isinstance(found, property):
        return found.fget
    return found.func if isinstance(found, cached_property) else found


def _loops_with(mutant: Mutant) -> set[str]:
    """The compiled loop that has the fault and those that call it, if it is in one."""
    from numba.core.dispatcher import Dispatcher

    module = importlib.import_module(f"abm.world.{mutant.module}")
    loops = {name: loop.py_func.__code__ for name, loop in vars(module).items() if isinstance(loop, Dispatcher)}
    found = {mutant.function} & loops.keys()
    for _ in loops:
        found |= {name for name, code in loops.items() if found & set(code.co_names)}
    return found


def _swap_code(mutant: Mutant) -> None:
    """Give the function that has the fault its new code, wherever it has been imported to; compiled loops and those
    that call them compile anew."""
    import numba
    from numba.core.caching import NullCache

    numba.config.OPT = 0  # compiles twice as fast
    module = importlib.import_module(f"abm.world.{mutant.module}")
    code = _mutated(mutant, _source(mutant.module))
    for part in (mutant.function or "").split("."):
        code = next(c for c in code.co_consts if isinstance(c, types.CodeType) and c.co_name == part)
    function = _named(module, mutant.function or "")
    getattr(function, "py_func", function).__code__ = code
    for name in _loops_with(mutant):
        loop = getattr(module, name)
        loop._cache = NullCache()  # the file of compiled loops is left as it is
        loop._make_finalizer()()
        loop._reset_overloads()
        loop._can_compile = True


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module with its fault."""

    def __init__(self, mutant: Mutant) -> None:
        self.name, self.path = f"abm.world.{mutant.module}", _path(mutant.module)
        self.code = _mutated(mutant, _source(mutant.module).replace("njit(cache=True", "njit(cache=False"))

    def find_spec(self, name: str, _path: Any, _target: Any = None) -> importlib.machinery.ModuleSpec | None:
        return importlib.util.spec_from_loader(name, self, origin=self.path) if name == self.name else None

    def exec_module(self, module: Any) -> None:
        module.__file__ = self.path
        exec(self.code, module.__dict__)


# -- tests ---------------------------------------------------------------------------------------------------------


class _Noted:
    """Which lines of the modules, and which of their compiled loops, run: for one test after the other."""

    def __init__(self) -> None:
        from numba.core.dispatcher import Dispatcher

        self.loop, self.tool, self.now = Dispatcher, sys.monitoring.PROFILER_ID, set[tuple[str, int | str]]()
        self.modules = {_path(module): module for module in MODULES}
        events = sys.monitoring.events
        sys.monitoring.use_tool_id(self.tool, "mutants")
        sys.monitoring.register_callback(self.tool, events.LINE, self._line)
        sys.monitoring.register_callback(self.tool, events.CALL, self._call)
        sys.monitoring.set_events(self.tool, events.LINE | events.CALL)

    def _line(self, code: types.CodeType, line: int) -> Any:
        if module := self.modules.get(code.co_filename):
            self.now.add((module, line))
        return sys.monitoring.DISABLE

    def _call(self, _code: types.CodeType, _offset: int, called: Any, _first: Any) -> Any:
        if not isinstance(called, self.loop):
            return sys.monitoring.DISABLE if isinstance(called, types.FunctionType | type) else None
        if module := self.modules.get(called.py_func.__code__.co_filename):
            self.now.add((module, called.py_func.__qualname__))
        return None

    def take(self) -> set[tuple[str, int | str]]:
        """What has run since the last time."""
        taken, self.now = self.now, set()
        sys.monitoring.restart_events()
        return taken

    def close(self) -> None:
        sys.monitoring.set_events(self.tool, 0)
        sys.monitoring.free_tool_id(self.tool)


class _First:
    """Remembers the first test that fails."""

    failed: str | None = None

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and self.failed is None:
            self.failed = report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed and self.failed is None:
            self.failed = report.nodeid or "import"


class Trial(_First):
    """Runs all tests without a fault, then those that may notice a mutant, each time in a process of its own."""

    def __init__(self, search: "Search") -> None:
        self.search = search
        self.noted = _Noted()
        self.on_import: set[tuple[str, int | str]] = set()
        self.reached: dict[str, set[tuple[str, int | str]]] = {}
        self.seconds: dict[str, float] = {}

    def pytest_runtestloop(self, session: Any) -> bool:
        self.on_import = self.noted.take()
        self.items = {item.nodeid: item for item in session.items}
        for item, after in zip(session.items, [*session.items[1:], None], strict=True):
            begun = time.process_time()
            item.ihook.pytest_runtest_protocol(item=item, nextitem=after)
            self.seconds[item.nodeid] = time.process_time() - begun
            self.reached[item.nodeid] = self.noted.take()
        self.noted.close()
        if self.failed is None:
            self.search.go(self)
        return True

    def those_reaching(self, mutant: Mutant, first: Counter[str]) -> list[str]:
        """Tests that run the mutant's statement, or loop; all for what runs on import."""
        at = {(mutant.module, line) for line in mutant.lines} | {(mutant.module, name) for name in _loops_with(mutant)}
        if self.runs_on_import(mutant):
            return list(self.items)
        return sorted(
            (name for name, ran in self.reached.items() if at & ran),
            key=lambda name: (-first[name], self.seconds[name]),
        )

    def runs_on_import(self, mutant: Mutant) -> bool:
        """Whether a new code of one function is not enough."""
        return mutant.function is None or any((mutant.module, line) in self.on_import for line in mutant.lines)

    def first_to_fail(self, mutant: Mutant, names: list[str]) -> str | None:
        """In a process of its own."""
        if self.runs_on_import(mutant):
            return _from_the_start(mutant, sum(self.seconds.values()))
        self.failed = None
        try:
            _swap_code(mutant)
        except SyntaxError:
            return "syntax"
        for name, after in zip(names, [*names[1:], None], strict=True):
            _allow(self.seconds[name])
            item = self.items[name]
            item.ihook.pytest_runtest_protocol(item=item, nextitem=self.items.get(after))
            if self.failed is not None:
                return self.failed
        return None


def _allow(seconds: float) -> None:
    """End this process after far more processor time than that."""
    signal.setitimer(signal.ITIMER_PROF, TIME_FACTOR * seconds + MORE_SECONDS)


def _from_the_start(mutant: Mutant, seconds: float) -> str | None:
    """First test that fails when the package is loaded with the fault in."""
    import pytest

    for name in [name for name in sys.modules if name.split(".")[0] in ("abm", "tests")]:
        del sys.modules[name]
    sys.meta_path.insert(0, _Mutated(mutant))
    _allow(3.0 * seconds)
    first = _First()
    its_own, others = f"tests/world/test_{mutant.module}.py", (f"--ignore=tests/world/test_{mutant.module}.py", *TESTS)
    for tests in ((its_own,), others):
        try:
            status = pytest.main([*OPTIONS, *tests], plugins=[first])
        except BaseException:
            return "import"
        if status:
            return first.failed or "import"
    return None


OPTIONS: Final = (
    "-x", "-q", "-s", "-n", "0", "-p", "no:cacheprovider", "-p", "no:faulthandler",
    "--rootdir", str(ROOT), "--hypothesis-seed", "0",
    "-W", "ignore::pytest.PytestAssertRewriteWarning",  # hypothesis is loaded before pytest starts
)  # fmt: skip


# -- the search ----------------------------------------------------------------------------------------------------


class Search:
    """Tries mutants, so many at a time, and writes down what becomes of them."""

    def __init__(self, wanted: list[Mutant], results: Path, jobs: int) -> None:
        self.wanted, self.results, self.jobs = wanted, results, jobs
        self.outcome: dict[Mutant, str] = {}
        self.killers: defaultdict[tuple[str, str | None], Counter[str]] = defaultdict(Counter)
        self.digests = {module: _digest([_path(module)]) for module in MODULES}
        self.tests_digest = _digest(sorted(str(p) for test in TESTS for p in _python_files(ROOT / test)))
        self._read()

    def _read(self) -> None:
        """Results that still hold."""
        known = {}
        for line in self.results.read_text().splitlines() if self.results.exists() else []:
            row = json.loads(line)
            if self.digests[row["module"]] == row["digest"]:
                known[row["module"], row["number"]] = row
        for mutant in self.wanted:
            row = known.get((mutant.module, mutant.number))
            if row and (row["outcome"] != "survived" or row["tests"] == self.tests_digest):
                self._count(mutant, row["outcome"], row["by"])

    def _count(self, mutant: Mutant, outcome: str, by: str | None) -> None:
        self.outcome[mutant] = outcome
        if by:
            self.killers[mutant.module, mutant.function][by] += 1

    def go(self, trial: Trial) -> None:
        """Try what has no result yet."""
        running: dict[int, tuple[Mutant, int, float]] = {}
        left = [mutant for mutant in self.wanted if mutant not in self.outcome]
        for mutant in sorted(left, key=lambda m: (trial.runs_on_import(m), len(_loops_with(m)))):  # quick ones first
            while len(running) >= self.jobs:
                self._end(running)
            names = trial.those_reaching(mutant, self.killers[mutant.module, mutant.function])
            read, write = os.pipe()
            child = os.fork()
            if child == 0:
                signal.signal(signal.SIGPROF, signal.SIG_DFL)
                status = 1
                try:
                    os.write(write, (trial.first_to_fail(mutant, names) or "").encode())
                    status = 0
                finally:
                    os._exit(status)
            os.close(write)
            running[child] = mutant, read, time.monotonic()
        while running:
            self._end(running)

    def _end(self, running: dict[int, tuple[Mutant, int, float]]) -> None:
        child, status = os.wait()
        mutant, pipe, begun = running.pop(child)
        with os.fdopen(pipe) as file:
            by = file.read()
        late = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF
        outcome = "timed out" if late else "killed" if by or status else "survived"
        self._count(mutant, outcome, by)
        row = {
            "module": mutant.module, "number": mutant.number, "line": mutant.line, "words": mutant.words,
            "code": mutant.code, "outcome": outcome, "by": by, "seconds": round(time.monotonic() - begun, 2),
            "digest": self.digests[mutant.module], "tests": self.tests_digest,
        }  # fmt: skip
        with self.results.open("a") as file:
            file.write(json.dumps(row) + "\n")


def described(mutant: Mutant) -> str:
    """Where a mutant is and what it does."""
    return f"abm/world/{mutant.module}.py:{mutant.line} ({mutant.number}) {mutant.words} in `{mutant.code}`"


def _python_files(path: Path) -> Iterator[Path]:
    yield from [path] if path.is_file() else path.rglob("*.py")


def _digest(paths: list[str]) -> str:
    return hashlib.sha256(b"".join(Path(path).read_bytes() for path in paths)).hexdigest()[:16]


def main() -> int:
    """Print what survived; status 1 if more than one in twenty did in any module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--module", choices=MODULES, action="append", help="only this one; may be repeated")
    parser.add_argument("--sample", type=int, default=0, help="so many of each module at random; all by default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="mutants tried at the same time")
    parser.add_argument("--results", type=Path, default=ROOT / ".mutants.jsonl", help="what is known so far")
    asked = parser.parse_args()
    os.chdir(ROOT)
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)  # idle threads of BLAS
    import hypothesis, numba, numpy, pandas, pyarrow, pydantic, pytest, scipy.optimize  # noqa: E401, F401, I001

    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("mutants", database=None, phases=phases)
    hypothesis.settings.load_profile("mutants")
    every = {module: places(module) for module in asked.module or MODULES}
    wanted = {module: [m for m in found if m.key not in EQUIVALENT] for module, found in every.items()}
    if asked.sample:
        drawn = random.Random(asked.seed)
        wanted = {module: drawn.sample(some, min(asked.sample, len(some))) for module, some in wanted.items()}
    begun, search = time.monotonic(), Search([m for some in wanted.values() for m in some], asked.results, asked.jobs)
    if len(search.outcome) < len(search.wanted):
        trial = Trial(search)
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            pytest.main([*OPTIONS, *TESTS], plugins=[trial])
        if not trial.reached or trial.failed:
            print(f"{trial.failed or 'a test'} fails without any fault; mend that first")
            return 2
    return table(every, wanted, search.outcome, time.monotonic() - begun)


def table(
    every: dict[str, list[Mutant]], wanted: dict[str, list[Mutant]], outcome: dict[Mutant, str], seconds: float
) -> int:
    """Print the survivors and the counts; status 1 if more than one in twenty survived in any module."""
    survivors = [m for m in outcome if outcome[m] == "survived"]
    print(*(described(m) for m in survivors), sep="\n")
    print(f"{'module':10}{'mutants':>9}{'equivalent':>12}{'tried':>7}{'killed':>8}{'timed out':>11}{'survived':>10}")
    worst = 0.0
    for module, found in every.items():
        count = Counter(outcome[m] for m in wanted[module])
        tried, survived = count.total(), count["survived"]
        worst = max(worst, survived / max(tried, 1))
        print(
            f"{module:10}{len(found):9}{sum(m.key in EQUIVALENT for m in found):12}{tried:7}{count['killed']:8}"
            f"{count['timed out']:11}{survived:10} ({100.0 * survived / max(tried, 1):.1f} %)"
        )
    print(f"{seconds:.0f} s")
    return int(worst > 0.05)


if __name__ == "__main__":
    sys.exit(main())
