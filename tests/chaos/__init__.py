"""Faults on real processes, round after round, each with its balance: `make chaos`."""
