"""A corpus of malformed graphs: each function takes a sound IR and returns one kind of unsound IR.

Run as a program, it tries them all in one process (see test_check.py):
    python kinds.py BUNDLE FOLDER
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

SIZE = 32
Files = tuple[str | bytes, bytes]
Kind = Callable[[str, bytes], "Files | str | bytes"]
KINDS: dict[str, Kind] = {}


def kind(function: Kind) -> Kind:
    KINDS[function.__name__] = function
    return function


def swap(text: str, old: str, new: str, count: int = 1) -> str:
    """Replace, and insist that there was something to replace."""
    assert old in text, old
    return text.replace(old, new, count)


def layer(xml: str, name: str) -> str:
    """The text of the layer of this name."""
    start = xml.index(f'name="{name}" type=')
    start = xml.rindex("<layer ", 0, start)
    return xml[start : xml.index("</layer>", start) + len("</layer>")]


def within(xml: str, name: str, old: str, new: str, count: int = 1) -> str:
    """Replace inside one layer."""
    block = layer(xml, name)
    return swap(xml, block, swap(block, old, new, count))


def number(xml: str, name: str) -> int:
    return int(re.match(r'<layer id="(\d+)"', layer(xml, name))[1])


def edge(source: int, source_port: int, target: int, target_port: int) -> str:
    return (
        f'<edge from-layer="{source}" from-port="{source_port}" '
        f'to-layer="{target}" to-port="{target_port}" />'
    )


def first_edge_from(xml: str, name: str) -> str:
    return re.search(rf'<edge from-layer="{number(xml, name)}" [^>]*/>', xml)[0]


def edge_to(xml: str, name: str, port: int) -> str:
    return re.search(rf'<edge [^>]*to-layer="{number(xml, name)}" to-port="{port}" />', xml)[0]


def with_values(xml: str, weights: bytes, name: str, values: list[int]) -> Files:
    """Other numbers in an i64 constant."""
    offset = int(re.search(r'offset="(\d+)"', layer(xml, name))[1])
    encoded = np.array(values, np.int64).tobytes()
    return xml, weights[:offset] + encoded + weights[offset + len(encoded) :]


def written(build: Callable[..., object]) -> Files:
    """What OpenVINO writes for a model that `build` makes of an image, with opset13."""
    import tempfile

    import openvino as ov
    from openvino import opset13 as op

    image = op.parameter([1, SIZE, SIZE], np.uint8, name="image")
    image.output(0).set_names({"image"})
    model = build(op, image)
    if not isinstance(model, ov.Model):
        model.output(0).set_names({"probabilities"})
        model = ov.Model([model], [image], "small")
    with tempfile.TemporaryDirectory() as folder:
        ov.save_model(model, Path(folder) / "model.xml", compress_to_fp16=False)
        return (Path(folder) / "model.xml").read_bytes(), (Path(folder) / "model.bin").read_bytes()


def head(op, floats):
    """Three probabilities of a tensor (1, 32, 32)."""
    flat = op.reshape(floats, np.array([1, SIZE * SIZE], np.int64), special_zero=False)
    return op.sigmoid(op.matmul(flat, np.full((SIZE * SIZE, 3), 1e-3, np.float32), False, False))


def sound(op, image):
    """A small convolutional network with the operations of a quantized one."""

    def constant(name, value, kind=np.float32):
        made = op.constant(np.asarray(value, kind))
        made.set_friendly_name(name)
        return made

    def named(name, node):
        node.set_friendly_name(name)
        return node

    random = np.random.default_rng(3)
    floats = named("floats", op.convert(image, "f32"))
    scaled = named("scaled", op.multiply(floats, constant("scale", 1 / 255)))
    plane = named("plane", op.unsqueeze(scaled, constant("plane_axis", [1], np.int64)))
    cut = named(
        "cut",
        op.slice(
            plane,
            *(constant(f"cut_{i}", v, np.int64) for i, v in enumerate(([2, 2], [30, 30], [1, 1], [2, 3]))),
        ),
    )
    mirror = named(
        "mirror",
        op.gather(
            cut, constant("mirror_places", range(27, -1, -1), np.int64), constant("mirror_axis", 3, np.int64)
        ),
    )
    crops = named("crops", op.concat([cut, mirror], 0))
    limits = [constant(f"range_{i}", v) for i, v in enumerate((0.0, 1.0, 0.0, 1.0))]
    steps = named("steps", op.fake_quantize(crops, *limits, 256))
    kernel = constant("kernel", random.integers(-127, 128, (4, 1, 3, 3)), np.int8)
    weights = named(
        "weights", op.multiply(named("kernel_floats", op.convert(kernel, "f32")), constant("step", 0.01))
    )
    conv = named("conv", op.convolution(steps, weights, [2, 2], [1, 1], [1, 1], [1, 1]))
    relu = named("relu", op.relu(named("biased", op.add(conv, constant("bias", np.ones((1, 4, 1, 1)))))))
    pool = named("pool", op.max_pool(relu, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2]))
    each = constant("each_kernel", random.normal(0, 1, (4, 1, 1, 3, 3)))
    depth = named("depth", op.group_convolution(pool.output(0), each, [1, 1], [1, 1], [1, 1], [1, 1]))
    mean = named(
        "mean", op.reduce_mean(named("swish", op.hswish(depth)), constant("mean_axes", [2, 3], np.int64))
    )
    flat = named("flat", op.reshape(mean, constant("flat_shape", [2, 4], np.int64), special_zero=False))
    logits = named("logits", op.matmul(flat, constant("head", random.normal(0, 1, (3, 4))), False, True))
    each = named("crop_probabilities", op.sigmoid(logits))
    return named("probabilities", op.reduce_mean(each, constant("crop_axis", [0], np.int64), keep_dims=True))


# What is no XML of the kind that OpenVINO writes.


@kind
def nothing(xml, weights):
    return b""


@kind
def zeros(xml, weights):
    return b"\0" * 1000


@kind
def noise(xml, weights):
    return np.random.default_rng(0).bytes(5000)


@kind
def cut_in_half(xml, weights):
    return xml[: len(xml) // 2]


@kind
def cut_before_the_edges(xml, weights):
    return xml[: xml.index("<edges>")]


@kind
def without_its_last_tag(xml, weights):
    return xml[: xml.rindex("</net>")]


@kind
def a_document_type(xml, weights):
    return swap(xml, "<net ", "<!DOCTYPE net>\n<net ")


@kind
def an_entity_that_reads_a_file(xml, weights):
    declared = '<!DOCTYPE net [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n<net '
    return within(swap(xml, "<net ", declared), "conv", 'name="conv"', 'name="&x;"')


@kind
def entities_that_unfold(xml, weights):
    lines = ['<!ENTITY a0 "aaaaaaaaaa">']
    lines += [f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10)]
    declared = f"<!DOCTYPE net [{''.join(lines)}]>\n<net "
    return swap(swap(xml, "<net ", declared), 'name="conv"', 'name="&a9;"')


@kind
def a_comment(xml, weights):
    return swap(xml, "<layers>", "<layers><!-- hidden -->")


@kind
def character_data(xml, weights):
    return swap(xml, "<dim>1</dim>", "<dim><![CDATA[1]]></dim>")


@kind
def a_processing_instruction(xml, weights):
    return swap(xml, "<layers>", "<?php x ?><layers>")


@kind
def utf_16(xml, weights):
    return xml.encode("utf-16")


@kind
def a_byte_order_mark(xml, weights):
    return xml.encode("utf-8-sig")


@kind
def another_encoding(xml, weights):
    return swap(xml, '<?xml version="1.0"?>', '<?xml version="1.0" encoding="latin-1"?>')


@kind
def bytes_that_are_no_text(xml, weights):
    return swap(xml, 'name="conv"', 'name="conv\ufffd"').encode().replace("\ufffd".encode(), b"\xff\xfe")


@kind
def a_zero_byte_in_a_name(xml, weights):
    return swap(xml, 'name="conv"', 'name="co\0nv"')


@kind
def digits_of_another_script(xml, weights):
    return swap(xml, "<dim>32</dim>", "<dim>٣٢</dim>")


@kind
def nested_a_hundred_thousand_times(xml, weights):
    return swap(xml, "<layers>", "<a>" * 100_000 + "</a>" * 100_000 + "<layers>")


@kind
def a_million_empty_elements(xml, weights):
    return swap(xml, "</edges>", "<a/>" * 1_000_000 + "</edges>")


@kind
def forty_megabytes_of_spaces(xml, weights):
    return swap(xml, "<layers>", " " * 40_000_000 + "<layers>")


@kind
def a_name_of_a_megabyte(xml, weights):
    return swap(xml, 'name="conv"', f'name="{"c" * 1_000_000}"')


@kind
def a_second_net(xml, weights):
    return xml + xml[xml.index("<net ") :]


@kind
def a_second_list_of_layers(xml, weights):
    return swap(xml, "</layers>", "</layers><layers></layers>")


@kind
def an_element_that_is_none(xml, weights):
    return within(xml, "conv", "<input>", "<body></body><input>")


@kind
def an_attribute_that_is_none(xml, weights):
    return swap(xml, 'name="conv"', 'name="conv" library="/tmp/evil.so"')


@kind
def an_attribute_twice(xml, weights):
    return swap(xml, 'name="conv"', 'name="conv" name="other"')


@kind
def an_older_ir(xml, weights):
    return swap(xml, 'version="11"', 'version="10"')


@kind
def a_newer_ir(xml, weights):
    return swap(xml, 'version="11"', 'version="99"')


@kind
def no_ir_version(xml, weights):
    return swap(xml, ' version="11"', "")


# Run-time information, some of which names files or changes what is computed.


@kind
def information_that_names_a_file(xml, weights):
    return re.sub(
        r"\s*<rt_info.*</net>",
        '<rt_info><weights_path value="/etc/passwd" /></rt_info></net>',
        xml,
        flags=re.S,
    )


@kind
def a_conversion_from_a_path(xml, weights):
    inside = '<conversion_parameters><input_model value="/data/x.onnx" /></conversion_parameters>'
    return re.sub(r"\s*<rt_info.*</net>", f"<rt_info>{inside}</rt_info></net>", xml, flags=re.S)


@kind
def a_layer_with_weights_elsewhere(xml, weights):
    found = '<rt_info><attribute name="WeightlessCacheAttribute" version="0" bin_offset="0" /></rt_info>'
    return within(xml, "kernel", "<output>", f"{found}<output>")


# Layers.


@kind
def an_unknown_operation(xml, weights):
    return within(xml, "relu", 'type="ReLU"', 'type="Relux"')


@kind
def an_operation_of_an_extension(xml, weights):
    return within(xml, "relu", 'version="opset1"', 'version="extension"')


@kind
def an_operation_of_another_set(xml, weights):
    return within(xml, "cut", 'version="opset8"', 'version="opset1"')


@kind
def an_operation_with_a_graph_inside(xml, weights):
    return within(xml, "relu", 'type="ReLU"', 'type="TensorIterator"')


@kind
def a_branch(xml, weights):
    def build(op, image):
        import openvino as ov

        def body(sign):
            inner = op.parameter([1, SIZE, SIZE], np.float32)
            return ov.Model([op.multiply(inner, np.float32(sign))], [inner])

        made = op.if_op(op.constant(np.array(True)))
        made.set_then_body(body(1))
        made.set_else_body(body(-1))
        floats = op.convert(image, "f32")
        then, other = (made.get_function(i).get_parameters()[0] for i in (0, 1))
        made.set_input(floats.output(0), then, other)
        results = [made.get_function(i).get_results()[0] for i in (0, 1)]
        return head(op, made.set_output(*results))

    return written(build)


@kind
def a_state(xml, weights):
    def build(op, image):
        import openvino as ov

        floats = op.convert(image, "f32")
        kept = op.read_value(floats, "state", np.float32, [1, SIZE, SIZE])
        stored = op.assign(op.add(kept, floats), "state")
        answer = head(op, kept)
        answer.output(0).set_names({"probabilities"})
        return ov.Model([op.result(answer)], [stored], [image], "small")

    return written(build)


@kind
def chance(xml, weights):
    def build(op, image):
        noise = op.random_uniform(
            np.array([1, SIZE, SIZE], np.int64), np.float32(0), np.float32(1), "f32", 0, 0
        )
        return head(op, op.add(op.convert(image, "f32"), noise))

    return written(build)


@kind
def a_shape_that_depends_on_pixels(xml, weights):
    def build(op, image):
        places = op.non_zero(image, "i64")
        return head(
            op, op.broadcast(op.reduce_sum(op.convert(places, "f32"), np.array([0, 1])), [1, SIZE, SIZE])
        )

    return written(build)


@kind
def an_image_of_any_size(xml, weights):
    def build(op, image):
        import openvino as ov

        free = op.parameter([-1, -1, -1], np.uint8, name="image")
        free.output(0).set_names({"image"})
        answer = op.sigmoid(op.reduce_mean(op.convert(free, "f32"), np.array([2], np.int64)))
        answer.output(0).set_names({"probabilities"})
        return ov.Model([answer], [free], "small")

    return written(build)


@kind
def a_second_input(xml, weights):
    def build(op, image):
        import openvino as ov

        other = op.parameter([1, SIZE, SIZE], np.float32, name="other")
        answer = head(op, op.add(op.convert(image, "f32"), other))
        answer.output(0).set_names({"probabilities"})
        return ov.Model([answer], [image, other], "small")

    return written(build)


@kind
def a_second_output(xml, weights):
    def build(op, image):
        import openvino as ov

        answer = head(op, op.convert(image, "f32"))
        answer.output(0).set_names({"probabilities"})
        return ov.Model([answer, op.convert(image, "f32")], [image], "small")

    return written(build)


@kind
def no_input(xml, weights):
    return swap(xml, layer(xml, "image"), "")


@kind
def no_output(xml, weights):
    result = xml.rindex("<layer ")
    return xml[:result] + xml[xml.index("</layers>", result) :]


@kind
def no_layers(xml, weights):
    start, end = xml.index("<layers>") + len("<layers>"), xml.index("</layers>")
    return xml[:start] + re.sub("<edge .*?/>", "", xml[end:])


@kind
def a_layer_number_twice(xml, weights):
    return within(xml, "conv", f'id="{number(xml, "conv")}"', f'id="{number(xml, "relu")}"')


@kind
def a_layer_number_left_out(xml, weights):
    result = int(re.findall(r'<layer id="(\d+)"', xml)[-1])
    return xml.replace(f'id="{result}" name', f'id="{result + 1}" name').replace(
        f'to-layer="{result}"', f'to-layer="{result + 1}"'
    )


@kind
def a_negative_layer_number(xml, weights):
    return within(xml, "conv", f'id="{number(xml, "conv")}"', 'id="-5"')


@kind
def a_huge_layer_number(xml, weights):
    return within(xml, "conv", f'id="{number(xml, "conv")}"', 'id="99999999999999999999"')


@kind
def a_layer_name_twice(xml, weights):
    return swap(xml, 'name="conv"', 'name="relu"')


@kind
def a_layer_that_is_missing(xml, weights):
    return swap(xml, layer(xml, "relu"), "")


@kind
def a_layer_that_feeds_nothing(xml, weights):
    return swap(xml, first_edge_from(xml, "step"), "")


@kind
def a_constant_that_nobody_takes(xml, weights):
    last = len(re.findall("<layer ", xml))
    block = (
        layer(xml, "step").replace(f'id="{number(xml, "step")}"', f'id="{last}"').replace('"step"', '"more"')
    )
    return swap(xml, "</layers>", f"{block}</layers>")


@kind
def twenty_thousand_layers(xml, weights):
    block, result = layer(xml, "relu"), len(re.findall("<layer ", xml)) - 1
    more = "".join(
        block.replace(f'id="{number(xml, "relu")}"', f'id="{result + i}"').replace('"relu"', f'"relu{i}"')
        for i in range(1, 20_001)
    )
    return swap(xml, "</layers>", f"{more}</layers>")


@kind
def a_chain_that_openvino_compiles_for_minutes(xml, weights):
    def build(op, image):
        chain = op.convert(image, "f32")
        for _ in range(4000):
            chain = op.relu(chain)
        return head(op, chain)

    return written(build)


@kind
def an_operation_with_too_few_inputs(xml, weights):
    block = layer(xml, "conv")
    inputs = re.search(r"<input>.*</input>", block, re.S)[0]
    return swap(swap(xml, inputs, ""), edge_to(xml, "conv", 0), "").replace(edge_to(xml, "conv", 1), "")


@kind
def an_operation_without_outputs(xml, weights):
    return swap(xml, re.search(r"<output>.*</output>", layer(xml, "relu"), re.S)[0], "")


# Settings of layers.


@kind
def a_stride_of_zero(xml, weights):
    return within(xml, "conv", 'strides="2, 2"', 'strides="0, 0"')


@kind
def a_negative_stride(xml, weights):
    return within(xml, "conv", 'strides="2, 2"', 'strides="-2, -2"')


@kind
def a_stride_beyond_all_bounds(xml, weights):
    return within(xml, "conv", 'strides="2, 2"', 'strides="99999999999999999999, 2"')


@kind
def strides_of_other_rank(xml, weights):
    return within(xml, "conv", 'strides="2, 2"', 'strides="2, 2, 2, 2, 2"')


@kind
def margins_of_gigabytes(xml, weights):
    return within(xml, "conv", 'pads_begin="1, 1"', 'pads_begin="1000000000, 1000000000"')


@kind
def a_dilation_of_zero(xml, weights):
    return within(xml, "conv", 'dilations="1, 1"', 'dilations="0, 0"')


@kind
def a_window_of_no_size(xml, weights):
    return within(xml, "pool", 'kernel="2, 2"', 'kernel="0, 0"')


@kind
def a_window_without_sides(xml, weights):
    return within(xml, "pool", 'kernel="2, 2"', 'kernel=""')


@kind
def quantization_to_no_levels(xml, weights):
    return within(xml, "steps", 'levels="256"', 'levels="0"')


@kind
def an_unknown_setting(xml, weights):
    return within(xml, "conv", "strides=", 'plugin="x" strides=')


@kind
def a_setting_twice(xml, weights):
    return within(xml, "conv", "strides=", 'strides="1, 1" strides=')


@kind
def an_unknown_broadcast(xml, weights):
    return within(xml, "biased", 'auto_broadcast="numpy"', 'auto_broadcast="pdpd"')


@kind
def an_axis_that_there_is_not(xml, weights):
    return within(xml, "crops", 'axis="0"', 'axis="9"')


@kind
def a_conversion_to_text(xml, weights):
    return within(xml, "floats", 'destination_type="f32"', 'destination_type="string"')


@kind
def an_unknown_element_type(xml, weights):
    return within(xml, "kernel", 'element_type="i8"', 'element_type="string"')


# Constants and weights.


@kind
def a_constant_past_the_end(xml, weights):
    return within(xml, "head", 'offset="', 'offset="9')


@kind
def a_constant_at_a_huge_offset(xml, weights):
    return re.sub(r'offset="\d+"', 'offset="18446744073709551615"', xml, count=1)


@kind
def a_constant_at_a_negative_offset(xml, weights):
    return re.sub(r'offset="\d+"', 'offset="-8"', xml, count=1)


@kind
def a_constant_of_too_many_bytes(xml, weights):
    return within(xml, "head", 'size="48"', 'size="52"')


@kind
def a_constant_of_too_few_bytes(xml, weights):
    return within(xml, "head", 'size="48"', 'size="4"')


@kind
def a_constant_whose_size_overflows(xml, weights):
    return within(xml, "head", 'shape="3, 4"', 'shape="4294967296, 4294967296"')


@kind
def a_constant_of_a_terabyte(xml, weights):
    wide = claimed(
        claimed(xml, "head", "<dim>3</dim>", "<dim>500000</dim>"), "head", "<dim>4</dim>", "<dim>500000</dim>"
    )
    big = within(wide, "head", 'shape="3, 4"', 'shape="500000, 500000"')
    return within(big, "head", 'size="48"', 'size="1000000000000"')


@kind
def a_constant_without_elements(xml, weights):
    return within(
        claimed(xml, "head", "<dim>4</dim>", "<dim>0</dim>"), "head", 'shape="3, 4"', 'shape="3, 0"'
    )


@kind
def a_constant_of_negative_shape(xml, weights):
    return within(xml, "head", 'shape="3, 4"', 'shape="-3, -4"')


@kind
def a_constant_without_a_size(xml, weights):
    return within(xml, "head", ' size="48"', "")


@kind
def no_weights(xml, weights):
    return xml, b""


@kind
def weights_cut_off(xml, weights):
    return xml, weights[:-1]


@kind
def constants_that_unfold_to_gigabytes(xml, weights):
    def build(op, image):
        column = op.constant(np.ones((1, 16_000, 1), np.float32))
        row = op.constant(np.ones((1, 1, 8_000), np.float32))
        # Each of them just under the limit of one tensor.
        large = [op.multiply(column, op.add(row, np.float32(i))) for i in range(8)]
        total = large[0]
        for one in large[1:]:
            total = op.add(total, one)
        mean = op.reduce_mean(total, np.array([1, 2], np.int64), True)
        return head(op, op.add(op.convert(image, "f32"), mean))

    return written(build)


@kind
def a_tensor_of_ten_gigabytes(xml, weights):
    def build(op, image):
        margins = np.array([0, 25_000, 25_000], np.int64)
        padded = op.pad(op.convert(image, "f32"), margins, margins, "constant", np.float32(0))
        return head(op, op.add(op.convert(image, "f32"), op.reduce_mean(padded, np.array([1, 2]), True)))

    return written(build)


@kind
def places_outside_of_an_image(xml, weights):
    return with_values(xml, weights, "mirror_places", [10_000_000] * 28)


@kind
def places_before_an_image(xml, weights):
    return with_values(xml, weights, "mirror_places", [-(2**62)] * 28)


@kind
def places_along_no_axis(xml, weights):
    return with_values(xml, weights, "mirror_axis", [99])


@kind
def a_reshape_to_another_size(xml, weights):
    return with_values(xml, weights, "flat_shape", [2, 5])


@kind
def a_reshape_to_negative_sides(xml, weights):
    return with_values(xml, weights, "flat_shape", [-7, -7])


@kind
def a_reshape_beyond_all_bounds(xml, weights):
    return with_values(xml, weights, "flat_shape", [2**40, 2**40])


@kind
def a_slice_in_steps_of_zero(xml, weights):
    return with_values(xml, weights, "cut_2", [0, 0])


@kind
def a_slice_to_other_ends(xml, weights):
    return with_values(xml, weights, "cut_1", [20, 20])


@kind
def a_mean_over_axes_that_there_are_not(xml, weights):
    return with_values(xml, weights, "mean_axes", [7, 8])


# Edges.


@kind
def an_edge_to_no_layer(xml, weights):
    return swap(xml, "</edges>", edge(0, 0, 99_999, 0) + "</edges>")


@kind
def an_edge_from_no_layer(xml, weights):
    return swap(xml, "</edges>", edge(99_999, 0, number(xml, "relu"), 0) + "</edges>")


@kind
def an_edge_to_no_port(xml, weights):
    old = edge_to(xml, "relu", 0)
    return swap(xml, old, old.replace('to-port="0"', 'to-port="77"'))


@kind
def an_edge_from_no_port(xml, weights):
    old = edge_to(xml, "relu", 0)
    return swap(xml, old, re.sub('from-port="[0-9]*"', 'from-port="77"', old))


@kind
def an_edge_from_an_input(xml, weights):
    old = edge_to(xml, "relu", 0)
    return swap(xml, old, re.sub('from-port="[0-9]*"', 'from-port="0"', old))


@kind
def an_edge_twice(xml, weights):
    return swap(xml, "</edges>", edge_to(xml, "relu", 0) + "</edges>")


@kind
def two_edges_to_one_input(xml, weights):
    return swap(xml, "</edges>", edge(number(xml, "conv"), 2, number(xml, "relu"), 0) + "</edges>")


@kind
def an_edge_that_is_missing(xml, weights):
    return swap(xml, edge_to(xml, "relu", 0), "")


@kind
def no_edges(xml, weights):
    return re.sub("<edge .*?/>", "", xml)


@kind
def a_cycle(xml, weights):
    # Two layers of one shape that feed each other: the ReLU takes its own sum with the bias.
    relu, biased = number(xml, "relu"), number(xml, "biased")
    return swap(xml, edge_to(xml, "biased", 0), edge(relu, 1, biased, 0)).replace(
        first_edge_from(xml, "conv"), ""
    )


@kind
def a_layer_that_feeds_itself(xml, weights):
    relu = number(xml, "relu")
    return swap(xml, edge_to(xml, "relu", 0), edge(relu, 1, relu, 0))


@kind
def an_edge_between_other_shapes(xml, weights):
    old = edge_to(xml, "relu", 0)
    return swap(xml, old, edge(number(xml, "cut"), 5, number(xml, "relu"), 0))


@kind
def an_edge_into_a_constant(xml, weights):
    return swap(xml, "</edges>", edge(0, 0, number(xml, "kernel"), 0) + "</edges>")


# Shapes and types that are claimed.


def claimed(xml: str, name: str, old: str, new: str) -> str:
    """Another claim for what a layer gives, in agreement with all who take it."""
    out = re.search(r"<output>.*</output>", layer(xml, name), re.S)[0]
    changed = swap(out, old, new)
    xml = swap(xml, out, changed)
    takers = re.findall(rf'<edge from-layer="{number(xml, name)}" [^>]*to-layer="(\d+)" to-port="(\d+)"', xml)
    for target, port in takers:
        start = xml.index(f'<layer id="{target}" ')
        block = xml[start : xml.index("</layer>", start)]
        section = re.search(rf'<port id="{port}".*?</port>', block, re.S)[0]
        xml = swap(xml, block, block.replace(section, section.replace(old, new, 1), 1))
    return xml


@kind
def an_open_dimension(xml, weights):
    return claimed(xml, "conv", "<dim>4</dim>", "<dim>-1</dim>")


@kind
def an_empty_dimension(xml, weights):
    return claimed(xml, "conv", "<dim>4</dim>", "<dim>0</dim>")


@kind
def a_dimension_beyond_all_bounds(xml, weights):
    return claimed(xml, "conv", "<dim>4</dim>", "<dim>99999999999999999999999</dim>")


@kind
def a_tensor_that_is_claimed_to_be_huge(xml, weights):
    return claimed(xml, "conv", "<dim>4</dim>", "<dim>999999999</dim>")


@kind
def a_convolution_that_lies_about_its_shape(xml, weights):
    return claimed(xml, "conv", "<dim>14</dim>", "<dim>13</dim>")


@kind
def a_pool_that_lies_about_its_shape(xml, weights):
    return claimed(xml, "pool", "<dim>7</dim>", "<dim>8</dim>")


@kind
def a_head_that_lies_about_its_shape(xml, weights):
    return claimed(xml, "mean", "<dim>4</dim>", "<dim>5</dim>")


@kind
def an_activation_that_lies_about_its_shape(xml, weights):
    return claimed(xml, "relu", "<dim>14</dim>", "<dim>15</dim>")


@kind
def a_layer_that_lies_about_its_type(xml, weights):
    return claimed(xml, "conv", 'precision="FP32"', 'precision="FP16"')


@kind
def a_conversion_that_lies_about_its_type(xml, weights):
    return claimed(xml, "floats", 'precision="FP32"', 'precision="I32"')


@kind
def a_margin_of_gigabytes_that_lies_about_its_shape(xml, weights):
    graph, constants = a_tensor_of_ten_gigabytes(xml, weights)
    return graph.decode().replace("<dim>50032</dim>", "<dim>32</dim>"), constants


@kind
def constants_that_unfold_and_lie_about_it(xml, weights):
    graph, constants = constants_that_unfold_to_gigabytes(xml, weights)
    product = r"<dim>16000</dim>\s*<dim>8000</dim>"
    return re.sub(product, "<dim>1</dim><dim>1</dim>", graph.decode()), constants


@kind
def a_tensor_of_nine_dimensions(xml, weights):
    return claimed(xml, "conv", "<dim>4</dim>", "<dim>1</dim>" * 6 + "<dim>4</dim>")


@kind
def an_input_unlike_its_tensor(xml, weights):
    return within(xml, "relu", "<dim>14</dim>", "<dim>15</dim>")


@kind
def a_port_of_another_number(xml, weights):
    return within(xml, "relu", '<port id="0"', '<port id="5"')


# What the manifest promises.


@kind
def an_input_of_another_name(xml, weights):
    return within(xml, "image", 'names="image"', 'names="picture"')


@kind
def an_output_of_another_name(xml, weights):
    return swap(xml, 'output_names="probabilities"', 'output_names="logits"')


@kind
def an_output_without_a_name(xml, weights):
    return swap(xml, ' output_names="probabilities"', "")


@kind
def an_input_of_another_type(xml, weights):
    other = claimed(xml, "image", 'precision="U8"', 'precision="I8"')
    return within(other, "image", 'element_type="u8"', 'element_type="i8"')


@kind
def an_input_of_another_size(xml, weights):
    other = claimed(xml, "image", "<dim>32</dim>", "<dim>31</dim>")
    return within(other, "image", 'shape="1,32,32"', 'shape="1,31,32"')


@kind
def four_probabilities_for_three_classes(xml, weights):
    def build(op, image):
        flat = op.reshape(op.convert(image, "f32"), np.array([1, SIZE * SIZE], np.int64), special_zero=False)
        return op.sigmoid(op.matmul(flat, np.full((SIZE * SIZE, 4), 1e-3, np.float32), False, False))

    return written(build)


def malformed(name: str, xml: bytes, weights: bytes) -> tuple[bytes, bytes]:
    """The two files of one kind."""
    made = KINDS[name](xml.decode(), weights)
    graph, constants = made if isinstance(made, tuple) else (made, weights)
    return graph.encode() if isinstance(graph, str) else graph, constants


def peak_mb() -> float:
    """The most memory of this process so far; getrusage would count that of the process it came from."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024


def try_all(bundle: Path, folder: Path) -> None:
    """Load every kind from a bundle whose digests fit, and print a line of JSON for each."""
    import json

    from xopt.runtime import Bundle, Classifier
    from xopt.runtime.bundle.bundle import write_bundle

    opened = Bundle.open(bundle)
    files = {name: opened.read(name) for name in opened.manifest.files}
    with Classifier.load(bundle) as classifier:
        image = np.zeros((SIZE, SIZE), np.uint8)
        expected = classifier.predict(image).probabilities
        for name in KINDS:
            xml, weights = malformed(name, files["model.xml"], files["model.bin"])
            place = folder / f"{name}.xopt"
            write_bundle(place, opened.manifest, {**files, "model.xml": xml, "model.bin": weights})
            try:
                Classifier.load(place).close()
                error, message = "none", ""
            except Exception as found:  # noqa: BLE001 - any type but BundleError is what the test looks for
                error, message = type(found).__name__, str(found)
            facts = {
                "kind": name,
                "error": error,
                "message": message,
                "peak_mb": peak_mb(),
                "alive": classifier.predict(image).probabilities == expected,
            }
            print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    import sys

    try_all(Path(sys.argv[1]), Path(sys.argv[2]))
