"""Makes safetensors.golden.json with Python's safetensors package: pip install safetensors numpy ml_dtypes; python safetensors.golden.py"""

import base64
import json
import pathlib

import ml_dtypes
import numpy as np
from safetensors.numpy import save

tensors = {
    "dense/kernel": np.arange(6, dtype=np.float32).reshape(2, 3) / 4,
    "dense/bias": np.array([-1.5, 0, 2.25], dtype=np.float32),
    "half": np.array([1, -2.5, 0.15625], dtype=ml_dtypes.bfloat16),
    "counts": np.array([[2**31 - 1], [-7]], dtype=np.int32),
    "bytes": np.array([0, 7, 255], dtype=np.uint8),
    "flags": np.array([True, False, True]),
    "scalar": np.array(3, dtype=np.float32),
    "nothing": np.zeros((0, 4), dtype=np.float32),
    "naïve ☃": np.array([1], dtype=np.uint8),
}
names = {"float32": "float32", "bfloat16": "bfloat16", "int32": "int32", "uint8": "uint8", "bool": "bool"}
golden = {
    "file": base64.b64encode(save(tensors, metadata={"made by": "python", "note": "ü"})).decode(),
    "metadata": {"made by": "python", "note": "ü"},
    "tensors": {
        name: {"dtype": names[t.dtype.name], "shape": list(t.shape), "data": base64.b64encode(t.tobytes()).decode()}
        for name, t in tensors.items()
    },
}
path = pathlib.Path(__file__).with_name("safetensors.golden.json")
path.write_text(json.dumps(golden, indent=1) + "\n")
