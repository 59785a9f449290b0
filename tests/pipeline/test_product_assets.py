"""The assets made on demand: what the launchpad says reaches the core, cell by cell, and what the core says stands in the events."""

import dagster as dg
import pytest

from asteer_core.study import Done
from asteer_pipeline.assets import configuration_search, preview, training_set


@pytest.mark.parametrize(
    "module, door, name, config",
    [
        (configuration_search, "searched", "configuration_search", {"budget": "300", "objective": "d", "rungs": [4, 8]}),
        (training_set, "composed", "training_set", {"budget": "300", "objective": "success", "recipe": "facility", "min_success": 0.7}),
        (preview, "previews", "preview", {"prompts": 3, "configuration": "alpha:caa:L01:s0.30"}),
    ],
)
def test_the_fields_of_the_launchpad_reach_the_core(defs, instance, monkeypatch, module, door, name, config):
    seen = []

    def fake(workspace, cells, *choices):
        seen.append((list(cells), choices))
        yield Done("toxicity", "alpha", 5, metadata={"chosen": "alpha:caa:L01:s0.30"}, samples=({"steered": "<b>`x`"},))

    monkeypatch.setattr(module, door, fake)
    job = defs.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        asset_selection=[dg.AssetKey(name)], partition_key=dg.MultiPartitionKey({"concept": "toxicity", "model": "alpha"}),
        run_config={"ops": {name: {"config": config}}}, instance=instance,
    )  # fmt: skip
    event = result.asset_materializations_for_node(name)[0]
    assert event.metadata["chosen"].value == "alpha:caa:L01:s0.30" and "<b>" in event.metadata["samples (content warning)"].value
    ((cells, choices),) = seen
    assert cells == [("toxicity", "alpha")]
    shown = str(choices)
    wanted = {"configuration_search": ["responses=300", "objective='d'", "prompts=(4, 8)"], "preview": ["3", "alpha:caa:L01:s0.30"],
              "training_set": ["objective='success'", "name='facility'", "success=0.7"]}  # fmt: skip
    assert all(part in shown for part in wanted[name])
