"""The small network's bundle and its graph, for every module of this folder."""

import pytest

from xopt.runtime import Bundle


@pytest.fixture(scope="module")
def bundle(small):
    return Bundle.open(small.bundle)


@pytest.fixture(scope="module")
def model(bundle):
    from xopt.optimize.quantize.network import read_onnx

    return read_onnx(bundle)
