"""What the whole suite has to say."""

import pytest

from tests.browser.chromium import CHROMIUM, DRIVER, MISSING


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say so, in capitals, if the page could not be tested in a browser."""
    if CHROMIUM is None or DRIVER is None:
        terminalreporter.write_line(MISSING, red=True, bold=True)
