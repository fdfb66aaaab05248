"""Public holidays as plain dates, from the `holidays` library.

Promise: the library is asked when a policy file is read and nowhere else; the same years on every
machine and every day, so that a deadline does not depend on when a process started.
"""

from __future__ import annotations

import warnings
from datetime import date
from functools import lru_cache
from typing import Final

_YEARS: Final = range(2020, 2041)
"""A case lives for weeks; in far years the library guesses, or knows nothing and says so."""


def check_country(code: str) -> None:
    """Raise ``ValueError`` if the library knows no such country or part of one."""
    import holidays  # noqa: PLC0415 - half a second that only a file with holidays pays for

    country, part = _parts(code)
    parts = holidays.list_supported_countries(include_aliases=True).get(country)
    if parts is None:
        raise ValueError(f"no holidays are known of {code!r}: write a code such as DE or DE-BE")
    if part and part not in parts:
        known = ", ".join(sorted(parts)) or "none"
        raise ValueError(f"no holidays are known of {code!r}; parts of {country}: {known}")


@lru_cache(maxsize=64)
def holiday_dates(code: str) -> frozenset[date]:
    """Return the public holidays of a country (``DE``) or of a part of it (``DE-BE``)."""
    import holidays  # noqa: PLC0415 - as above

    country, part = _parts(code)
    with warnings.catch_warnings():
        # Where a calendar follows the moon the library has fewer years, and says so each time.
        warnings.simplefilter("ignore")
        found = holidays.country_holidays(country, subdiv=part or None, years=_YEARS)
    return frozenset(found)


def _parts(code: str) -> tuple[str, str]:
    """Split a code; a part may be a name, such as `DE-Augsburg`, and is taken as it is written."""
    country, _, part = code.partition("-")
    return country.upper(), part
