"""``python -m tests.chaos``: rounds of faults, or alerts against a hostile Slack."""

from __future__ import annotations

import sys

from tests.chaos.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
