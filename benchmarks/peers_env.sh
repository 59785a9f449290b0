#!/bin/sh
# Builds the environment of benchmarks/peers.py: steering-vectors and repeng need transformers 4, so they cannot live beside us.
# Usage: benchmarks/peers_env.sh [folder]; prints the path of its Python.
set -eu
folder=${1:-${TMPDIR:-/tmp}/asteer-peers}
python=${PYTHON:-python3}
if [ ! -f "$folder/complete" ]; then
    "$python" -m venv "$folder"
    "$folder/bin/python" -m pip install --quiet 'torch==2.13.0' 'transformers<5' 'steering-vectors==0.12.2' 'repeng==0.4.0' safetensors >&2
    touch "$folder/complete"
fi
echo "$folder/bin/python"
