"""Proposers, one algorithm a file; nas.validated_proposer makes them by name."""
