#!/usr/bin/env bash
# The sdist and the wheel as a stranger gets them: built, installed into an empty environment, used outside the checkout.
# The demo's results stay in build/package/home; slow tests given it as ASTEER_TEST_HOME adopt them.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$root/build/package
python=${PYTHON:-$root/.venv/bin/python}
rm -rf "$work"
mkdir -p "$work/outside"

PIP_CONSTRAINT=$root/requirements.lock "$python" -m build --outdir "$work/dist" "$root"
wheel=$(echo "$work"/dist/*.whl)
sdist=$(echo "$work"/dist/*.tar.gz)
listing=$("$python" -m zipfile -l "$wheel")
for needed in models/llama-3m/model.safetensors models/neox-2m/model.safetensors concepts/toxicity/pairs.jsonl presets/quick.yaml \
    recipes/beavertails.yaml queries/1_beats_prompting.sql schemas/study.json saes/README.md dagster.yaml; do
    grep -qF "asteer_core/_data/$needed " <<<"$listing" || { echo "the wheel lacks $needed"; exit 1; }
done
du -h "$wheel" "$sdist"

"$python" -m venv "$work/venv"
unset PYTHONPATH ASTEER_DATA ASTEER_STUDY
export ASTEER_HOME=$work/home PATH=$work/venv/bin:$PATH
pip install --quiet --constraint "$root/requirements.lock" "$wheel"
pip check
cd "$work/outside"
asteer doctor
asteer study plan quick
asteer demo
test -s "$ASTEER_HOME/reports/quick.html" || { echo "the demo left no report"; exit 1; }

pip install --quiet --no-deps --force-reinstall "$sdist"
asteer study run "$root/.ci/mini.yaml" --home "$work/home-of-sdist"
