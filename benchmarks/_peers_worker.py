"""The other side of `peers.py` and `extraction.py`: runs in an environment with transformers 4, knows nothing of this project.

Reads one JSON command per line, does it, and answers with one JSON line that holds the seconds it took.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from repeng import ControlModel
from repeng.extract import ControlVector
from safetensors.torch import load_file
from steering_vectors import SteeringVector, mean_aggregator, pca_aggregator, train_steering_vector
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast


class Worker:
    """The model of one folder and the jobs that can be done with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = LlamaForCausalLM(LlamaConfig(**json.loads((folder / "shape.json").read_text()))).eval()
        self.model.load_state_dict(load_file(folder / "weights.safetensors"), strict=False)
        self.model.tie_weights()
        self.tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=str(folder / "tokenizer.json"), bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="</s>"
        )
        self.job = json.loads((folder / "job.json").read_text())
        self.vectors = np.load(folder / "vectors.npy")

    def _batch(self):
        self.tokenizer.padding_side = "left"
        return self.tokenizer(self.job["prompts"], return_tensors="pt", padding=True)

    def _padded(self):
        rows, width = self.job["ids"], max(map(len, self.job["ids"]))
        ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        return {"input_ids": ids, "attention_mask": mask}

    def _reply(self, model, batch) -> int:
        """Let replies end by themselves; return their tokens, the one that ends them included."""
        end = self.model.config.eos_token_id
        out = model.generate(
            **batch, do_sample=True, max_new_tokens=self.job["tokens"], top_k=0, eos_token_id=end, pad_token_id=end
        )[:, batch["input_ids"].shape[1] :]  # fmt: skip
        return int(((out == end).cumsum(1) - (out == end).int() == 0).sum())

    def _generate(self, model, batch) -> None:
        tokens = self.job["tokens"]
        out = model.generate(
            **{name: batch[name] for name in ("input_ids", "attention_mask")}, do_sample=True, max_new_tokens=tokens,
            min_new_tokens=tokens, top_k=0, pad_token_id=1,
        )  # fmt: skip
        if out.shape != (len(self.job["prompts"]), batch["input_ids"].shape[1] + tokens):
            raise RuntimeError(f"generated {tuple(out.shape)}")

    def steering_vectors(self, ending: bool = False) -> None:
        """One configuration after the other through `generate`, as its README shows."""
        batch = self._padded() if ending else self._batch()
        tokens = 0
        for vector in self.vectors:
            with SteeringVector({self.job["layer"]: torch.from_numpy(vector)}).apply(self.model):
                tokens += (self._reply if ending else self._generate)(self.model, batch) or 0
        (self.folder / "tokens.json").write_text(json.dumps(tokens))

    def repeng(self, ending: bool = False) -> None:
        """One configuration after the other through a `ControlModel`, as its README shows."""
        batch = self._padded() if ending else self._batch()
        layer = self.job["layer"]
        tokens = 0
        control = ControlModel(self.model, [layer])
        try:
            for vector in self.vectors:
                control.set_control(ControlVector(model_type="llama", directions={layer: vector}), 1.0)
                tokens += (self._reply if ending else self._generate)(control, batch) or 0
                control.reset()
        finally:
            control.unwrap()
        (self.folder / "tokens.json").write_text(json.dumps(tokens))

    def extract(self, batch_size: int = 1, aggregator: str = "mean") -> None:
        """Vectors of all layers at the last token; kept for comparison."""
        self.tokenizer.padding_side = "right"
        make = mean_aggregator() if aggregator == "mean" else pca_aggregator()
        pairs = [tuple(pair) for pair in self.job["pairs"]]
        found = train_steering_vector(self.model, self.tokenizer, pairs, aggregator=make, batch_size=batch_size)
        np.savez(self.folder / f"{aggregator}.npz", **{str(layer): vector.numpy() for layer, vector in found.layer_activations.items()})

    def logits(self) -> None:
        """Logits of one prompt at a time with the first vector added after BOS."""
        rows = {}
        with torch.no_grad(), SteeringVector({self.job["layer"]: torch.from_numpy(self.vectors[0])}).apply(self.model, min_token_index=1):
            for number, prompt in enumerate(self.job["prompts"][:8]):
                rows[str(number)] = self.model(**self.tokenizer(prompt, return_tensors="pt", return_token_type_ids=False)).logits[0].numpy()
        np.savez(self.folder / "logits.npz", **rows)

    def repeng_file(self) -> None:
        """Logits of one prompt at a time under a control vector read from a file, at every layer that it names."""
        vector = ControlVector.import_gguf(self.folder / "ours.gguf")
        control = ControlModel(self.model, sorted(vector.directions))
        rows = {}
        try:
            control.set_control(vector, 1.0)
            with torch.no_grad():
                for number, ids in enumerate(self.job["ids"][:8]):
                    rows[str(number)] = control(input_ids=torch.tensor([ids])).logits[0].numpy()
        finally:
            control.unwrap()
        np.savez(self.folder / "repeng_file.npz", **rows)

    def repeng_export(self) -> None:
        """A control vector of repeng, written by it."""
        layers = {number + 1: vector for number, vector in enumerate(self.vectors)}
        ControlVector(model_type="llama", directions=layers).export_gguf(self.folder / "theirs.gguf")

    def pickled(self) -> None:
        """A vector of steering-vectors as its users save it, and what the conversion that we print makes of it."""
        layers = {number + 1: torch.from_numpy(vector) for number, vector in enumerate(self.vectors)}
        torch.save(SteeringVector(layers), self.folder / "theirs.pt")
        subprocess.run((self.folder / "conversion.txt").read_text(), shell=True, check=True)


def main() -> None:
    torch.set_num_threads(int(sys.argv[2]))
    worker = Worker(Path(sys.argv[1]))
    # What libraries print must not end up between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        command = json.loads(line)
        start = time.perf_counter()
        getattr(worker, command.pop("do"))(**command)
        print(json.dumps(time.perf_counter() - start), file=answers, flush=True)


main()
