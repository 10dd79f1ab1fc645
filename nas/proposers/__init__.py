"""Proposers of networks; nas.validated_proposer makes them by name."""
