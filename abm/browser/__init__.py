"""The page: watch a run in the browser, pull the levers, fork it, and take the scenario home as TOML."""
