#!/usr/bin/env bash
# Makes the virtual environment and the npm folder with the peers, beside this file. Needs Python 3.10 or newer; about 1 GB. PyTorch is
# also given jemalloc where that is installed (Debian and Ubuntu: apt-get install libjemalloc2), as its guide to performance advises.
set -euo pipefail
cd "$(dirname "$0")"
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/pip install --quiet --requirement requirements.txt
# Its install script fetches a CUDA library; the CPU library is in the package.
[ -d node_modules/onnxruntime-node ] || npm install --silent --no-save --no-package-lock --ignore-scripts --prefix . onnxruntime-node
.venv/bin/python torch_contender.py export
