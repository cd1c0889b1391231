"""PyTorch as a contender of bench/peers/main.mts: trains and predicts the workloads on request.

usage: torch_contender.py WORKLOAD MODE, with MODE one of float32, tf32 (on a GPU), bfloat16, each also as MODE-compile; or: torch_contender.py export
[WORKLOAD...]. NEURITE_DEVICE=cuda: on a GPU, with data there too, and compiled into CUDA graphs.
Reads one line per round ("train SECONDS", "predict BATCH SECONDS", "accuracy SEED") and answers with one line of JSON. Tuned as PyTorch's own guide
says: one fused optimizer launch, images channels last, denormals flushed, threads as many as cores (NEURITE_NUM_THREADS), data in memory. Of MNIST and
of tiny's data each step gathers its batch; the others take turns with four batches that lie ready.
"""
import contextlib
import gzip
import os
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from torch_server import DEVICE, serve, timed

HERE = Path(__file__).parent


def mnist():
    """Training and test images as float32 (N, 1, 28, 28) in [0, 1], and labels."""
    folder = Path(os.environ["MNIST_DIR"])

    def read(name, offset):
        for path in (folder / name, folder / f"{name}.gz"):
            if path.exists():
                data = path.read_bytes()
                return np.frombuffer(gzip.decompress(data) if path.suffix == ".gz" else data, np.uint8, offset=offset)
        raise SystemExit(f"{name} is not in {folder}")

    def part(prefix):
        images = read(f"{prefix}-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28)
        return torch.from_numpy(images / np.float32(255)), torch.from_numpy(read(f"{prefix}-labels-idx1-ubyte", 8).astype(np.int64))

    return *part("train"), *part("t10k")


def dense(*sizes):
    layers = []
    for i, o in zip(sizes, sizes[1:]):
        layers += [nn.Linear(i, o), nn.ReLU()]
    return layers[:-1]


def lenet():
    def block(i, o):
        return [nn.Conv2d(i, o, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]

    return nn.Sequential(*block(1, 32), *block(32, 64), nn.Flatten(), nn.Linear(3136, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 10))


def vgg():
    def block(i, o):
        return [nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(inplace=True)]

    return nn.Sequential(*block(3, 64), *block(64, 64), nn.MaxPool2d(2), *block(64, 128), *block(128, 128), nn.MaxPool2d(2), *block(128, 256),
                         *block(256, 256), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10))


class Residual(nn.Module):
    """A block of ResNet-20; a shortcut that changes its size takes every second pixel and pads the channels with zeros (option A)."""

    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.norm2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.stride, self.half = stride, (o - i) // 2

    def forward(self, x):
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        if self.stride > 1:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.half, self.half))
        return F.relu(y + x)


def resnet20():
    blocks, i = [], 16
    for o in (16, 32, 64):
        for k in range(3):
            blocks.append(Residual(i, o, 2 if k == 0 and o > 16 else 1))
            i = o
    return nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def conv1d():
    def block(i, o):
        return [nn.Conv1d(i, o, 9, padding=4), nn.ReLU(), nn.MaxPool1d(2)]

    return nn.Sequential(*block(1, 32), *block(32, 64), nn.Flatten(), *dense(64 * 256, 128, 3))


# Name: model, shape of a sample, batch, optimizer, loss.
WORKLOADS = {
    "mlp": (lambda: nn.Sequential(nn.Flatten(), *dense(784, 512, 512, 10)), (1, 28, 28), 128, "adam", nn.CrossEntropyLoss()),
    "lenet": (lenet, (1, 28, 28), 128, "adam", nn.CrossEntropyLoss()),
    "vgg": (vgg, (3, 32, 32), 64, "sgd", nn.CrossEntropyLoss()),
    "resnet20": (resnet20, (3, 32, 32), 128, "sgd", nn.CrossEntropyLoss()),
    "conv1d": (conv1d, (1, 1024), 64, "adam", nn.BCEWithLogitsLoss()),
    "tiny": (lambda: nn.Sequential(*dense(32, 32, 10)), (32,), 8, "adam", nn.CrossEntropyLoss()),
}


def randoms(n, shape, multilabel):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n, *shape, generator=generator)
    return x, torch.randint(2, (n, 3), generator=generator).float() if multilabel else torch.randint(10, (n,), generator=generator)


class Contender:
    def __init__(self, workload, mode):
        self.build, self.shape, self.batch, self.optimizer_name, self.loss = WORKLOADS[workload]
        self.narrow, self.compiled = mode.startswith("bfloat16"), mode.endswith("compile")
        # Strides of one channel are those of any layout.
        self.format = torch.channels_last if len(self.shape) == 3 and workload != "mlp" else torch.contiguous_format
        self.batches = None
        rounds = mode.startswith("tf32")
        torch.set_float32_matmul_precision("high" if rounds else "highest")
        torch.backends.cudnn.allow_tf32 = rounds
        if workload in ("mlp", "lenet"):
            self.x, self.y, self.x_test, self.y_test = (t.to(DEVICE) for t in mnist())
        elif workload == "tiny":
            self.x, self.y = (t.to(DEVICE) for t in randoms(4096, self.shape, False))
        else:
            self.x, self.y = (t.to(DEVICE) for t in randoms(4 * self.batch, self.shape, workload == "conv1d"))
            self.batches = [(x.contiguous(memory_format=self.format), y) for x, y in zip(self.x.split(self.batch), self.y.split(self.batch))]
        self.reset(1)

    def reset(self, seed):
        torch.manual_seed(seed)
        self.model = self.build().to(DEVICE, memory_format=self.format)
        parameters = self.model.parameters()
        self.optimizer = (torch.optim.Adam(parameters, 1e-3, fused=True) if self.optimizer_name == "adam"
                          else torch.optim.SGD(parameters, 0.01, momentum=0.9, fused=True))
        self.forward, self.loss_of = self.model, lambda x, y: self.loss(self.model(x), y)
        if self.compiled:
            settings = {"dynamic": False, "mode": "reduce-overhead" if DEVICE == "cuda" else None}
            self.forward, self.loss_of = torch.compile(self.forward, **settings), torch.compile(self.loss_of, **settings)
        self.order, self.at, self.turn = torch.randperm(len(self.x), device=DEVICE), 0, 0

    def cast(self):
        return torch.autocast(DEVICE, torch.bfloat16) if self.narrow else contextlib.nullcontext()

    def next_batch(self):
        if self.batches:
            self.turn += 1
            return self.batches[self.turn % len(self.batches)]
        if self.at + self.batch > len(self.order):
            self.order, self.at = torch.randperm(len(self.x), device=DEVICE), 0
        rows = self.order[self.at : self.at + self.batch]
        self.at += self.batch
        return self.x[rows].contiguous(memory_format=self.format), self.y[rows]

    def step(self):
        x, y = self.next_batch()
        self.optimizer.zero_grad(set_to_none=True)
        with self.cast():
            loss = self.loss_of(x, y)
        loss.backward()
        self.optimizer.step()

    def train(self, seconds):
        self.model.train()
        return timed(self.step, float(seconds), self.batch)

    @torch.inference_mode()
    def predict(self, batch, seconds):
        self.model.eval()
        x = self.x[: int(batch)].clone(memory_format=self.format)

        def run():
            with self.cast():
                self.forward(x).float().numpy(force=True)

        return timed(run, float(seconds), int(batch))

    def accuracy(self, seed):
        self.reset(int(seed))
        for _ in range(len(self.x) // self.batch):
            self.step()
        self.model.eval()
        with torch.inference_mode():
            right = [(self.model(x).argmax(1) == y).sum() for x, y in zip(self.x_test.split(1000), self.y_test.split(1000))]
        return {"accuracy": (sum(right) / len(self.x_test)).item()}


def export(names):
    for name in names:
        build, shape, *_ = WORKLOADS[name]
        torch.manual_seed(1)
        torch.onnx.export(build().eval(), (torch.zeros(2, *shape),), str(HERE / f"{name}.onnx"), input_names=["x"], output_names=["y"],
                          dynamic_shapes=({0: torch.export.Dim("batch")},), verbose=False)


if sys.argv[1] == "export":
    export(sys.argv[2:] or WORKLOADS)
else:
    serve(lambda: Contender(*sys.argv[1:3]))
