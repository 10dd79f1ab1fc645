"""A verdict on images that were asked before: a bound further out, so that all looks together err seldom."""

from dataclasses import replace

from .gate import GateResult


def second_look(result: GateResult, level: float) -> GateResult:
    """A gate's result at a stricter level.

    By Bonferroni's inequality looks at levels a and b pass a network at the margin in at most a + b of all
    cases, however the networks and images depend on one another.

    Args:
        result: of `run_gate`, whose own level is 5 %.
        level: how often a network at the margin may pass, below 5 %.
    """
    verdict = result.verdict
    drop, margin = verdict.drop, result.settings.max_auc_drop
    bound = drop.upper_at(level)
    said = f"a later look at the same images, at {level:.1%}: upper bound {bound:.4f}"
    unsure = [
        finding.name
        for finding in result.findings
        if finding.p_corrected is not None and finding.judged == "kept" and finding.p_corrected > level
    ]
    if not verdict.passed or (bound <= margin and not unsure):
        return replace(result, verdict=replace(verdict, reason=f"{verdict.reason}; {said}"))
    names = f", not shown for {', '.join(unsure)}" if unsure else ""
    reason = f"too few images to tell at the level of {said}{names}; {verdict.reason}"
    return replace(result, verdict=replace(verdict, outcome="too_few", reason=reason))
