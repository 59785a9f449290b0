#!/bin/sh
# Builds an environment in which other libraries run: these need transformers 4, so they cannot live beside us.
# Usage: benchmarks/peers_env.sh [steering|diversity] [folder]; prints the path of its Python.
set -eu
kind=${1:-steering}
case "$kind" in
    steering) packages="steering-vectors==0.12.2 repeng==0.4.0 safetensors" ;;
    # spacy and openai are imported by diversity and not among its requirements.
    diversity) packages="diversity==0.3.1 spacy>=3.8 openai>=1" ;;
    *) echo "$0: unknown environment $kind; expected steering or diversity" >&2; exit 2 ;;
esac
folder=${2:-${TMPDIR:-/tmp}/asteer-peers-$kind}
python=${PYTHON:-python3}
if [ ! -f "$folder/complete" ]; then
    "$python" -m venv "$folder"
    # shellcheck disable=SC2086
    "$folder/bin/python" -m pip install --quiet 'torch==2.13.0' 'transformers<5' $packages >&2
    touch "$folder/complete"
fi
echo "$folder/bin/python"
