"""Whatever a server or a model does, a search spends its budget on networks that may be trained."""

import pytest

from xopt.nas import Problem, Trial
from xopt.nas.llm.client import LlmSettings
from xopt.nas.llm.proposer import LlmProposer, make_llm_proposer

from .faults import FAULTS
from .server import serving
from .small_space import LIMITS, problem, value

BUDGET, AT_ONCE = 8, 2
PROPOSAL_S = 0.5


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module", autouse=True)
def library():
    import openai  # noqa: F401  its first import takes seconds, which are no proposal's


def proposer_of(searched: Problem, url: str, **changes) -> LlmProposer:
    chosen = {
        "call_s": 0.25,
        "proposal_s": PROPOSAL_S,
        "tries": 2,
        "backoff_s": 0.01,
        "max_reply_bytes": 200_000,
    }
    return make_llm_proposer(
        searched, LlmSettings(url=url, model="local", **{**chosen, **changes}), limits=LIMITS
    )


def search(proposer: LlmProposer, budget: int = BUDGET) -> list[Trial]:
    """Networks two at a time; a proposal sees the results of those before it."""
    history: list[Trial] = []
    while len(history) < budget:
        codes = proposer.propose(history, min(AT_ONCE, budget - len(history)))
        assert codes
        history += [Trial(code=code, value=value(code)) for code in codes]
    return history


@pytest.mark.parametrize("behave", FAULTS.values(), ids=FAULTS)
def test_a_search_spends_its_budget_on_valid_networks(behave):
    searched = problem()
    with serving(behave) as server:
        history = search(proposer_of(searched, server.url))
    codes = [trial.code for trial in history]
    assert len(codes) == len(set(codes)) == BUDGET
    assert all(searched.space.canonical(code) == code and searched.allowed(code) for code in codes)
    assert server.calls
