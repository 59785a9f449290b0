"""What the tables at the end of a study call a configuration."""

import pytest

from asteer_pipeline.cli.results import shown_key


@pytest.mark.parametrize(
    "key, layer, strength, shown",
    [
        ("llama-3m:caa:L01:s0.45", 1, 0.45, "llama-3m:caa:L01:s0.45"),
        ("llama-3m:caa:Lauto:k0.30", 2, 0.4178, "llama-3m:caa:Lauto:k0.30 = L02 s0.42"),
        ("llama-3m:caa:L01:k0.30", 1, 0.4178, "llama-3m:caa:L01:k0.30 = s0.42"),
        ("llama-3m:ablation:Lauto", 3, None, "llama-3m:ablation:Lauto = L03"),
        ("llama-3m:kcaa:Lauto:k9.00", None, None, "llama-3m:kcaa:Lauto:k9.00"),
        ("neox-2m:unsteered", None, None, "neox-2m:unsteered"),
    ],
)
def test_a_key_is_followed_by_what_its_dials_came_out_as(key, layer, strength, shown):
    row = {"configuration_id": f"toxicity:{key}#0123abcd", "concept": "toxicity", "layer": layer, "strength": strength}
    assert shown_key(row) == shown
