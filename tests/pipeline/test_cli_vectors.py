"""`asteer vectors`: cards, JSON, and errors that are one message."""

import json

import numpy as np
import pytest

from asteer_core.types import SteeringVector
from asteer_core.vector_files import save_vectors, write_control_vector
from asteer_pipeline.cli import main


@pytest.fixture(autouse=True)
def _there(tmp_path, go_to) -> None:
    go_to(tmp_path)


def run(capsys, *arguments):
    code = main(["vectors", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, " ".join(captured.err.split())


def test_from_import_to_export(capsys, tmp_path):
    write_control_vector("v.gguf", {1: np.ones(160)}, "gpt_neox", {"by": "[red]me\x1b[31m"})
    assert "No vectors here yet" in run(capsys, "list")[1]
    code, shown, _ = run(capsys, "import", "v.gguf", "--concept", "toxicity", "--model", "neox-2m")
    assert code == 0 and "toxicity on neox-2m, method imported" in shown and "separation" in shown
    assert "options: {path: v}" in shown and "\x1b[31m" not in shown
    assert "neox-2m" in run(capsys, "list")[1]
    listed = json.loads(run(capsys, "list", "--json")[1])
    assert [one["name"] for one in listed] == ["v"] and listed[0]["blocks"] == [1]
    card = json.loads(run(capsys, "show", "v", "--json")[1])
    assert card["blocks"][0]["norm_in_file"] == pytest.approx(160**0.5) and card["metadata"]["source"] == "v.gguf"
    code, shown, _ = run(capsys, "export", "v", "out.gguf", "--unit")
    assert code == 0 and "blocks 1; unit directions" in shown and "--control-vector-layer-range 1 1" in shown
    code, shown, _ = run(capsys, "show", "out.gguf")
    assert code == 0 and "gguf file, for gpt_neox; width 160" in shown and "concept: toxicity" in shown


def test_another_tools_text_cannot_drive_the_terminal(capsys):
    write_control_vector("v.gguf", {1: np.ones(4)}, "[bold]x\x1b[31m", {"by": "[red]me\x1b[31m\x07"})
    code, shown, _ = run(capsys, "show", "v.gguf")
    assert code == 0 and "\x1b[31m" not in shown and "\x07" not in shown and "[red]me" in shown


def test_a_direction_that_points_away_is_said_to(capsys):
    write_control_vector("v.gguf", {1: np.ones(160)}, "gpt_neox")
    cards = {}
    for name, options in (("plain", []), ("turned", ["--flip"])):
        arguments = ["import", "v.gguf", "--concept", "toxicity", "--model", "neox-2m", "--name", name, *options]
        cards[name] = run(capsys, *arguments)[1]
    assert sum("import with --flip" in card for card in cards.values()) == 1


def test_a_broken_file_is_listed_as_broken_and_the_others_stay(capsys, tmp_path):
    direction = np.eye(4, dtype=np.float32)[0]
    for name in ("good", "bad"):
        save_vectors(tmp_path / "home" / "vectors" / f"{name}.safetensors", [SteeringVector("toxicity", "m", "caa", 1, direction, 1.0)])
    bad = tmp_path / "home" / "vectors" / "bad.safetensors"
    bad.write_bytes(bad.read_bytes()[:-3])
    code, shown, _ = run(capsys, "list")
    assert code == 0 and "broken" in shown and "good" in shown and "not a readable safetensors file" in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "nowhere.gguf"], "nowhere.gguf: no such file"),
        (["show", "junk.gguf"], "junk.gguf: neither a GGUF control vector nor a readable safetensors file"),
        (["import", "nowhere.gguf", "--concept", "toxicity", "--model", "neox-2m"], "nowhere.gguf: cannot be read"),
        (["import", "pickled.pt", "--concept", "toxicity", "--model", "neox-2m"], "a pickle, which is not loaded"),
        (["export", "junk.gguf", "out.gguf"], "junk.gguf: not a readable safetensors file"),
    ],
)
def test_a_user_error_is_a_message_and_exit_code_2(tmp_path, capsys, arguments, says):
    (tmp_path / "junk.gguf").write_bytes(b"junk")
    (tmp_path / "pickled.pt").write_bytes(b"PK\x03\x04 what torch.save writes")
    code, _, error = run(capsys, *arguments)
    assert code == 2 and says in error and "Traceback" not in error
