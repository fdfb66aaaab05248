"""``python -m tests.simulation``: many schedules, one seed with its story, the planted bugs."""

from __future__ import annotations

import sys

from tests.simulation.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
