"""Where the browser of the tests is, if there is one."""

import shutil

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
MISSING = "NO CHROMIUM OR CHROMEDRIVER: the page was not tested in a browser; `make browser-deps` installs them"
