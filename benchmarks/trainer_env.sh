#!/bin/sh
# Adds what benchmarks/fine_tuning.py needs beside the project's own environment: accelerate, without which transformers has no Trainer.
# Everything that accelerate needs is here already. Usage: benchmarks/trainer_env.sh [folder]; prints the folder to put on the path.
set -eu
folder=${1:-${TMPDIR:-/tmp}/asteer-trainer}
python=${PYTHON:-python3}
if [ ! -f "$folder/complete" ]; then
    "$python" -m pip install --quiet --no-deps --upgrade --target "$folder" 'accelerate==1.15.0' >&2
    touch "$folder/complete"
fi
echo "$folder"
