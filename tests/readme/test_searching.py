"""README's trainings and searches, run on real X-rays."""

import pytest

from .commands import SEARCHES, run_all, sections


@pytest.mark.slow
@pytest.mark.shared
def test_every_command_that_trains_and_searches_runs(place):
    assert run_all(sections()[SEARCHES], place) >= 4
    assert (place / "run/checkpoint.json").is_file()
    assert (place / "found").is_dir()
