"""Small faults put into the ledger, the auction and margins, one at a time: do the tests notice?

`make mutants` (or `python -m tests.mutants --sample 50`). Every mutant runs in a process of its own, forked from one
that has the libraries loaded; only loops of the changed module are compiled anew. What survives is printed with its
line; those in `EQUIVALENT` change no result that anybody can see and are left out.
"""

import argparse
import ast
import importlib.abc
import importlib.machinery
import importlib.util
import io
import os
import random
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
TESTS: Final = {
    "ledger": ("tests/world/test_ledger.py", "tests/world/test_margin.py"),
    "margin": ("tests/world/test_margin.py", "tests/test_margin_day.py"),
    "posting": ("tests/world/test_posting.py", "tests/world/test_ledger.py"),
    "auction": ("tests/world/test_auction.py",),
}
LONGEST_SECONDS: Final = 240
SWAPS: Final[dict[type[Any], type[Any]]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.And: ast.Or, ast.Or: ast.And,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
NAMES: Final = {"minimum": "maximum", "maximum": "minimum", "min": "max", "max": "min", "any": "all", "all": "any"}
_PLAN: Final = "self._plan = (np.zeros(0, np.int64), np.zeros(0, np.int64))"
_ISSUER: Final = "issuer = [self.index.get(m.issuer, -1) if m.issuer != REST else -1 for m in MARKETS]"
_CHARGED: Final = "if money[c] and per_currency[c] > 0.0:"
_SLICES: Final = "held, money_of = contracts[start[s] : start[s + 1], m], cash[start[s] : start[s + 1], quote[m]]"
_OVERDRAFT: Final = "if x < 0.0 or (x > 0.0 and owed[i] > 0.0):"
_DRAWN: Final = "drawn = -x if x < 0.0 else -min(x, owed[i])"
EQUIVALENT: Final[dict[tuple[str, str, str], str]] = {
    ("ledger", _PLAN, "0 -> 1"): "the first call of fund makes a plan before it reads one",
    ("ledger", _PLAN, "0 -> 1 (2)"): "the same",
    ("ledger", _ISSUER, "1 -> 3"): "any number below zero is nobody's",
    ("ledger", _ISSUER, "1 -> 3 (2)"): "the same",
    ("margin", _CHARGED, "Gt -> GtE"): "adds what is charged nothing",
    ("margin", _CHARGED, "And -> Or"): "adds what is charged nothing, or a column that is not in use and zero",
    ("posting", _SLICES, "1 -> 3 (2)"): "the loop is as long as the other slice, and no bounds are checked",
    ("posting", _SLICES, "Add -> Sub (2)"): "the same",
    ("posting", _OVERDRAFT, "Gt -> GtE"): "of no cash, nothing is repaid",
    ("posting", _OVERDRAFT, "Gt -> GtE (2)"): "of no loan, nothing is repaid",
    ("posting", _DRAWN, "Lt -> LtE"): "zero does not get here",
}
"""Module, line of code and change -> why nobody can see it."""


@dataclass(frozen=True)
class Mutant:
    """One change. number: which of the module's places. words: the change, numbered if the line has it twice."""

    module: str
    number: int
    line: int
    code: str
    words: str

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
    change.visit(ast.parse(source))
    lines, seen, found = source.splitlines(), Counter[tuple[int, str]](), []
    for number, place in enumerate(change.places):
        seen[place] += 1
        line, words = place
        found.append(Mutant(module, number, line, lines[line - 1].strip(), _numbered(words, seen[place])))
    return found


def _numbered(words: str, which: int) -> str:
    return words if which == 1 else f"{words} ({which})"


def _source(module: str) -> str:
    return (ROOT / "abm" / "world" / f"{module}.py").read_text()


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module with its fault."""

    def __init__(self, mutant: Mutant) -> None:
        self.name = f"abm.world.{mutant.module}"
        source = _source(mutant.module).replace("njit(cache=True)", "njit")  # no loops of the module as it is
        tree = _Change(mutant.number).visit(ast.parse(source))
        self.code = compile(ast.fix_missing_locations(tree), str(ROOT / "abm/world" / f"{mutant.module}.py"), "exec")

    def find_spec(self, name: str, _path: Any, _target: Any = None) -> importlib.machinery.ModuleSpec | None:
        return importlib.util.spec_from_loader(name, self, origin=self.code.co_filename) if name == self.name else None

    def exec_module(self, module: Any) -> None:
        module.__file__ = self.code.co_filename
        exec(self.code, module.__dict__)


def killed(mutant: Mutant | None) -> bool:
    """Whether the tests fail with this fault in. None: without any."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LONGEST_SECONDS)  # what does not end is noticed too
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            os._exit(_run_tests(mutant))
    _, status = os.waitpid(child, 0)
    return status != 0


def _run_tests(mutant: Mutant | None) -> int:
    import pytest

    if mutant is not None:
        sys.meta_path.insert(0, _Mutated(mutant))
    tests = TESTS[mutant.module] if mutant is not None else sorted({t for group in TESTS.values() for t in group})
    options = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--rootdir", str(ROOT), "--hypothesis-seed", "0"]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # hypothesis is loaded before pytest starts
    try:
        return int(pytest.main([*options, *(str(ROOT / test) for test in tests)]))
    except BaseException:
        return 1


def chosen(modules: list[str], sample: int, seed: int) -> Iterator[Mutant]:
    """Mutants of the modules, all or a sample spread over them."""
    every = [mutant for module in modules for mutant in places(module)]
    every = [mutant for mutant in every if mutant.key not in EQUIVALENT]
    yield from (
        every
        if sample <= 0
        else sorted(random.Random(seed).sample(every, min(sample, len(every))), key=lambda m: (m.module, m.number))
    )


def main() -> int:
    """Print what survived; status 1 if more than one in twenty did."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--module", choices=sorted(TESTS), action="append", help="only this one; may be repeated")
    parser.add_argument("--sample", type=int, default=0, help="so many at random; all by default")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    os.chdir(ROOT)
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)  # idle threads of BLAS
    import hypothesis, numba, numpy, pandas, pyarrow, pydantic, pytest, scipy.optimize  # noqa: E401, F401, I001

    if killed(None):
        print("the tests fail without any fault; mend that first")
        return 2
    survivors, tried, begun = [], 0, time.monotonic()
    for mutant in chosen(asked.module or sorted(TESTS), asked.sample, asked.seed):
        tried += 1
        if not killed(mutant):
            survivors.append(mutant)
            print(f"survives: abm/world/{mutant.module}.py:{mutant.line} {mutant.words} in `{mutant.code}`", flush=True)
    share = 100.0 * len(survivors) / max(tried, 1)
    print(f"mutants tried: {tried}, killed: {tried - len(survivors)}, survived: {len(survivors)} ({share:.1f} %), "
          f"{time.monotonic() - begun:.0f} s")  # fmt: skip
    return int(share > 5.0)


if __name__ == "__main__":
    sys.exit(main())
