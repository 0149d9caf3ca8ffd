"""What the whole suite has to say."""

from collections import Counter

import pytest

from tests.browser.chromium import CHROMIUM, DRIVER, MISSING


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say so, in capitals, if the page could not be tested in a browser."""
    if CHROMIUM is None or DRIVER is None:
        terminalreporter.write_line(MISSING, red=True, bold=True)
    counts: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed"):
        counts.update({name: value for name, value in report.user_properties if isinstance(value, int)})
    for name, number in sorted(counts.items()):
        terminalreporter.write_line(f"{name}: {number:,}")
