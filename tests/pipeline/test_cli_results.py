"""What the tables at the end of a study call a configuration, and what they say of replies that nobody judged."""

import duckdb
import pytest

from asteer_pipeline.cli.results import VERDICTS, shown_key


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


def test_replies_without_a_verdict_are_counted_per_study_with_their_commonest_reason():
    with duckdb.connect() as connection:
        connection.execute("""
            CREATE TABLE judge_labels AS FROM (VALUES
                ('s', 'openai', 0.5, NULL), ('s', 'openai', NULL, 'HTTP 500'), ('s', 'openai', NULL, 'unreadable'),
                ('s', 'openai', NULL, 'unreadable'), ('t', 'guard', NULL, 'empty response'), ('u', 'embedded', 0.1, NULL)
            ) AS rows(study, judge, probability, reason)""")
        assert connection.execute(VERDICTS, ["s"]).fetchall() == [("openai", 4, 3, "unreadable")]
        assert connection.execute(VERDICTS, ["u"]).fetchall() == []
