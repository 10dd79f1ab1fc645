"""The plain training that recipes are compared with."""

from tools import reference_loop


def test_the_reference_sees_every_image_of_an_epoch_once():
    rows = reference_loop._rows(10)
    seen = [row for _ in range(5) for row in next(rows)]
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]
