"""What both PyTorch contenders share: settings, a loop that answers questions on standard input, and timing."""
import json
import os
import resource
import sys
import time

import torch

DEVICE = "cuda" if os.environ.get("NEURITE_DEVICE", "").startswith("cuda") else "cpu"
THREADS = int(os.environ.get("NEURITE_NUM_THREADS") or len(os.sched_getaffinity(0)))


def timed(run, seconds, samples):
    """Runs for that long; samples per second. One more run than fits, so that there is one."""
    begin = time.perf_counter()
    count = 0
    while time.perf_counter() - begin < seconds:
        run()
        count += 1
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return {"rate": count * samples / (time.perf_counter() - begin)}


def serve(make):
    """Answers each line "METHOD ARGUMENT [ARGUMENT]" with what that method of `make()` returns, the cores it used and the peak of memory, as a line of JSON."""
    torch.set_num_threads(THREADS)
    torch.set_flush_denormal(True)
    contender = make()
    print(json.dumps({"ready": f"PyTorch {torch.__version__}"}), flush=True)
    for line in sys.stdin:
        command, *arguments = line.strip().split(maxsplit=2)
        begin, busy = time.perf_counter(), time.process_time()
        answer = getattr(contender, command)(*arguments)
        answer["cores"] = (time.process_time() - busy) / (time.perf_counter() - begin)
        answer["peakBytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps(answer), flush=True)
