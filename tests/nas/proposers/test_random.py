"""Networks drawn at random."""

from .proposer_contract import FromHistoryAlone


class TestRandom(FromHistoryAlone):
    name = "random"
