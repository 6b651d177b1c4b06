"""Evaluation of the programs in Core ML files, with NumPy.

Core ML itself runs on Apple's devices only. This module makes it possible to
compare the images of a file with those of the run on any machine. The module
implements the operations of MIL (model intermediate language) to which
`coreml.export_coreml` converts the networks of this package. The meaning of
each operation is defined in the reference of `coremltools` ("MIL operators").
"""

import numpy as np

from tf_i2i.errors import UserError


def evaluate(function, given):
    """Returns the output of a function of a MIL program.

    Each operation is computed in float32. The result is rounded to the type of
    the operation's output. The results of a device can differ slightly, because
    it may add numbers in another order.

    Args:
        function: function of a program that `coremltools` has loaded. It has
            one output.
        given: values of the function's inputs, a dictionary of arrays.

    Returns:
        Array.

    Raises:
        UserError: the program contains an operation that this module does not
            implement.
    """
    inputs = function.inputs.items()
    values = {name: _rounded(given[name], v) for name, v in inputs}

    def value(what):
        if what is None:
            return None
        if isinstance(what, list | tuple):
            return [value(part) for part in what]
        # Only constants have a value before the program is run.
        return values[what.name] if what.val is None else what.val

    for operation in function.operations:
        outputs = operation.outputs
        if all(output.val is not None for output in outputs):
            continue
        call = _find(operation.op_type)
        arguments = {key: value(v) for key, v in operation.inputs.items()}
        made = call(**{k: v for k, v in arguments.items() if v is not None})
        made = made if len(outputs) > 1 else [made]
        for output, array in zip(outputs, made, strict=True):
            values[output.name] = _rounded(array, output)
    (result,) = function.outputs
    return values[result.name]


def _rounded(array, variable):
    from coremltools.converters.mil.mil import types

    kind = types.nptype_from_builtin(variable.dtype)
    # Arithmetic is done in float32 on values that the type can represent.
    array = np.asarray(array).astype(kind)
    return array.astype(np.float32) if kind is np.float16 else array


def _find(kind):
    if kind in _OPERATIONS:
        return _OPERATIONS[kind]
    raise UserError(
        "`--output` must not end in .mlpackage for this method, because its "
        "networks contain an operation of Core ML that cannot be compared with "
        f"the run on this machine. Received: the operation {kind}"
    )


def _pads(pad_type, pad, sizes, kernel, strides):
    """Returns the numbers of rows and columns to add, as `[before, after]`s."""
    if pad_type == "custom":
        return np.reshape(pad, (-1, 2))
    if pad_type == "valid":
        return np.zeros((len(kernel), 2), int)
    whole = -(-np.array(sizes) // strides)
    total = np.maximum((whole - 1) * strides + kernel - sizes, 0)
    less, more = total // 2, total - total // 2
    pairs = (more, less) if pad_type == "same_lower" else (less, more)
    return np.stack(pairs, 1)


def _windows(x, kernel, strides, dilations=(1, 1)):
    """Returns windows of images.

    Args:
        x: `[N, C, height, width]`.
        kernel: `(height, width)` of a window, in elements.
        strides: distances between windows.
        dilations: distances between the elements of a window.

    Returns:
        `[N, C, rows, columns, *kernel]`, a view of `x`.
    """
    reach = (np.array(kernel) - 1) * dilations + 1
    found = np.lib.stride_tricks.sliding_window_view(x, reach, (2, 3))
    return found[
        :,
        :,
        :: strides[0],
        :: strides[1],
        :: dilations[0],
        :: dilations[1],
    ]


def _conv(x, weight, strides, pad_type, pad, dilations, groups, bias=None, **_):
    """Returns a convolution; `weight` is `[out, in / groups, *kernel]`."""
    kernel = weight.shape[2:]
    reach = (np.array(kernel) - 1) * dilations + 1
    pads = _pads(pad_type, pad, x.shape[2:], reach, strides)
    x = np.pad(x, [(0, 0), (0, 0), *pads])
    found = _windows(x, kernel, strides, dilations)
    count, _, rows, columns = found.shape[:4]
    # One matrix product for each group.
    left = found.reshape(count, groups, -1, rows, columns, *kernel)
    left = left.transpose(0, 1, 3, 4, 2, 5, 6)
    left = left.reshape(count, groups, rows * columns, -1)
    right = weight.reshape(groups, len(weight) // groups, -1)
    made = left.astype(np.float32) @ right.transpose(0, 2, 1)
    made = made.transpose(0, 1, 3, 2).reshape(count, -1, rows, columns)
    return made if bias is None else made + bias[:, None, None]


def _conv_transpose(
    x,
    weight,
    strides,
    pad_type,
    pad,
    dilations,
    groups,
    bias=None,
    output_shape=None,
):
    """Returns a transposed convolution.

    `weight` is `[in, out / groups, *kernel]`. Zeros are put between the
    elements of `x`, and the result is convolved with the mirrored kernel.
    """
    count, channels, *sizes = x.shape
    kernel = np.array(weight.shape[2:])
    reach = (kernel - 1) * dilations + 1
    spread = (np.array(sizes) - 1) * strides + 1
    wide = np.zeros((count, channels, *spread), np.float32)
    wide[:, :, :: strides[0], :: strides[1]] = x
    own = weight.reshape(groups, channels // groups, *weight.shape[1:])
    mirrored = own.swapaxes(1, 2)[..., ::-1, ::-1]
    mirrored = mirrored.reshape(-1, channels // groups, *kernel)
    full = _conv(
        wide,
        mirrored,
        (1, 1),
        "custom",
        np.repeat(reach - 1, 2),
        dilations,
        groups,
        bias,
    )
    if output_shape is not None:
        wanted = np.array(output_shape[2:])
    elif pad_type == "same":
        wanted = np.array(sizes) * strides
    else:
        cut = _pads(pad_type, pad, sizes, kernel, strides).sum(1)
        wanted = np.array(full.shape[2:]) - cut
    top, left = _pads(pad_type, pad, wanted, reach, strides)[:, 0]
    return full[:, :, top : top + wanted[0], left : left + wanted[1]]


def _avg_pool(
    x,
    kernel_sizes,
    strides,
    pad_type,
    pad,
    exclude_padding_from_average=False,
    ceil_mode=False,
):
    if ceil_mode:
        raise UserError(
            "`ceil_mode` must be False for an operation that can be evaluated "
            "here. Received: an avg_pool with ceil_mode=True"
        )
    pads = [(0, 0), (0, 0)]
    pads += [*_pads(pad_type, pad, x.shape[2:], kernel_sizes, strides)]
    total = _windows(np.pad(x, pads), kernel_sizes, strides).sum((4, 5))
    if not exclude_padding_from_average:
        return total / np.prod(kernel_sizes)
    inside = np.pad(np.ones_like(x), pads)
    return total / _windows(inside, kernel_sizes, strides).sum((4, 5))


def _batch_norm(x, mean, variance, gamma=1.0, beta=0.0, epsilon=1e-5):
    shape = (-1, *[1] * (x.ndim - 2))
    scale = np.broadcast_to(gamma / np.sqrt(variance + epsilon), mean.shape)
    offset = beta - mean * scale
    return x * scale.reshape(shape) + offset.reshape(shape)


def _pad(x, pad, mode="constant", constant_val=0.0):
    own = np.reshape(pad, (-1, 2))
    pairs = [*[(0, 0)] * (x.ndim - len(own)), *own]
    if mode == "constant":
        return np.pad(x, pairs, constant_values=constant_val)
    return np.pad(x, pairs, {"replicate": "edge"}.get(mode, mode))


def _slice_by_index(
    x,
    begin,
    end,
    stride=None,
    begin_mask=None,
    end_mask=None,
    squeeze_mask=None,
):
    axes = range(x.ndim)
    none = [False] * x.ndim
    stride = [1] * x.ndim if stride is None else stride
    begins, ends = begin_mask, end_mask
    begins = none if begins is None else begins
    ends = none if ends is None else ends
    squeezed = none if squeeze_mask is None else squeeze_mask
    return x[
        tuple(
            begin[i]
            if squeezed[i]
            else slice(
                None if begins[i] else begin[i],
                None if ends[i] else end[i],
                stride[i],
            )
            for i in axes
        )
    ]


def _upsample_bilinear(
    x,
    scale_factor_height,
    scale_factor_width,
    align_corners=True,
    half_pixel_centers=None,
):
    # If `half_pixel_centers` is left out, it is the opposite of
    # `align_corners`.
    centred = half_pixel_centers
    centred = not align_corners if centred is None else centred
    for axis, scale in ((2, scale_factor_height), (3, scale_factor_width)):
        old = x.shape[axis]
        new = int(old * scale)
        where = np.arange(new, dtype=np.float64)
        if align_corners:
            where *= (old - 1) / max(new - 1, 1)
        else:
            where = (where + 0.5 * centred) / scale - 0.5 * centred
        where = np.clip(where, 0, old - 1)
        low = np.floor(where).astype(int)
        high = np.minimum(low + 1, old - 1)
        share = np.expand_dims(where - low, (1, 2)[: 3 - axis])
        x = (1 - share) * x.take(low, axis) + share * x.take(high, axis)
    return x


def _matmul(x, y, transpose_x=False, transpose_y=False):
    x = x.swapaxes(-1, -2) if transpose_x else x
    return x @ (y.swapaxes(-1, -2) if transpose_y else y)


def _linear(x, weight, bias=0.0):
    return x @ weight.T + bias


def _softmax(x, axis=-1):
    powers = np.exp(x - x.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def _split(x, axis, num_splits=None, split_sizes=None):
    if split_sizes is None:
        return np.split(x, num_splits, axis)
    return np.split(x, np.cumsum(split_sizes)[:-1], axis)


def _concat(values, axis, interleave=False):
    made = np.concatenate(values, axis)
    if not interleave:
        return made
    return np.stack(values, axis + 1).reshape(made.shape)


def _reduction(function):
    def reduce(x, axes=None, keep_dims=False):
        axes = None if axes is None else tuple(axes)
        return function(x, axis=axes, keepdims=bool(keep_dims))

    return reduce


def _squeeze(x, axes=None):
    return np.squeeze(x, None if axes is None else tuple(axes))


_OPERATIONS = {
    "abs": lambda x: np.abs(x),
    "add": lambda x, y: x + y,
    "avg_pool": _avg_pool,
    "batch_norm": _batch_norm,
    "cast": lambda x, dtype: x,  # The result is rounded to the output's type.
    "concat": _concat,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "exp": lambda x: np.exp(x),
    "expand_dims": lambda x, axes: np.expand_dims(x, tuple(axes)),
    "identity": lambda x: x,
    "leaky_relu": lambda x, alpha: np.where(x < 0, alpha * x, x),
    "linear": _linear,
    "matmul": _matmul,
    "maximum": lambda x, y: np.maximum(x, y),
    "minimum": lambda x, y: np.minimum(x, y),
    "mul": lambda x, y: x * y,
    "pad": _pad,
    "pow": lambda x, y: np.power(x, y),
    "real_div": lambda x, y: x / y,
    "reduce_mean": _reduction(np.mean),
    "reduce_sum": _reduction(np.sum),
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "reshape": lambda x, shape: x.reshape(shape),
    "round": lambda x: np.rint(x),
    "rsqrt": lambda x, epsilon=0.0: 1 / np.sqrt(x + epsilon),
    "slice_by_index": _slice_by_index,
    "softmax": _softmax,
    "split": _split,
    "square": lambda x: np.square(x),
    "squeeze": _squeeze,
    "stack": lambda values, axis: np.stack(values, axis),
    "sub": lambda x, y: x - y,
    "tanh": lambda x: np.tanh(x),
    "tile": lambda x, reps: np.tile(x, reps),
    "transpose": lambda x, perm: x.transpose(perm),
    "upsample_bilinear": _upsample_bilinear,
}
