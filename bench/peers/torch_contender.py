"""PyTorch as a contender of bench/peers/main.ts: trains and predicts the workloads on request.

usage: torch_contender.py WORKLOAD MODE, with MODE one of float32, float32-compile, bfloat16; or: torch_contender.py export
Reads one line per round ("train SECONDS", "predict BATCH SECONDS", "accuracy SEED") and answers with one line of JSON. Tuned as PyTorch's own guide
says: one fused optimizer launch, denormals flushed, threads as many as cores (NEURITE_NUM_THREADS), data in memory, one gather per batch.
"""
import contextlib
import gzip
import json
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

HERE = Path(__file__).parent
THREADS = int(os.environ.get("NEURITE_NUM_THREADS") or len(os.sched_getaffinity(0)))


def mnist():
    """Training and test images as float32 (N, 784) in [0, 1], and labels."""
    folder = Path(os.environ["MNIST_DIR"])

    def read(name, offset):
        for path in (folder / name, folder / f"{name}.gz"):
            if path.exists():
                data = path.read_bytes()
                return np.frombuffer(gzip.decompress(data) if path.suffix == ".gz" else data, np.uint8, offset=offset)
        raise SystemExit(f"{name} is not in {folder}")

    def part(prefix):
        images = read(f"{prefix}-images-idx3-ubyte", 16).reshape(-1, 784)
        return torch.from_numpy(images / np.float32(255)), torch.from_numpy(read(f"{prefix}-labels-idx1-ubyte", 8).astype(np.int64))

    return *part("train"), *part("t10k")


def tiny():
    """Random data of 32 features and 10 classes, the same for all."""
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(4096, 32, generator=generator), torch.randint(10, (4096,), generator=generator)
    return x, y, x, y


WORKLOADS = {"mlp": ([784, 512, 512, 10], 128, mnist), "tiny": ([32, 32, 10], 8, tiny)}


def dense(sizes):
    layers = []
    for i, o in zip(sizes, sizes[1:]):
        layers += [nn.Linear(i, o), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Contender:
    def __init__(self, workload, mode):
        self.sizes, self.batch, data = WORKLOADS[workload]
        self.mode = mode
        self.x, self.y, self.x_test, self.y_test = data()
        self.reset(1)

    def reset(self, seed):
        torch.manual_seed(seed)
        self.model = dense(self.sizes)
        self.optimizer = torch.optim.Adam(self.model.parameters(), 1e-3, fused=True)
        self.forward = torch.compile(self.model) if self.mode == "float32-compile" else self.model
        self.order, self.at = torch.randperm(len(self.x)), 0

    def cast(self):
        return torch.autocast("cpu", torch.bfloat16) if self.mode == "bfloat16" else contextlib.nullcontext()

    def step(self):
        if self.at + self.batch > len(self.order):
            self.order, self.at = torch.randperm(len(self.x)), 0
        rows = self.order[self.at : self.at + self.batch]
        self.at += self.batch
        x, y = self.x[rows], self.y[rows]
        self.optimizer.zero_grad(set_to_none=True)
        with self.cast():
            loss = nn.functional.cross_entropy(self.forward(x), y)
        loss.backward()
        self.optimizer.step()

    def timed(self, run, seconds, samples):
        begin = time.perf_counter()
        count = 0
        while (now := time.perf_counter()) - begin < seconds:
            run()
            count += 1
        return {"rate": count * samples / (now - begin)}

    def train(self, seconds):
        return self.timed(self.step, float(seconds), self.batch)

    @torch.inference_mode()
    def predict(self, batch, seconds):
        x = self.x[: int(batch)].clone()

        def run():
            with self.cast():
                self.forward(x).numpy(force=True) if self.mode != "bfloat16" else self.forward(x).float().numpy(force=True)

        return self.timed(run, float(seconds), int(batch))

    def accuracy(self, seed):
        self.reset(int(seed))
        for _ in range(len(self.x) // self.batch):
            self.step()
        with torch.inference_mode():
            return {"accuracy": (self.model(self.x_test).argmax(1) == self.y_test).float().mean().item()}


def export():
    for name, (sizes, _, _) in WORKLOADS.items():
        torch.manual_seed(1)
        torch.onnx.export(dense(sizes).eval(), (torch.zeros(2, sizes[0]),), str(HERE / f"{name}.onnx"), input_names=["x"], output_names=["y"],
                          dynamic_shapes=({0: torch.export.Dim("batch")},), verbose=False)


def main():
    if sys.argv[1] == "export":
        return export()
    torch.set_num_threads(THREADS)
    torch.set_flush_denormal(True)
    contender = Contender(*sys.argv[1:3])
    print(json.dumps({"ready": f"PyTorch {torch.__version__}"}), flush=True)
    for line in sys.stdin:
        command, *arguments = line.split()
        begin, busy = time.perf_counter(), time.process_time()
        answer = getattr(contender, command)(*arguments)
        answer["cores"] = (time.process_time() - busy) / (time.perf_counter() - begin)
        answer["peakBytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps(answer), flush=True)


main()
