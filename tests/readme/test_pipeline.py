"""README's way from a checkpoint to a device, run on real X-rays."""

import pytest

from .commands import SEARCHES, run_all, sections


@pytest.mark.slow
@pytest.mark.shared
def test_every_command_and_program_from_checkpoint_to_device_runs(place):
    text = "\n".join(text for name, text in sections().items() if name != SEARCHES)
    assert run_all(text, place) >= 6
    for result in ("shared-int8.xopt/manifest.json", "predictions.csv", "report.html"):
        assert (place / result).is_file()
