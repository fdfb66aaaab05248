"""Figures of careline against Faust doing nothing and Quix Streams doing the same job."""
