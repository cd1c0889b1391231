"""PyTorch as the contender of bench/peers/ops.mts: times single layers, each direction by itself.

Reads lines "layer SECONDS JSON", where JSON describes a layer of bench/networks.mts with its direction, dtype, sizes of the output and zeros before, and
answers with how many times it ran per second. Images are channels last; gradients are ATen's own, with only the wanted one asked for.
"""
import json

import torch
from torch.nn import functional as F

from torch_server import serve, timed

aten = torch.ops.aten


def convolution(layer, values):
    x, dy = values(layer["channels"], layer["size"]), values(layer["features"], layer["outputSize"])
    axes, groups = len(layer["size"]), layer["groups"]
    w = values(layer["channels"] // groups, [layer["kernel"]] * axes, layer["features"])
    stride, before, ones, zeros = ([n] * axes for n in (layer["stride"], layer["before"], 1, 0))

    def gradient(mask):
        return lambda: aten.convolution_backward(dy, x, w, None, stride, before, ones, False, zeros, groups, mask)

    return {
        "forward": lambda: aten.convolution(x, w, None, stride, before, ones, False, zeros, groups),
        "data gradient": gradient([True, False, False]),
        "filter gradient": gradient([False, True, False]),
    }


def max_pool(layer, values):
    x, dy = values(layer["channels"], layer["size"]), values(layer["channels"], layer["outputSize"])
    if x.dim() == 3:
        x, dy = x.unsqueeze(2), dy.unsqueeze(2)
    axes = len(layer["size"])
    window, stride, before = ([around] * (2 - axes) + [layer[name]] * axes for name, around in (("window", 1), ("stride", 1), ("before", 0)))
    forward = lambda: aten.max_pool2d_with_indices(x, window, stride, before)
    indices = forward()[1]
    return {"forward": forward, "backward": lambda: aten.max_pool2d_with_indices_backward(dy, x, window, stride, before, [1, 1], False, indices)}


def global_average_pool(layer, values):
    x, dy = values(layer["channels"], layer["size"]), values(layer["channels"], layer["outputSize"])
    axes = [2 + i for i in range(len(layer["size"]))]
    # As autograd does it: the gradient of a mean is dy, expanded, over its number of elements.
    return {"forward": lambda: x.mean(axes, keepdim=True), "backward": lambda: dy.expand(x.shape) / x[0, 0].numel()}


def batch_norm(layer, values):
    channels = layer["channels"]
    x, dy, residual = (values(channels, layer["size"]) for _ in range(3))
    gamma, beta, mean, variance = (torch.ones(channels) for _ in range(4))

    def forward():
        y, *statistics = aten.native_batch_norm(x, gamma, beta, mean, variance, True, 0.1, 1e-3)
        if layer["residual"]:
            y += residual
        return y.relu_() if layer["relu"] else y, *statistics

    y, batch_mean, inverse = forward()

    def backward():
        dz = aten.threshold_backward(dy, y, 0) if layer["relu"] else dy
        return dz, aten.native_batch_norm_backward(dz, x, gamma, mean, variance, batch_mean, inverse, True, 1e-3, [True, True, True])

    return {"forward": forward, "backward": backward}


KINDS = {"conv": convolution, "maxPool": max_pool, "globalAveragePool": global_average_pool, "batchNorm": batch_norm}


class Contender:
    """Keeps the layer that was asked for last."""

    def __init__(self):
        self.question = self.run = None

    @torch.no_grad()
    def layer(self, seconds, question):
        if question != self.question:
            layer = json.loads(question)
            dtype = getattr(torch, layer["dtype"])

            def values(channels, size, count=layer["batch"]):
                t = torch.randn(count, channels, *size, dtype=dtype)
                return t.contiguous(memory_format=torch.channels_last) if t.dim() == 4 else t

            self.question, self.run = question, KINDS[layer["kind"]](layer, values)[layer["direction"]]
            self.run()
        return timed(self.run, float(seconds), 1)


serve(Contender)
