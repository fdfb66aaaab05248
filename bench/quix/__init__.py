"""Quix Streams doing careline's job, in an environment of its own."""
