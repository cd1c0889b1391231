# Makes the goldens of layers, activations, losses, metrics, optimizers, schedules and initializers with Keras 3.
#
#   python3 -m venv venv && venv/bin/pip install torch==2.13.0 keras==3.15.1
#   venv/bin/python test/goldens/make-layers.py
#
# Options are written in neurite's spelling (camelCase), values as float32 with nine digits, which is exact.
import inspect
import json
import os
import re
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"
import keras  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

folder = Path(__file__).parent
rng = np.random.default_rng(20)


def camel(name):
    return re.sub(r"_([a-z0-9])", lambda m: m[1].upper(), name)


def options(kwargs):
    """Keras keyword arguments in neurite's spelling: keys always, values when they name something."""
    named = {"activation", "kernel_initializer", "bias_initializer", "reduction", "mode", "distribution", "data_format"}

    def value(k, v):
        if isinstance(v, keras.regularizers.L1L2):
            return {"l1": float(v.l1), "l2": float(v.l2)}
        if isinstance(v, keras.constraints.Constraint):
            return {"className": type(v).__name__, "config": options(v.get_config())}
        if isinstance(v, keras.layers.Layer):
            wanted = {"Dense": ["units", "activation", "use_bias"], "Conv2D": ["filters", "kernel_size", "padding"], "DepthwiseConv2D": ["kernel_size"]}
            config = v.get_config()
            return {"className": type(v).__name__, "config": options({k: config[k] for k in wanted[type(v).__name__]})}
        return camel(v) if k in named else v

    return {camel(k): value(k, v) for k, v in kwargs.items()}


def numbers(array):
    """Shape and flat values of an array or tensor."""
    if hasattr(array, "detach"):
        array = array.detach().cpu().numpy()
    array = np.asarray(array)
    if array.dtype.kind == "f":
        values = [float(f"{v:.9g}") if np.isfinite(v) else str(v) for v in array.astype(np.float32).ravel()]
    else:
        values = [int(v) for v in array.ravel()]
    return {"shape": list(array.shape), "values": values}


def normal(*shape):
    return rng.normal(size=shape).astype(np.float32)


def write(name, cases):
    text = "[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n"
    (folder / f"{name}.golden.json").write_text(text)


# ---- Layers: output, and the gradients of sum(y * seed) for the input and the weights.
# In training also the weights that the call leaves behind; with step also those after a step of SGD. x is one input or a list of them.
def layer_case(factory, cls, x, training=False, step=False, **kwargs):
    layer, several = cls(**kwargs), isinstance(x, list)
    layer.build([part.shape for part in x] if several else x.shape)
    weights = [np.abs(w) if "variance" in v.name else w for v, w in ((v, normal(*v.shape) * 0.5) for v in layer.weights)]
    layer.set_weights(weights)
    tx = [torch.tensor(part, requires_grad=True) for part in x] if several else torch.tensor(x, requires_grad=True)
    y = layer(tx, training=training) if training or cls in (keras.layers.Dropout, keras.layers.BatchNormalization) else layer(tx)
    after = [numbers(w.value) for w in layer.weights]
    seed = normal(*y.shape)
    penalty = sum(layer.losses) if layer.losses else torch.zeros(())
    ((y * torch.tensor(seed)).sum() + penalty).backward()
    dw = [numbers(w.value.grad) for w in layer.trainable_weights]
    if step:
        keras.optimizers.SGD(0.5).apply([w.value.grad for w in layer.trainable_weights], layer.trainable_weights)
    return {
        "layer": factory, "options": options(kwargs), "x": [numbers(part) for part in x] if several else numbers(x), "y": numbers(y), "seed": numbers(seed),
        "weights": [numbers(w) for w in weights], "dx": [numbers(part.grad) for part in tx] if several else numbers(tx.grad),
        "dw": dw,
        "penalty": numbers(penalty), "parameters": layer.count_params(),
        **({"training": True, "after": after} if training else {}),
        **({"stepped": [numbers(w.value) for w in layer.weights]} if step else {}),
    }


activations = ["linear", "relu", "relu6", "sigmoid", "tanh", "softmax", "log_softmax", "elu", "selu", "softplus", "softsign", "gelu",
               "silu", "exponential", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu", "log_sigmoid", "mish", "celu", "glu",
               "soft_shrink", "hard_shrink", "tanh_shrink", "squareplus", "sparse_plus", "sparse_sigmoid", "threshold"]
L = keras.layers
layers = [
    *(layer_case("dense", L.Dense, normal(4, 5), units=4, activation=a) for a in ["relu", "sigmoid", "tanh", "gelu", "softmax", "elu"]),
    layer_case("dense", L.Dense, normal(4, 5), units=3, use_bias=False),
    layer_case("dense", L.Dense, normal(2, 3, 5), units=3, activation="relu"),
    layer_case("dense", L.Dense, normal(4, 5), units=2, kernel_regularizer=keras.regularizers.L1L2(0.1, 0.02), bias_regularizer=keras.regularizers.L1L2(0.0, 0.3)),
    *(layer_case("activation", L.Activation, normal(3, 6) * 2, activation=a) for a in activations if a not in ("threshold",)),
    layer_case("relu", L.ReLU, normal(3, 8) * 3),
    layer_case("relu", L.ReLU, normal(3, 8) * 3, max_value=2.0, negative_slope=0.1, threshold=0.5),
    layer_case("relu", L.ReLU, normal(3, 8) * 3, max_value=2.0),
    layer_case("relu", L.ReLU, normal(3, 8) * 3, negative_slope=0.25),
    layer_case("relu", L.ReLU, normal(3, 8) * 3, threshold=1.0),
    layer_case("leakyRelu", L.LeakyReLU, normal(3, 8)),
    layer_case("leakyRelu", L.LeakyReLU, normal(3, 8), negative_slope=0.1),
    layer_case("elu", L.ELU, normal(3, 8)),
    layer_case("elu", L.ELU, normal(3, 8), alpha=0.4),
    layer_case("prelu", L.PReLU, normal(3, 4)),
    layer_case("prelu", L.PReLU, normal(3, 4, 5), shared_axes=[1]),
    layer_case("softmax", L.Softmax, normal(3, 4)),
    layer_case("softmax", L.Softmax, normal(3, 4, 2), axis=1),
    layer_case("flatten", L.Flatten, normal(2, 3, 4)),
    layer_case("flatten", L.Flatten, normal(3)),
    layer_case("reshape", L.Reshape, normal(2, 3, 4), target_shape=[4, 3]),
    layer_case("reshape", L.Reshape, normal(2, 3, 4), target_shape=[-1, 2]),
    layer_case("dropout", L.Dropout, normal(3, 4), rate=0.4),
    layer_case("rescaling", L.Rescaling, normal(3, 4), scale=0.5),
    layer_case("rescaling", L.Rescaling, normal(3, 4), scale=2.0, offset=-1.0),
    layer_case("rescaling", L.Rescaling, normal(3, 4), scale=[1.0, 2.0, 3.0, 4.0], offset=[0.5, 0.0, -0.5, 1.0]),
    layer_case("identity", L.Identity, normal(3, 4)),
]
# Pooling and normalisation, with numbers of their own. Odd sizes: where 'same' is lopsided, Keras on PyTorch repeats the edge in averages, against
# Keras' own definition.
common_rng, rng = rng, np.random.default_rng(21)
for dims, shape in [(1, (2, 7, 3)), (2, (2, 5, 7, 3)), (3, (1, 5, 3, 7, 2))]:
    for factory, name in [("maxPooling", "MaxPooling"), ("averagePooling", "AveragePooling")]:
        cls = getattr(L, f"{name}{dims}D")
        layers += [
            layer_case(f"{factory}{dims}d", cls, normal(*shape), pool_size=2),
            layer_case(f"{factory}{dims}d", cls, normal(*shape), pool_size=3, strides=2, padding="same"),
            layer_case(f"{factory}{dims}d", cls, normal(shape[0], shape[-1], *shape[1:-1]), pool_size=2, strides=1, data_format="channels_first"),
        ]
    for factory, name in [("globalMaxPooling", "GlobalMaxPooling"), ("globalAveragePooling", "GlobalAveragePooling")]:
        cls = getattr(L, f"{name}{dims}D")
        layers += [
            layer_case(f"{factory}{dims}d", cls, normal(*shape)),
            layer_case(f"{factory}{dims}d", cls, normal(shape[0], shape[-1], *shape[1:-1]), keepdims=True, data_format="channels_first"),
        ]
    for factory, name in [("adaptiveMaxPooling", "AdaptiveMaxPooling"), ("adaptiveAveragePooling", "AdaptiveAveragePooling")]:
        cls = getattr(L, f"{name}{dims}D")
        layers += [
            layer_case(f"{factory}{dims}d", cls, normal(*shape), output_size=2),
            layer_case(f"{factory}{dims}d", cls, normal(shape[0], shape[-1], *shape[1:-1]), output_size=3, data_format="channels_first"),
        ]
# Keras has no sum pooling: a mean times the size of its window.
for dims, shape in [(1, (2, 7, 3)), (2, (2, 5, 7, 3)), (3, (1, 5, 3, 7, 2))]:
    case = layer_case(f"sumPooling{dims}d", getattr(L, f"AveragePooling{dims}D"), normal(*shape), pool_size=2)
    for key in ["y", "dx"]:
        case[key]["values"] = [v * 2**dims for v in case[key]["values"]]
    layers.append(case)
N = L.BatchNormalization
for training in [False, True]:
    layers += [
        layer_case("batchNormalization", N, normal(6, 3) * 2 + 1, training),
        layer_case("batchNormalization", N, normal(2, 3, 4, 5), training, momentum=0.7, epsilon=0.1),
        layer_case("batchNormalization", N, normal(3, 4, 2), training, axis=1, center=False),
        layer_case("batchNormalization", N, normal(5, 4), training, scale=False, beta_regularizer=keras.regularizers.L1L2(0.1, 0.2)),
        layer_case("batchNormalization", N, normal(4, 3), training, trainable=False),
    ]
layers += [
    layer_case("layerNormalization", L.LayerNormalization, normal(3, 5)),
    layer_case("layerNormalization", L.LayerNormalization, normal(2, 3, 4), axis=[1, 2], epsilon=0.01),
    layer_case("layerNormalization", L.LayerNormalization, normal(2, 3, 4), center=False),
    layer_case("layerNormalization", L.LayerNormalization, normal(2, 3, 4), scale=False, center=False),
    layer_case("groupNormalization", L.GroupNormalization, normal(2, 3, 5, 6), groups=3),
    layer_case("groupNormalization", L.GroupNormalization, normal(2, 5, 4), groups=-1),
    layer_case("groupNormalization", L.GroupNormalization, normal(2, 4, 5), groups=2, axis=1, scale=False),
    layer_case("rmsNormalization", L.RMSNormalization, normal(3, 5)),
    layer_case("rmsNormalization", L.RMSNormalization, normal(2, 3, 4), axis=[1, 2], epsilon=0.1),
    layer_case("unitNormalization", L.UnitNormalization, normal(3, 5)),
    layer_case("unitNormalization", L.UnitNormalization, normal(2, 3, 4), axis=[1, 2]),
    layer_case("unitNormalization", L.UnitNormalization, normal(2, 3, 4), axis=1),
]
# Layers of several inputs, with numbers of their own.
rng = np.random.default_rng(23)
for factory in ["add", "subtract", "multiply", "average", "maximum", "minimum"]:
    cls = getattr(L, factory.capitalize())
    layers += [
        layer_case(factory, cls, [normal(3, 4), normal(3, 4)]),
        layer_case(factory, cls, [normal(2, 3, 4), normal(2, 4)]),
        layer_case(factory, cls, [normal(2, 1, 4), normal(2, 3, 1)]),
    ]
    if factory != "subtract":
        layers.append(layer_case(factory, cls, [normal(2, 5) for _ in range(3)]))
layers += [
    layer_case("concatenate", L.Concatenate, [normal(3, 4), normal(3, 2)]),
    layer_case("concatenate", L.Concatenate, [normal(2, 3, 4), normal(2, 1, 4), normal(2, 2, 4)], axis=1),
    layer_case("dot", L.Dot, [normal(3, 5), normal(3, 5)], axes=1),
    layer_case("dot", L.Dot, [normal(3, 5), normal(3, 5)], axes=-1, normalize=True),
    layer_case("dot", L.Dot, [normal(2, 3, 5), normal(2, 4, 3)], axes=[1, 2]),
    layer_case("dot", L.Dot, [normal(2, 3, 5), normal(2, 4, 3)], axes=[1, 2], normalize=True),
    layer_case("dot", L.Dot, [normal(2, 5), normal(2, 3, 5)], axes=-1),
    layer_case("dot", L.Dot, [normal(2, 2, 4, 3), normal(2, 4, 2)], axes=[2, 1]),
]
# Axes and borders, with numbers of their own.
rng = np.random.default_rng(24)
layers += [
    layer_case("permute", L.Permute, normal(2, 3, 4), dims=[2, 1]),
    layer_case("permute", L.Permute, normal(2, 3, 4, 5), dims=[3, 1, 2]),
    layer_case("repeatVector", L.RepeatVector, normal(2, 3), n=4),
]
for dims, shape, pairs in [(1, (2, 6, 3), [0, 2]), (2, (2, 5, 4, 3), [[0, 2], [3, 0]]), (3, (1, 5, 4, 6, 2), [[0, 2], [1, 0], [2, 3]])]:
    for factory, name, key in [("zeroPadding", "ZeroPadding", "padding"), ("cropping", "Cropping", "cropping")]:
        cls = getattr(L, f"{name}{dims}D")
        layers += [
            layer_case(f"{factory}{dims}d", cls, normal(*shape)),
            layer_case(f"{factory}{dims}d", cls, normal(*shape), **{key: 1}),
            layer_case(f"{factory}{dims}d", cls, normal(*shape), **{key: pairs}),
        ]
        if name == "ZeroPadding" or dims > 1:
            first = normal(shape[0], shape[-1], *shape[1:-1])
            layers.append(layer_case(f"{factory}{dims}d", cls, first, **{key: pairs}, data_format="channels_first"))
# Penalty and noise, which is off here; with numbers of their own.
rng = np.random.default_rng(25)
layers += [
    layer_case("activityRegularization", L.ActivityRegularization, normal(3, 4)),
    layer_case("activityRegularization", L.ActivityRegularization, normal(3, 4), l1=0.3, l2=0.2),
    layer_case("gaussianNoise", L.GaussianNoise, normal(3, 4), stddev=0.5),
    layer_case("gaussianDropout", L.GaussianDropout, normal(3, 4), rate=0.4),
    layer_case("alphaDropout", L.AlphaDropout, normal(3, 4), rate=0.4),
    *(layer_case(f"spatialDropout{d}d", getattr(L, f"SpatialDropout{d}D"), normal(2, *[3] * d, 2), rate=0.4) for d in [1, 2, 3]),
]
# Convolution, with numbers of its own. Odd sizes, so that 'same' is lopsided.
rng = np.random.default_rng(22)
for dims, shape in [(1, (2, 9, 4)), (2, (2, 5, 6, 4)), (3, (1, 4, 3, 5, 2))]:
    first = (shape[0], shape[-1], *shape[1:-1])
    C, T = getattr(L, f"Conv{dims}D"), getattr(L, f"Conv{dims}DTranspose")
    layers += [
        layer_case(f"conv{dims}d", C, normal(*shape), filters=3, kernel_size=3, activation="relu"),
        layer_case(f"conv{dims}d", C, normal(*shape), filters=2, kernel_size=2, strides=2, padding="same", use_bias=False),
        layer_case(f"conv{dims}d", C, normal(*shape), filters=4, kernel_size=2, dilation_rate=2, padding="same", groups=2, activation="gelu"),
        layer_case(f"conv{dims}d", C, normal(*first), filters=2, kernel_size=2, data_format="channels_first", kernel_regularizer=keras.regularizers.L1L2(0.0, 0.1)),
        layer_case(f"conv{dims}dTranspose", T, normal(*shape), filters=3, kernel_size=3, activation="tanh"),
        layer_case(f"conv{dims}dTranspose", T, normal(*shape), filters=2, kernel_size=3, strides=2, padding="same"),
        layer_case(f"conv{dims}dTranspose", T, normal(*shape), filters=2, kernel_size=2, strides=3, use_bias=False),
    ]
layers += [
    layer_case("conv1d", L.Conv1D, normal(2, 9, 4), filters=3, kernel_size=3, padding="causal", dilation_rate=2),
    layer_case("conv2d", L.Conv2D, normal(2, 6, 7, 3), filters=3, kernel_size=[3, 2], strides=[1, 2], padding="same"),
    layer_case("conv2dTranspose", L.Conv2DTranspose, normal(2, 3, 4, 2), filters=3, kernel_size=3, strides=2, padding="same", output_padding=1),
    layer_case("depthwiseConv1d", L.DepthwiseConv1D, normal(2, 9, 3), kernel_size=3, depth_multiplier=2, padding="same", activation="relu"),
    layer_case("depthwiseConv2d", L.DepthwiseConv2D, normal(2, 6, 5, 3), kernel_size=3),
    layer_case("depthwiseConv2d", L.DepthwiseConv2D, normal(2, 6, 5, 3), kernel_size=3, strides=2, depth_multiplier=2, padding="same", use_bias=False),
    layer_case("separableConv1d", L.SeparableConv1D, normal(2, 9, 3), filters=4, kernel_size=3, padding="same"),
    layer_case("separableConv2d", L.SeparableConv2D, normal(2, 6, 5, 3), filters=4, kernel_size=3, depth_multiplier=2, activation="relu"),
]
# Constraints, renormalisation and spectral normalisation, with a step of training and numbers of their own.
rng = np.random.default_rng(27)
K = keras.constraints
layers += [
    layer_case("dense", L.Dense, normal(4, 5), step=True, units=3, kernel_constraint=K.MaxNorm(0.7), bias_constraint=K.NonNeg()),
    layer_case("dense", L.Dense, normal(4, 5), step=True, units=3, kernel_constraint=K.MinMaxNorm(0.3, 0.8, rate=0.6, axis=1), bias_constraint=K.UnitNorm()),
    layer_case("conv2d", L.Conv2D, normal(2, 4, 5, 3), step=True, filters=2, kernel_size=2, kernel_constraint=K.UnitNorm(axis=[0, 1, 2])),
    layer_case("conv1dTranspose", L.Conv1DTranspose, normal(2, 4, 3), step=True, filters=2, kernel_size=2, kernel_constraint=K.NonNeg()),
    layer_case("depthwiseConv1d", L.DepthwiseConv1D, normal(2, 4, 3), step=True, kernel_size=2, depthwise_constraint=K.MaxNorm(0.2)),
    layer_case("separableConv2d", L.SeparableConv2D, normal(2, 4, 5, 2), step=True, filters=3, kernel_size=2, depthwise_constraint=K.NonNeg(), pointwise_constraint=K.MaxNorm(0.1, axis=2), bias_constraint=K.MaxNorm(0.3)),
    layer_case("prelu", L.PReLU, normal(3, 4), step=True, alpha_constraint=K.NonNeg()),
    layer_case("layerNormalization", L.LayerNormalization, normal(3, 5), step=True, gamma_constraint=K.NonNeg(), beta_constraint=K.MaxNorm(0.5)),
    layer_case("groupNormalization", L.GroupNormalization, normal(2, 3, 4), step=True, groups=2, gamma_constraint=K.UnitNorm()),
    layer_case("batchNormalization", N, normal(6, 3), True, step=True, gamma_constraint=K.UnitNorm(), beta_constraint=K.NonNeg()),
]
for training in [False, True]:
    layers += [
        layer_case("batchNormalization", N, normal(6, 3) * 2 + 1, training, step=True, renorm=True),
        layer_case("batchNormalization", N, normal(2, 3, 4, 5), training, step=True, momentum=0.7, epsilon=0.1, renorm=True, renorm_momentum=0.8, renorm_clipping={"rmin": 0.8, "rmax": 1.5, "dmax": 0.4}),
        layer_case("batchNormalization", N, normal(3, 4, 2), training, step=True, axis=1, center=False, renorm=True, renorm_clipping={"dmax": 0.2}),
        layer_case("batchNormalization", N, normal(5, 4), training, step=True, scale=False, renorm=True),
    ]
    S = L.SpectralNormalization
    layers += [
        layer_case("spectralNormalization", S, normal(4, 5), training, step=True, layer=L.Dense(3, activation="tanh")),
        layer_case("spectralNormalization", S, normal(2, 3, 5), training, step=True, layer=L.Dense(4, use_bias=False), power_iterations=3),
        layer_case("spectralNormalization", S, normal(2, 4, 5, 3), training, step=True, layer=L.Conv2D(4, 2, padding="same")),
        layer_case("spectralNormalization", S, normal(2, 4, 5, 3), training, step=True, layer=L.DepthwiseConv2D(2), power_iterations=2),
    ]
layers.append(layer_case("flatten", L.Flatten, normal(2, 3, 4, 2), data_format="channels_first"))
# Upsampling, with numbers of its own. One and three axes have no data format or interpolation in Keras.
rng = np.random.default_rng(26)
layers += [
    layer_case("upSampling1d", L.UpSampling1D, normal(2, 3, 2), size=3),
    layer_case("upSampling2d", L.UpSampling2D, normal(2, 3, 4, 2), size=[2, 3]),
    layer_case("upSampling2d", L.UpSampling2D, normal(2, 2, 3, 4), data_format="channels_first"),
    layer_case("upSampling3d", L.UpSampling3D, normal(1, 2, 3, 2, 2), size=[1, 2, 3]),
]
# Interpolation, with numbers of its own.
rng = np.random.default_rng(40)
layers += [
    layer_case("upSampling2d", L.UpSampling2D, normal(2, 3, 4, 2), size=[3, 2], interpolation="bilinear"),
    layer_case("upSampling2d", L.UpSampling2D, normal(1, 4, 3, 3), interpolation="bicubic"),
    layer_case("upSampling2d", L.UpSampling2D, normal(1, 2, 3, 4), size=[1, 3], interpolation="bicubic", data_format="channels_first"),
    layer_case("resizing", L.Resizing, normal(2, 3, 4, 2), height=5, width=7),
    layer_case("resizing", L.Resizing, normal(2, 7, 9, 3), height=4, width=5, interpolation="bicubic"),
    layer_case("resizing", L.Resizing, normal(1, 5, 6, 2), height=8, width=4, interpolation="nearest"),
    layer_case("resizing", L.Resizing, normal(1, 2, 5, 4), height=3, width=9, data_format="channels_first"),
]
# A step of training of more layers with weights, with numbers of its own.
rng = np.random.default_rng(41)
layers += [
    layer_case("conv1d", L.Conv1D, normal(2, 7, 3), step=True, filters=4, kernel_size=3, strides=2, padding="same", activation="relu", kernel_constraint=K.MaxNorm(0.8, axis=[0, 1])),
    layer_case("conv3d", L.Conv3D, normal(2, 3, 4, 3, 2), step=True, filters=3, kernel_size=2, kernel_constraint=K.NonNeg()),
    layer_case("conv2dTranspose", L.Conv2DTranspose, normal(2, 3, 4, 2), step=True, filters=3, kernel_size=3, strides=2, padding="same", bias_constraint=K.NonNeg()),
    layer_case("conv3dTranspose", L.Conv3DTranspose, normal(1, 2, 3, 2, 3), step=True, filters=2, kernel_size=2, strides=2, kernel_constraint=K.UnitNorm(axis=[0, 1, 2])),
    layer_case("depthwiseConv2d", L.DepthwiseConv2D, normal(2, 4, 5, 3), step=True, kernel_size=3, padding="same", depth_multiplier=2, depthwise_constraint=K.MaxNorm(0.6)),
    layer_case("separableConv1d", L.SeparableConv1D, normal(2, 6, 3), step=True, filters=4, kernel_size=3, depthwise_constraint=K.NonNeg(), pointwise_constraint=K.MaxNorm(0.5, axis=[0, 1])),
    layer_case("rmsNormalization", L.RMSNormalization, normal(3, 5), step=True),
]


# Keras has no padding but that of zeros: values are numpy.pad's, and dx adds up what each element was copied to.
def padding_case(dims, shape, padding, mode, channels_first=False):
    pairs = [(padding, padding)] * dims if isinstance(padding, int) else padding if dims > 1 else [padding]
    widths = [(0, 0), (0, 0), *pairs] if channels_first else [(0, 0), *pairs, (0, 0)]
    x = normal(*((shape[0], shape[-1], *shape[1:-1]) if channels_first else shape))
    y = np.pad(x, widths, mode)
    seed = normal(*y.shape)
    places = np.pad(np.arange(1, x.size + 1).reshape(x.shape), widths, mode)  # 0: of no element
    dx = np.bincount(places.ravel(), seed.ravel(), x.size + 1)[1:].reshape(x.shape)
    chosen = {"padding": padding, "mode": mode, **({"dataFormat": "channelsFirst"} if channels_first else {})}
    return {"layer": f"padding{dims}d", "options": chosen, "x": numbers(x), "y": numbers(y), "seed": numbers(seed), "weights": [], "dx": numbers(dx), "dw": [],
            "penalty": numbers(np.zeros((), np.float32)), "parameters": 0}


rng = np.random.default_rng(42)
for dims, shape, pairs in [(1, (2, 5, 3), [2, 3]), (2, (2, 4, 3, 2), [[1, 2], [2, 0]]), (3, (1, 3, 4, 2, 2), [[2, 1], [0, 3], [1, 1]])]:
    for mode in ["constant", "edge", "reflect"]:
        layers += [padding_case(dims, shape, 1, mode), padding_case(dims, shape, pairs, mode), padding_case(dims, shape, pairs, mode, channels_first=True)]
rng = common_rng
write("layers", layers)


# ---- The arguments of layers and their defaults; "required" where there is none. Left out: what all layers take, quantisation and low-rank adapters.
def signature(cls):
    left_out = {"self", "kwargs", "name", "dtype", "lora_rank", "lora_alpha", "quantization_config"}
    parameters = {k: p for k, p in inspect.signature(cls.__init__).parameters.items() if k not in left_out}
    return {camel(k): "required" if p.default is p.empty else camel(p.default) if isinstance(p.default, str) else p.default for k, p in parameters.items()}


kinds = ["Conv", "Conv{}Transpose", "DepthwiseConv", "SeparableConv", "MaxPooling", "AveragePooling", "GlobalMaxPooling", "GlobalAveragePooling",
         "AdaptiveMaxPooling", "AdaptiveAveragePooling", "ZeroPadding", "Cropping", "UpSampling", "SpatialDropout"]
names = [kind.format(f"{d}D") if "{}" in kind else f"{kind}{d}D" for kind in kinds for d in [1, 2, 3]]
names += ["Dense", "Flatten", "Reshape", "Permute", "RepeatVector", "Rescaling", "Identity", "Activation", "ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax",
          "BatchNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization", "UnitNormalization", "SpectralNormalization",
          "Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise", "ActivityRegularization", "Resizing",
          "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot"]
write("signatures", [{"className": name, "arguments": signature(getattr(L, name))} for name in names if hasattr(L, name)])


# ---- Losses: value for each reduction, with and without sample weights, and the gradient of the mean for the prediction.
def loss_case(factory, cls, y_true, y_pred, weights=None, **kwargs):
    tp = torch.tensor(y_pred, requires_grad=True)
    cls(**kwargs)(y_true, tp, sample_weight=weights).backward()
    results = {camel(r): numbers(cls(reduction=r, **kwargs)(y_true, y_pred, sample_weight=weights))
               for r in ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none"]}
    case = {"loss": factory, "options": options(kwargs), "yTrue": numbers(y_true), "yPred": numbers(y_pred), "results": results, "gradient": numbers(tp.grad)}
    if weights is not None:
        case["sampleWeight"] = numbers(weights)
    return case


def probabilities(*shape):
    e = np.exp(normal(*shape))
    return (e / e.sum(-1, keepdims=True)).astype(np.float32)


def unit(*shape):
    return rng.uniform(0.02, 0.98, size=shape).astype(np.float32)


def one_hot(classes, *shape):
    return np.eye(classes, dtype=np.float32)[rng.integers(0, classes, size=shape)]


def bits(*shape):
    return rng.integers(0, 2, size=shape).astype(np.float32)


l = keras.losses
w4 = np.array([2, 0.5, 0, 1], dtype=np.float32)
losses = []
for factory, cls, make in [
    ("meanSquaredError", l.MeanSquaredError, lambda *s: (normal(*s), normal(*s))),
    ("meanAbsoluteError", l.MeanAbsoluteError, lambda *s: (normal(*s), normal(*s))),
    ("meanAbsolutePercentageError", l.MeanAbsolutePercentageError, lambda *s: (normal(*s), normal(*s))),
    ("meanSquaredLogarithmicError", l.MeanSquaredLogarithmicError, lambda *s: (unit(*s) * 3, normal(*s) * 2)),
    ("cosineSimilarity", l.CosineSimilarity, lambda *s: (normal(*s), normal(*s))),
    ("huber", l.Huber, lambda *s: (normal(*s), normal(*s) * 2)),
    ("logCosh", l.LogCosh, lambda *s: (normal(*s), normal(*s) * 3)),
    ("poisson", l.Poisson, lambda *s: (unit(*s) * 4, unit(*s) * 3)),
    ("klDivergence", l.KLDivergence, lambda *s: (probabilities(*s), probabilities(*s))),
    ("hinge", l.Hinge, lambda *s: (bits(*s), normal(*s))),
    ("squaredHinge", l.SquaredHinge, lambda *s: (bits(*s) * 2 - 1, normal(*s))),
    ("categoricalHinge", l.CategoricalHinge, lambda *s: (one_hot(s[-1], *s[:-1]), normal(*s))),
    ("binaryCrossentropy", l.BinaryCrossentropy, lambda *s: (bits(*s), unit(*s))),
    ("categoricalCrossentropy", l.CategoricalCrossentropy, lambda *s: (one_hot(s[-1], *s[:-1]), probabilities(*s))),
    ("sparseCategoricalCrossentropy", l.SparseCategoricalCrossentropy, lambda *s: (rng.integers(0, s[-1], size=s[:-1]).astype(np.int32), probabilities(*s))),
]:
    losses.append(loss_case(factory, cls, *make(4, 3)))
    losses.append(loss_case(factory, cls, *make(4, 3), weights=w4))
    losses.append(loss_case(factory, cls, *make(4, 2, 3), weights=w4.reshape(4, 1)))
    losses.append(loss_case(factory, cls, *make(4, 2, 3), weights=unit(4, 2)))
losses += [
    loss_case("meanSquaredError", l.MeanSquaredError, normal(4), normal(4, 1)),
    loss_case("meanSquaredError", l.MeanSquaredError, normal(4, 1), normal(4, 1), weights=w4.reshape(4, 1)),
    loss_case("hinge", l.Hinge, bits(4, 3) * 2 - 1, normal(4, 3)),
    loss_case("huber", l.Huber, normal(4, 3), normal(4, 3) * 2, delta=0.4),
    loss_case("cosineSimilarity", l.CosineSimilarity, normal(4, 3, 2), normal(4, 3, 2), axis=1),
    loss_case("binaryCrossentropy", l.BinaryCrossentropy, bits(4), unit(4, 1)),
    loss_case("binaryCrossentropy", l.BinaryCrossentropy, bits(4, 3), normal(4, 3) * 5, from_logits=True),
    loss_case("binaryCrossentropy", l.BinaryCrossentropy, bits(4, 3), unit(4, 3), label_smoothing=0.2),
    loss_case("binaryCrossentropy", l.BinaryCrossentropy, bits(4, 3), normal(4, 3), from_logits=True, label_smoothing=0.1),
    loss_case("binaryCrossentropy", l.BinaryCrossentropy, bits(2, 3), np.array([[0, 1, 0.5], [1, 0, 1e-9]], dtype=np.float32)),
    loss_case("categoricalCrossentropy", l.CategoricalCrossentropy, one_hot(5, 4), normal(4, 5) * 5, from_logits=True),
    loss_case("categoricalCrossentropy", l.CategoricalCrossentropy, one_hot(5, 4), normal(4, 5), from_logits=True, label_smoothing=0.1),
    loss_case("categoricalCrossentropy", l.CategoricalCrossentropy, one_hot(5, 4), probabilities(4, 5) * 2, label_smoothing=0.3),
    loss_case("categoricalCrossentropy", l.CategoricalCrossentropy, one_hot(3, 2), np.array([[0, 1, 0], [0.5, 0.5, 0]], dtype=np.float32)),
    loss_case("categoricalCrossentropy", l.CategoricalCrossentropy, np.moveaxis(one_hot(3, 4, 2), -1, 1), normal(4, 3, 2), from_logits=True, axis=1),
    loss_case("sparseCategoricalCrossentropy", l.SparseCategoricalCrossentropy, rng.integers(0, 5, size=(4,)).astype(np.int32), normal(4, 5) * 5, from_logits=True),
    loss_case("sparseCategoricalCrossentropy", l.SparseCategoricalCrossentropy, rng.integers(0, 5, size=(4, 1)).astype(np.int32), normal(4, 5), from_logits=True),
    loss_case("sparseCategoricalCrossentropy", l.SparseCategoricalCrossentropy, np.array([0, 3, 1, 3], dtype=np.int32), normal(4, 5), from_logits=True, ignore_class=3),
    loss_case("sparseCategoricalCrossentropy", l.SparseCategoricalCrossentropy, np.array([0, -1, 1, -1], dtype=np.int32), probabilities(4, 5), ignore_class=-1),
    loss_case("sparseCategoricalCrossentropy", l.SparseCategoricalCrossentropy, np.array([0, -1, 1, 2], dtype=np.int32), probabilities(4, 5), ignore_class=-1, weights=w4),
]
write("losses", losses)


# ---- Metrics: the result after each of three updates.
def metric_case(factory, cls, batches, **kwargs):
    metric, updates = cls(**kwargs), []
    for y_true, y_pred, weights in batches:
        metric.update_state(y_true, y_pred, sample_weight=weights)
        update = {"yTrue": numbers(y_true), "yPred": numbers(y_pred), "result": numbers(metric.result())["values"][0]}
        if weights is not None:
            update["sampleWeight"] = numbers(weights)
        updates.append(update)
    return {"metric": factory, "options": options(kwargs), "updates": updates}


m = keras.metrics
metrics = []
for factory, cls, make, kwargs in [
    ("accuracy", m.Accuracy, lambda *s: (rng.integers(0, 2, size=s).astype(np.int32), rng.integers(0, 2, size=s).astype(np.float32)), {}),
    ("binaryAccuracy", m.BinaryAccuracy, lambda *s: (bits(*s), unit(*s)), {}),
    ("binaryAccuracy", m.BinaryAccuracy, lambda *s: (bits(*s), unit(*s)), {"threshold": 0.3}),
    ("categoricalAccuracy", m.CategoricalAccuracy, lambda *s: (one_hot(s[-1], *s[:-1]), probabilities(*s)), {}),
    ("sparseCategoricalAccuracy", m.SparseCategoricalAccuracy, lambda *s: (rng.integers(0, s[-1], size=s[:-1]).astype(np.int32), probabilities(*s)), {}),
    ("meanSquaredError", m.MeanSquaredError, lambda *s: (normal(*s), normal(*s)), {}),
    ("rootMeanSquaredError", m.RootMeanSquaredError, lambda *s: (normal(*s), normal(*s)), {}),
    ("meanAbsoluteError", m.MeanAbsoluteError, lambda *s: (normal(*s), normal(*s)), {}),
    ("meanAbsolutePercentageError", m.MeanAbsolutePercentageError, lambda *s: (normal(*s), normal(*s)), {}),
    ("meanSquaredLogarithmicError", m.MeanSquaredLogarithmicError, lambda *s: (unit(*s), unit(*s)), {}),
    ("cosineSimilarity", m.CosineSimilarity, lambda *s: (normal(*s), normal(*s)), {}),
    ("logCoshError", m.LogCoshError, lambda *s: (normal(*s), normal(*s)), {}),
    ("poisson", m.Poisson, lambda *s: (unit(*s), unit(*s)), {}),
    ("klDivergence", m.KLDivergence, lambda *s: (probabilities(*s), probabilities(*s)), {}),
    ("hinge", m.Hinge, lambda *s: (bits(*s), normal(*s)), {}),
    ("squaredHinge", m.SquaredHinge, lambda *s: (bits(*s), normal(*s)), {}),
    ("categoricalHinge", m.CategoricalHinge, lambda *s: (one_hot(s[-1], *s[:-1]), normal(*s)), {}),
    ("binaryCrossentropy", m.BinaryCrossentropy, lambda *s: (bits(*s), unit(*s)), {}),
    ("binaryCrossentropy", m.BinaryCrossentropy, lambda *s: (bits(*s), normal(*s)), {"from_logits": True, "label_smoothing": 0.1}),
    ("categoricalCrossentropy", m.CategoricalCrossentropy, lambda *s: (one_hot(s[-1], *s[:-1]), probabilities(*s)), {}),
    ("sparseCategoricalCrossentropy", m.SparseCategoricalCrossentropy, lambda *s: (rng.integers(0, s[-1], size=s[:-1]).astype(np.int32), probabilities(*s)), {}),
]:
    metrics.append(metric_case(factory, cls, [(*make(4, 3), None), (*make(2, 3), None), (*make(4, 3), w4)], **kwargs))
    metrics.append(metric_case(factory, cls, [(*make(4, 2, 3), None), (*make(4, 2, 3), w4.reshape(4, 1)), (*make(4, 2, 3), unit(4, 2))], **kwargs))
metrics.append(metric_case("binaryAccuracy", m.BinaryAccuracy, [(bits(4), unit(4, 1), None), (bits(4, 1), unit(4, 1), w4)]))
metrics.append(metric_case("sparseCategoricalAccuracy", m.SparseCategoricalAccuracy, [(rng.integers(0, 3, size=(4, 1)).astype(np.int32), unit(4, 3), None)]))
write("metrics", metrics)


# ---- Optimizers: two variables over five steps.
def optimizer_case(factory, cls, **kwargs):
    optimizer = cls(**kwargs)
    start = [normal(2, 3), normal(3)]
    variables = [keras.Variable(v, name=n) for v, n in zip(start, ["kernel", "bias"])]
    steps = []
    for _ in range(5):
        gradients = [normal(2, 3), normal(3)]
        optimizer.apply([torch.tensor(g) for g in gradients], variables)
        steps.append({"gradients": [numbers(g) for g in gradients], "variables": [numbers(v.value) for v in variables]})
    weights = [{"name": v.path.split("/")[-1], **numbers(v.value)} for v in optimizer.variables]
    return {"optimizer": factory, "options": options(kwargs), "start": [numbers(v) for v in start], "steps": steps, "weights": weights}


o = keras.optimizers
common = [{}, {"weight_decay": 0.05}, {"clipvalue": 0.3}, {"clipnorm": 0.5}, {"global_clipnorm": 0.7}, {"weight_decay": 0.05, "global_clipnorm": 0.7},
          {"use_ema": True, "ema_momentum": 0.8}]
write("optimizers", [
    *(optimizer_case("sgd", o.SGD, **c) for c in common),
    optimizer_case("sgd", o.SGD, learning_rate=0.1, momentum=0.9),
    optimizer_case("sgd", o.SGD, learning_rate=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    *(optimizer_case("adam", o.Adam, **c) for c in common),
    optimizer_case("adam", o.Adam, learning_rate=0.05, beta_1=0.5, beta_2=0.9, epsilon=1e-3),
    optimizer_case("adam", o.Adam, learning_rate=0.05, amsgrad=True, beta_2=0.5),
    *(optimizer_case("adamW", o.AdamW, **c) for c in common),
    *(optimizer_case("rmsprop", o.RMSprop, **c) for c in common),
    optimizer_case("rmsprop", o.RMSprop, learning_rate=0.01, rho=0.8, momentum=0.9),
    optimizer_case("rmsprop", o.RMSprop, learning_rate=0.01, centered=True, epsilon=1e-3),
    optimizer_case("rmsprop", o.RMSprop, learning_rate=0.01, centered=True, momentum=0.5),
])


# ---- Learning rate schedules: the rate at steps within and beyond.
def schedule_case(factory, cls, **kwargs):
    steps = [0, 1, 3, 4, 5, 8, 13, 14, 15, 100]
    return {"schedule": factory, "options": options(kwargs), "steps": steps, "rates": [numbers(cls(**kwargs)(step))["values"][0] for step in steps]}


write("schedules", [
    schedule_case("cosineDecay", o.schedules.CosineDecay, initial_learning_rate=0.1, decay_steps=10),
    schedule_case("cosineDecay", o.schedules.CosineDecay, initial_learning_rate=0.3, decay_steps=14, alpha=0.2),
    schedule_case("cosineDecay", o.schedules.CosineDecay, initial_learning_rate=0.0, decay_steps=10, warmup_target=0.2, warmup_steps=4),
    schedule_case("cosineDecay", o.schedules.CosineDecay, initial_learning_rate=0.05, decay_steps=10, alpha=0.1, warmup_target=0.2, warmup_steps=4),
    schedule_case("cosineDecayRestarts", o.schedules.CosineDecayRestarts, initial_learning_rate=0.1, first_decay_steps=4),
    schedule_case("cosineDecayRestarts", o.schedules.CosineDecayRestarts, initial_learning_rate=0.3, first_decay_steps=6, t_mul=1.0, m_mul=0.5, alpha=0.1),
    schedule_case("cosineDecayRestarts", o.schedules.CosineDecayRestarts, initial_learning_rate=0.2, first_decay_steps=2.5, t_mul=1.5, m_mul=0.9, alpha=0.05),
    schedule_case("exponentialDecay", o.schedules.ExponentialDecay, initial_learning_rate=0.1, decay_steps=4, decay_rate=0.8),
    schedule_case("exponentialDecay", o.schedules.ExponentialDecay, initial_learning_rate=0.1, decay_steps=5, decay_rate=0.5, staircase=True),
    schedule_case("inverseTimeDecay", o.schedules.InverseTimeDecay, initial_learning_rate=0.1, decay_steps=4, decay_rate=0.5),
    schedule_case("inverseTimeDecay", o.schedules.InverseTimeDecay, initial_learning_rate=0.1, decay_steps=5, decay_rate=2.0, staircase=True),
    schedule_case("polynomialDecay", o.schedules.PolynomialDecay, initial_learning_rate=0.1, decay_steps=13),
    schedule_case("polynomialDecay", o.schedules.PolynomialDecay, initial_learning_rate=0.2, decay_steps=10, end_learning_rate=0.05, power=2.0),
    schedule_case("polynomialDecay", o.schedules.PolynomialDecay, initial_learning_rate=0.2, decay_steps=4, end_learning_rate=0.01, power=0.5, cycle=True),
    schedule_case("piecewiseConstantDecay", o.schedules.PiecewiseConstantDecay, boundaries=[3, 8, 14], values=[1.0, 0.5, 0.25, 0.1]),
    schedule_case("piecewiseConstantDecay", o.schedules.PiecewiseConstantDecay, boundaries=[5], values=[0.3, 0.0]),
])


# ---- Networks: penalties, sample weights, loss, gradients and optimizer together, over ten batches.
def network_case(loss, y, last, optimizer, **kwargs):
    model = keras.Sequential([
        L.Input((5,)), L.Dense(6, activation="tanh", kernel_regularizer=r.L2(0.01)), L.LeakyReLU(), L.Dense(last["units"], activation=last["activation"]),
    ])
    start = [normal(*w.shape) * 0.4 for w in model.weights]
    model.set_weights(start)
    model.compile(optimizer=getattr(o, optimizer)(**kwargs), loss=loss, run_eagerly=True)
    batches = []
    for _ in range(10):
        x, targets, weights = normal(8, 5), y(), rng.uniform(0.5, 2, size=8).astype(np.float32)
        model.reset_metrics()
        value = model.train_on_batch(x, targets, sample_weight=weights)
        batches.append({"x": numbers(x), "y": numbers(targets), "sampleWeight": numbers(weights), "loss": float(f"{float(value):.7g}")})
    return {"loss": camel(loss), "last": last, "optimizer": {"SGD": "sgd", "Adam": "adam", "RMSprop": "rmsprop"}[optimizer], "options": options(kwargs),
            "start": [numbers(w) for w in start], "batches": batches, "end": [numbers(w) for w in model.get_weights()]}


# A convolutional network with batch normalisation in training: layer by layer the weights at the start and at the end, with moving statistics, and
# what it predicts with those.
def residual_case():
    convolution = lambda kernel, **kwargs: L.Conv2D(4, kernel, **kwargs)  # noqa: E731
    normalization = lambda: L.BatchNormalization(momentum=0.8)  # noqa: E731
    stem = [convolution(3, padding="same", use_bias=False), normalization(), L.Activation("relu"), L.MaxPooling2D(2)]
    block = [convolution(3, padding="same"), normalization(), L.Activation("relu"), convolution(3, padding="same", use_bias=False), normalization()]
    head = [convolution(2, activation="relu"), L.MaxPooling2D(2), L.Flatten(), L.Dense(3, activation="softmax")]

    def through(chain, x):
        for layer in chain:
            x = layer(x)
        return x

    inputs = L.Input((9, 7, 3))
    x = through(stem, inputs)
    x = L.Activation("relu")(L.Add()([x, through(block, x)]))
    model = keras.Model(inputs, through(head, x))
    held = [layer for layer in [*stem, *block, *head] if layer.weights]
    for layer in held:
        layer.set_weights([np.abs(w) + 0.5 if "variance" in v.name or "gamma" in v.name else w for v, w in ((v, normal(*v.shape) * 0.4) for v in layer.weights)])
    kept = lambda: [[numbers(w) for w in layer.get_weights()] for layer in held]  # noqa: E731
    start = kept()
    model.compile(optimizer=o.SGD(learning_rate=0.05, momentum=0.9), loss="sparse_categorical_crossentropy", run_eagerly=True)
    batches = []
    for _ in range(6):
        x, targets = normal(4, 9, 7, 3), rng.integers(0, 3, size=4).astype(np.int32)
        model.reset_metrics()
        batches.append({"x": numbers(x), "y": numbers(targets), "loss": float(f"{float(model.train_on_batch(x, targets)):.7g}")})
    return {"network": "residual", "start": start, "batches": batches, "end": kept(), "predicted": numbers(model.predict_on_batch(x))}


r = keras.regularizers
networks = [
    network_case("sparse_categorical_crossentropy", lambda: rng.integers(0, 3, size=8).astype(np.int32), {"units": 3, "activation": "softmax"}, "Adam", learning_rate=0.05),
    network_case("categorical_crossentropy", lambda: one_hot(3, 8), {"units": 3, "activation": "softmax"}, "RMSprop", learning_rate=0.01, momentum=0.5),
    network_case("binary_crossentropy", lambda: bits(8, 2), {"units": 2, "activation": "sigmoid"}, "SGD", learning_rate=0.1, momentum=0.9, nesterov=True),
    network_case("mean_squared_error", lambda: normal(8, 1), {"units": 1, "activation": "linear"}, "SGD", learning_rate=0.05, global_clipnorm=0.5),
]
common_rng, rng = rng, np.random.default_rng(43)
networks.append(residual_case())
rng = common_rng
write("networks", networks)


# ---- Initializers: the limit or the standard deviation that Keras derives from a shape; regularizers: their value.
from keras.src.initializers.random_initializers import compute_fans  # noqa: E402

write("initializers", [
    {"shape": list(shape), "fans": [int(f) for f in compute_fans(shape)]} for shape in [(), (7,), (4, 6), (3, 4, 6), (3, 5, 4, 6), (2, 3, 5, 4, 6)]
])
w = normal(3, 4)
write("regularizers", [
    {"regularizer": factory, "options": options(kwargs), "w": numbers(w), "value": numbers(cls(**kwargs)(torch.tensor(w)))}
    for factory, cls, kwargs in [("l1", r.L1, {}), ("l1", r.L1, {"l1": 0.2}), ("l2", r.L2, {}), ("l2", r.L2, {"l2": 0.2}), ("l1l2", r.L1L2, {"l1": 0.1, "l2": 0.3}), ("l1l2", r.L1L2, {})]
])
