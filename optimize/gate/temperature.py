"""Temperature scaling: one number that makes probabilities mean what they say, put into the graph itself.

Guo et al., On Calibration of Modern Neural Networks, ICML 2017: logits are divided by a temperature that
makes the likelihood of held-out labels largest. Here it acts on the logit of the probability that the graph
puts out, the mean over crops; the order of images stays, and so does every AUC.

Shape suffixes: N images, C classes.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.backends.openvino import import_openvino

if TYPE_CHECKING:
    import openvino

# A float32 next to 1 is 6e-8 away, and the logit of 1 itself is no number.
_EDGE = 1e-7
_COLDEST, _HOTTEST = 0.05, 20.0


def apply_temperature(
    probabilities_NC: NDArray[np.floating[Any]], temperature: float, *, exclusive: bool = False
) -> NDArray[np.float64]:
    """The probabilities at a temperature, float64 (N, C).

    Above 1 they come nearer to a half, below 1 nearer to 0 and 1.

    Args:
        probabilities_NC: (N, C).
        temperature: above 0; 1 changes nothing.
        exclusive: probabilities of a row add up to 1 (a softmax), and still do afterwards.
    """
    kept_NC = np.clip(probabilities_NC.astype(np.float64), _EDGE, 1 - _EDGE)
    if exclusive:
        powers_NC = kept_NC ** (1 / temperature)
        return np.asarray(powers_NC / powers_NC.sum(axis=1, keepdims=True))
    logits_NC = np.log(kept_NC) - np.log1p(-kept_NC)
    return np.asarray(1 / (1 + np.exp(-logits_NC / temperature)))


def negative_log_likelihood(
    labels_NC: NDArray[np.integer[Any]],
    probabilities_NC: NDArray[np.floating[Any]],
    *,
    exclusive: bool = False,
) -> float:
    """Mean surprise of the labels that are known, in nats per label (per image where `exclusive`)."""
    kept_NC = np.clip(probabilities_NC.astype(np.float64), _EDGE, 1 - _EDGE)
    if exclusive:
        return float(-np.log(kept_NC[labels_NC == 1]).mean())
    surprise_NC = -np.where(labels_NC == 1, np.log(kept_NC), np.log1p(-kept_NC))
    return float(surprise_NC[labels_NC >= 0].mean())


def fit_temperature(
    labels_NC: NDArray[np.integer[Any]],
    probabilities_NC: NDArray[np.floating[Any]],
    *,
    exclusive: bool = False,
) -> float:
    """The temperature in 0.05..20 under which the labels are most likely.

    The likelihood has one peak in the logarithm of the temperature, so a bounded search finds it.

    Args:
        labels_NC: 0 or 1 (N, C), -1 where one is not known.
        probabilities_NC: of the graph as it is (N, C).
        exclusive: as `apply_temperature`.
    """
    from scipy.optimize import minimize_scalar

    def surprise(log_temperature: float) -> float:
        scaled_NC = apply_temperature(probabilities_NC, float(np.exp(log_temperature)), exclusive=exclusive)
        return negative_log_likelihood(labels_NC, scaled_NC, exclusive=exclusive)

    found = minimize_scalar(surprise, bounds=(np.log(_COLDEST), np.log(_HOTTEST)), method="bounded")
    return float(np.exp(found.x))


def scale_openvino(
    model: "openvino.Model", output: str, temperature: float, *, exclusive: bool = False
) -> "openvino.Model":
    """A copy of a model whose output of that name is at a temperature."""
    openvino = import_openvino()
    ops = openvino.opset13
    made = model.clone()
    (result,) = [r for r in made.get_results() if output in r.input(0).get_source_output().get_names()]
    source = result.input(0).get_source_output()
    names = source.get_names()
    inverse = ops.constant(np.array(1 / temperature, dtype=np.float32))
    kept = ops.clamp(source, _EDGE, 1 - _EDGE)
    if exclusive:
        last = ops.softmax(ops.multiply(ops.log(kept), inverse), axis=-1)
    else:
        one = ops.constant(np.array(1, dtype=np.float32))
        logits = ops.subtract(ops.log(kept), ops.log(ops.subtract(one, kept)))
        last = ops.sigmoid(ops.multiply(logits, inverse))
    source.set_names(set())
    result.input(0).replace_source_output(last.output(0))
    last.output(0).set_names(names)
    made.validate_nodes_and_infer_types()
    return made


def scale_onnx(content: bytes, output: str, temperature: float, *, exclusive: bool = False) -> bytes:
    """The bytes of an ONNX model whose output of that name is at a temperature."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_model_from_string(content)
    graph, inner = model.graph, f"{output}_as_trained"
    for node in graph.node:
        for side in (node.input, node.output):
            for index, name in enumerate(side):
                if name == output:
                    side[index] = inner
    values = {"low": _EDGE, "high": 1 - _EDGE, "one": 1.0, "inverse": 1 / temperature}
    named = {
        key: f"{output}_{key}" for key in (*values, "kept", "log", "rest", "log_rest", "logits", "scaled")
    }
    for key, value in values.items():
        graph.initializer.append(numpy_helper.from_array(np.array(value, dtype=np.float32), named[key]))

    def add(kind: str, inputs: list[str], into: str) -> None:
        graph.node.append(helper.make_node(kind, inputs, [into], name=into))

    add("Clip", [inner, named["low"], named["high"]], named["kept"])
    add("Log", [named["kept"]], named["log"])
    if exclusive:
        add("Mul", [named["log"], named["inverse"]], named["scaled"])
        add("Softmax", [named["scaled"]], output)
    else:
        add("Sub", [named["one"], named["kept"]], named["rest"])
        add("Log", [named["rest"]], named["log_rest"])
        add("Sub", [named["log"], named["log_rest"]], named["logits"])
        add("Mul", [named["logits"], named["inverse"]], named["scaled"])
        add("Sigmoid", [named["scaled"]], output)
    encoded: bytes = model.SerializeToString()
    return encoded
