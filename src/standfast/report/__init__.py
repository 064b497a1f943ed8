"""One run told: as a plain dict for `--json`, and as text for a terminal. Reads rows and events only."""
