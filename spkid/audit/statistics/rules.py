"""What every table of an audit goes by."""

from __future__ import annotations

MIN_POOLED_SPEAKERS = 8  # of all small groups together, for these to be tested as one
MIN_SPEAKERS = 10  # a smaller group gets counts, raw rates and no verdict
LEVEL = 0.05  # of the corrected tests
