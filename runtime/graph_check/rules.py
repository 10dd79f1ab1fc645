"""The operations that a bundle's graph may hold, and what each of them may say.

What exports of the networks that xopt knows contain, and their near relatives. Not among them: control flow
(If, Loop, TensorIterator), state (ReadValue, Assign), random numbers, detection and sequence operations,
operations whose shapes depend on values, and anything from an extension.
"""

import re
from dataclasses import dataclass, field

from .text import Tensor

ELEMENT_BYTES = {"f32": 4, "f16": 2, "i64": 8, "i32": 4, "i8": 1, "u8": 1, "boolean": 1}
"""Element types of tensors, as `element_type` spells them, and the bytes of one element."""
PORT_TYPES = {
    "FP32": "f32",
    "FP16": "f16",
    "I64": "i64",
    "I32": "i32",
    "I8": "i8",
    "U8": "u8",
    "BOOL": "boolean",
}
"""Element types as a port's `precision` spells them."""

NUMPY_TYPES = {
    "f32": "float32",
    "f16": "float16",
    "i64": "int64",
    "i32": "int32",
    "i8": "int8",
    "u8": "uint8",
    "boolean": "bool",
}
_PORT_BYTES = {precision: ELEMENT_BYTES[kind] for precision, kind in PORT_TYPES.items()}


def tensor_bytes(tensor: Tensor) -> int:
    """The memory that a tensor takes, if its precision is one of PORT_TYPES."""
    return tensor.elements * _PORT_BYTES[tensor.precision]


def _words(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, words)))


def _list(item: str) -> re.Pattern[str]:
    return re.compile(rf"{item}(?:, ?{item}){{0,7}}", re.A)


_TYPE = _words(*ELEMENT_BYTES)
_BOOL = _words("true", "false")
_COUNT = re.compile(r"[1-9]\d{0,4}", re.A)
_AXIS = re.compile(r"-?\d", re.A)
_POSITIVES = _list(r"[1-9]\d{0,3}")
_MARGINS = _list(r"\d{1,4}")
_MASK = re.compile(r"(?:[01](?:, ?[01]){0,7})?", re.A)
_SHAPE = re.compile(r"(?:\d{1,10}(?:, ?\d{1,10}){0,7})?", re.A)
_FLOAT = re.compile(r"[+-]?\d{1,20}(?:\.\d{0,40})?(?:[eE][+-]?\d{1,3})?", re.A)
_BROADCAST = {"auto_broadcast": _words("numpy", "none")}
_PADDING = _words("explicit", "valid", "same_upper", "same_lower")
_ROUNDING = _words("floor", "ceil", "ceil_torch")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The form that one operation may have."""

    inputs: tuple[int, int] = (1, 1)
    """Fewest and most inputs."""
    outputs: tuple[int, int] = (1, 1)
    """Fewest and most outputs."""
    data: dict[str, re.Pattern[str]] = field(default_factory=dict)
    """The settings it may have, and the form of each."""
    constants: tuple[int, ...] = ()
    """Inputs that decide about shapes. They must be Const layers, so that reading computes nothing."""
    same_shape: bool = False
    """The output has the first input's shape."""
    elementwise: bool = False
    """Each element of the output depends on the inputs' elements at its place alone."""


_UNARY = Rule(same_shape=True, elementwise=True)
_BINARY = Rule(inputs=(2, 2), data=_BROADCAST, elementwise=True)
_WINDOW = {
    "strides": _POSITIVES,
    "dilations": _POSITIVES,
    "pads_begin": _MARGINS,
    "pads_end": _MARGINS,
    "auto_pad": _PADDING,
}
_CONVOLUTION = Rule(inputs=(2, 2), data=_WINDOW)
_POOL = {
    "kernel": _POSITIVES,
    "strides": _POSITIVES,
    "pads_begin": _MARGINS,
    "pads_end": _MARGINS,
    "rounding_type": _ROUNDING,
    "auto_pad": _PADDING,
}
_AVERAGE = Rule(data={**_POOL, "exclude-pad": _BOOL})
_MAXIMUM = Rule(
    outputs=(1, 2),
    data={**_POOL, "dilations": _POSITIVES, "index_element_type": _words("i64", "i32"), "axis": _AXIS},
)
_REDUCE = Rule(inputs=(2, 2), data={"keep_dims": _BOOL}, constants=(1,))
_GATHER = Rule(inputs=(3, 3), data={"batch_dims": _AXIS}, constants=(1, 2))
_SOFTMAX = Rule(data={"axis": _AXIS}, same_shape=True)
_PAD = Rule(
    inputs=(3, 4),
    data={"pad_mode": _words("constant", "edge", "reflect", "symmetric")},
    constants=(1, 2, 3),
)
_RESIZE = {
    "mode": _words("nearest", "linear", "linear_onnx", "cubic", "bilinear_pillow", "bicubic_pillow"),
    "shape_calculation_mode": _words("sizes", "scales"),
    "coordinate_transformation_mode": _words(
        "half_pixel", "pytorch_half_pixel", "asymmetric", "tf_half_pixel_for_nn", "align_corners"
    ),
    "nearest_mode": _words("round_prefer_floor", "round_prefer_ceil", "floor", "ceil", "simple"),
    "antialias": _BOOL,
    "pads_begin": _MARGINS,
    "pads_end": _MARGINS,
    "cube_coeff": _FLOAT,
}

_ACTIVATIONS = (
    ("ReLU", "opset1"),
    ("Sigmoid", "opset1"),
    ("Tanh", "opset1"),
    ("HSwish", "opset4"),
    ("HSigmoid", "opset5"),
    ("Mish", "opset4"),
    ("SoftPlus", "opset4"),
)

RULES: dict[tuple[str, str], Rule] = {
    ("Parameter", "opset1"): Rule(inputs=(0, 0), data={"shape": _SHAPE, "element_type": _TYPE}),
    ("Result", "opset1"): Rule(outputs=(0, 0)),
    ("Const", "opset1"): Rule(
        inputs=(0, 0),
        data={
            "element_type": _TYPE,
            "shape": _SHAPE,
            "offset": re.compile(r"\d{1,15}", re.A),
            "size": re.compile(r"\d{1,15}", re.A),
        },
    ),
    ("Convert", "opset1"): Rule(data={"destination_type": _TYPE}, same_shape=True, elementwise=True),
    ("FakeQuantize", "opset1"): Rule(
        inputs=(5, 5), data={"levels": _COUNT, **_BROADCAST}, same_shape=True, elementwise=True
    ),
    # Networks' layers.
    ("Convolution", "opset1"): _CONVOLUTION,
    ("GroupConvolution", "opset1"): _CONVOLUTION,
    ("MatMul", "opset1"): Rule(inputs=(2, 2), data={"transpose_a": _BOOL, "transpose_b": _BOOL}),
    ("MVN", "opset6"): Rule(
        inputs=(2, 2),
        data={
            "eps": _FLOAT,
            "eps_mode": _words("INSIDE_SQRT", "OUTSIDE_SQRT"),
            "normalize_variance": _BOOL,
        },
        constants=(1,),
        same_shape=True,
    ),
    # Pooling and reduction.
    ("AvgPool", "opset1"): _AVERAGE,
    ("AvgPool", "opset14"): _AVERAGE,
    ("MaxPool", "opset8"): _MAXIMUM,
    ("MaxPool", "opset14"): _MAXIMUM,
    ("AdaptiveAvgPool", "opset8"): Rule(inputs=(2, 2), constants=(1,)),
    ("ReduceMean", "opset1"): _REDUCE,
    ("ReduceSum", "opset1"): _REDUCE,
    ("ReduceMax", "opset1"): _REDUCE,
    ("ReduceMin", "opset1"): _REDUCE,
    # Activations.
    **dict.fromkeys(_ACTIVATIONS, _UNARY),
    ("Swish", "opset4"): Rule(inputs=(1, 2), same_shape=True, elementwise=True),
    ("HardSigmoid", "opset1"): Rule(inputs=(3, 3), same_shape=True, elementwise=True),
    ("PReLU", "opset1"): Rule(inputs=(2, 2), same_shape=True, elementwise=True),
    ("Clamp", "opset1"): Rule(data={"min": _FLOAT, "max": _FLOAT}, same_shape=True, elementwise=True),
    ("Elu", "opset1"): Rule(data={"alpha": _FLOAT}, same_shape=True, elementwise=True),
    ("Gelu", "opset7"): Rule(
        data={"approximation_mode": _words("ERF", "TANH")}, same_shape=True, elementwise=True
    ),
    ("SoftMax", "opset1"): _SOFTMAX,
    ("SoftMax", "opset8"): _SOFTMAX,
    # Arithmetic.
    **{
        (name, "opset1"): _BINARY
        for name in ("Add", "Subtract", "Multiply", "Maximum", "Minimum", "Power", "SquaredDifference")
    },
    ("Divide", "opset1"): Rule(inputs=(2, 2), data={**_BROADCAST, "m_pythondiv": _BOOL}, elementwise=True),
    **{(name, "opset1"): _UNARY for name in ("Abs", "Exp", "Floor", "Log", "Negative", "Sqrt")},
    # Shapes and places.
    ("Concat", "opset1"): Rule(inputs=(1, 500), data={"axis": _AXIS}),
    ("Reshape", "opset1"): Rule(inputs=(2, 2), data={"special_zero": _BOOL}, constants=(1,)),
    ("Squeeze", "opset1"): Rule(inputs=(1, 2), constants=(1,)),
    ("Unsqueeze", "opset1"): Rule(inputs=(2, 2), constants=(1,)),
    ("Transpose", "opset1"): Rule(inputs=(2, 2), constants=(1,)),
    ("Slice", "opset8"): Rule(inputs=(4, 5), constants=(1, 2, 3, 4)),
    ("StridedSlice", "opset1"): Rule(
        inputs=(3, 4),
        data=dict.fromkeys(
            ("begin_mask", "end_mask", "new_axis_mask", "shrink_axis_mask", "ellipsis_mask"), _MASK
        ),
        constants=(1, 2, 3),
    ),
    ("Split", "opset1"): Rule(inputs=(2, 2), outputs=(1, 64), data={"num_splits": _COUNT}, constants=(1,)),
    ("VariadicSplit", "opset1"): Rule(inputs=(3, 3), outputs=(1, 64), constants=(1, 2)),
    **{("Gather", version): _GATHER for version in ("opset7", "opset8")},
    ("Gather", "opset1"): Rule(inputs=(3, 3), constants=(1, 2)),
    ("Pad", "opset1"): _PAD,
    ("Pad", "opset12"): _PAD,
    ("Interpolate", "opset11"): Rule(inputs=(2, 3), data=_RESIZE, constants=(1, 2)),
}
