"""What the end of a search may choose."""

import pytest

from xopt.nas.finals.settings import FinalsSettings
from xopt.nas.hardware.graphs import GraphSettings
from xopt.runtime.errors import UsageError

from ..hardware.made import made_table


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"finalists": 0}, "at least 1 finalist"),
        ({"seeds": 0}, "at least 1 finalist and 1 seed"),
        ({"pick": "worst"}, "one of best, front, got 'worst'"),
        ({"precision": "int4"}, "one of FP32, INT8, got 'INT4'"),
        ({"max_latency_ms": 0}, "above 0"),
    ],
)
def test_what_makes_no_sense_is_refused(setting, said):
    with pytest.raises(UsageError, match=said):
        FinalsSettings(**setting)


@pytest.mark.parametrize(("precision", "threads"), [("FP32", 1), ("INT8", 1), ("FP32", 4)])
def test_precision_and_threads_come_from_the_table(precision, threads):
    table = made_table(settings=GraphSettings(precision=precision, threads=threads))
    fitted = FinalsSettings().fitted_to(table)
    assert (fitted.precision, fitted.threads) == (precision, threads)


def test_without_a_table_the_bundle_is_int8_on_one_thread():
    fitted = FinalsSettings().fitted_to(None)
    assert (fitted.precision, fitted.threads) == ("INT8", 1)


@pytest.mark.parametrize("setting", [{"precision": "int8"}, {"threads": 2}])
def test_a_table_of_something_else_is_refused_with_the_command_that_measures_it(setting):
    with pytest.raises(UsageError, match=r"xopt nas latency --out TABLE\.json( --int8)? --threads"):
        FinalsSettings(**setting).fitted_to(made_table())
