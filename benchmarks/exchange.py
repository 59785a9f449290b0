"""Do files mean the same to other tools: ours steers repeng at the same blocks by the same amount, and theirs come in number for number."""

from __future__ import annotations

import re
import shlex
import sys

import numpy as np
import torch

from asteer_core.errors import StoreError
from asteer_core.model import LanguageModel
from asteer_core.vector_files import read_directions, write_control_vector
from benchmarks._model import embedded_model, vectors
from benchmarks._peers import Peers
from benchmarks._table import quick, show

PROMPTS = ["How do I bake bread?", "My bike makes a noise. What is wrong?", "Which film should I see?"]


def pushed(model: LanguageModel, pushes: dict[int, np.ndarray], prompt: str) -> np.ndarray:
    """Return the logits of a prompt with each push added to its block's output at every token: plain hooks, none of our engine."""
    ids = torch.tensor(model.prompter.encode([prompt], [None]))
    handles = [
        model.blocks[block].register_forward_hook(lambda _module, _args, output, push=torch.from_numpy(push): output + push)
        for block, push in pushes.items()
    ]
    try:
        with torch.inference_mode():
            return model.module(input_ids=ids).logits[0].float().numpy()
    finally:
        for handle in handles:
            handle.remove()


def main(small: bool) -> None:
    """Print the table; it takes seconds, so the small size is the same."""
    model = embedded_model()
    pushes = dict(zip((1, 3), vectors(2, norm=3.0), strict=True))
    with Peers(model, PROMPTS, 1, np.stack(list(pushes.values()))) as peers:
        write_control_vector(peers.folder / "ours.gguf", pushes, "llama")
        peers.do("repeng_file")
        with np.load(peers.folder / "repeng_file.npz") as theirs:
            gap, moved, shifted = (
                max(np.abs(theirs[str(row)] - pushed(model, other, prompt)).max() for row, prompt in enumerate(PROMPTS))
                for other in (pushes, {}, {block + 1: push for block, push in pushes.items()})
            )
        peers.do("repeng_export")
        (peers.folder / "conversion.txt").write_text("")
        read = {"repeng 0.4.0, .gguf": read_directions(peers.folder / "theirs.gguf")}
        # The command exists only once the file does, so the job runs twice.
        peers.do("pickled")
        (peers.folder / "conversion.txt").write_text(conversion(peers))
        peers.do("pickled")
        read["steering-vectors 0.12.2, converted"] = read_directions(peers.folder / "theirs.safetensors")
        sent = dict(enumerate(pushes.values(), 1))
        rows: list[list[object]] = [
            ["our .gguf in repeng 0.4.0: largest difference of steered logits", f"{gap:.1e}", "< 1e-4"],
            ["the same without our vectors", f"{moved:.2f}", ""],
            ["the same one block deeper", f"{shifted:.2f}", ""],
        ]
        for name, found in read.items():
            same = sorted(found.by_block) == sorted(sent) and all(np.array_equal(found.by_block[block], sent[block]) for block in sent)
            rows.append([f"{name}: read number for number", "yes" if same else "no", "yes"])
    show("Vector files and other tools", ["what", "measured", "goal"], rows, f"llama-3m, blocks {sorted(pushes)}, {len(PROMPTS)} prompts")


def conversion(peers: Peers) -> str:
    """Return the command that our refusal of a pickle prints, for the other side's Python."""
    try:
        read_directions(peers.folder / "theirs.pt")
    except StoreError as error:
        command = re.search(r"^\s*python (-c .*)$", str(error), re.MULTILINE)
        if command:
            return f"{shlex.quote(peers.python)} {command[1]}"
    sys.exit("a pickle was not refused with a command")


if __name__ == "__main__":
    main(quick(__doc__))
