"""The other side of `diversity_package.py`: the package `diversity` in an environment with transformers 4; knows nothing of this project.

Reads one JSON command per line, does it, and answers with one JSON line: the seconds it took, and the value.
"""

import json
import sys
import time
from pathlib import Path

import torch


def main() -> None:
    torch.set_num_threads(int(sys.argv[2]))
    # What libraries print must not end up between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    # Importing it asks the network for a tokenizer of sentences, which nothing that runs here needs.
    import diversity

    job = json.loads((Path(sys.argv[1]) / "job.json").read_text())
    texts, model = job["texts"], job["model"]
    jobs = {
        "compression_ratio": lambda: diversity.compression_ratio(texts, "xz"),
        "distinct4": lambda: (
            sum(diversity.ngram_diversity_score([one], 4) - diversity.ngram_diversity_score([one], 3) for one in texts) / len(texts)
        ),
        "remote_clique": lambda: diversity.remote_clique(texts, model, verbose=False),
        "chamfer": lambda: diversity.chamfer_dist(texts, model, verbose=False),
        "rouge": lambda: diversity.homogenization_score(texts, "rougel", verbose=False),
    }
    for line in sys.stdin:
        start = time.perf_counter()
        value = float(jobs[json.loads(line)["do"]]())
        print(json.dumps([time.perf_counter() - start, value]), file=answers, flush=True)


main()
