"""Tests of careline; never packaged."""
