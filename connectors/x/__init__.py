"""X (formerly Twitter), by its API v2."""
