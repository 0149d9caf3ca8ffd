"""One server and one headless Chromium for all tests of the page. Without Chromium they are skipped, loudly."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from tests.browser.chromium import CHROMIUM, DRIVER, MISSING, browsing, serving
from tests.browser.desk_in_browser import DeskInBrowser


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the page is; it opens with a scenario that fails on day 3."""
    if CHROMIUM is None or DRIVER is None:
        pytest.skip(MISSING)
    with serving(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(scope="session")
def chrome(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """The browser."""
    with browsing(tmp_path_factory.mktemp("chrome")) as driver:
        yield driver


@pytest.fixture
def desk(address: str, chrome: webdriver.Chrome, tmp_path: Path) -> Iterator[DeskInBrowser]:
    """The page, freshly opened on the main scenario; afterwards there is no console error, no outside request."""
    desk = DeskInBrowser(chrome, address, tmp_path)
    desk.open()
    desk.pick("[aria-label=Run] select", "sanaenomics")
    desk.until("document.querySelector('h1').innerText.startsWith('Unfunded stimulus')")
    yield desk
    desk.close_other_tabs()
    assert desk.console_errors() == []
    assert [url for url in desk.requests() if not url.startswith((address, address.replace("http", "ws")))] == []
