"""`python -m careline` is `careline`."""

from __future__ import annotations

from careline.cli import main

if __name__ == "__main__":
    main()
