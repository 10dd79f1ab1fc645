"""Proposers, one algorithm a file; nas.asking makes them by name."""
