"""Networks drawn at random."""

from .proposer_contract import ProposerContract


class TestRandom(ProposerContract):
    name = "random"
