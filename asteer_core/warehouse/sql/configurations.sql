-- Every corpus by its configuration; the method of a baseline is its kind.
CREATE VIEW configurations AS
SELECT study, concept, configuration_id, model, method, layer, strength, template, seed,
    CASE WHEN method IN ('prompted', 'unsteered', 'random') THEN method ELSE 'steered' END AS kind,
    n, n_tokens
FROM corpora;

CREATE VIEW detectors AS
SELECT study, concept, configuration_id, model, method, layer, strength, template, seed, arm, detector,
    n_positives, n_negatives, seeds, duplicates_removed, prevalence
FROM detector_metrics;

-- The judge that gave the probabilities is the concept's own, or any that the study names.
CREATE VIEW judge_labels AS
SELECT m.study, m.concept, m.configuration_id, m.model, m.method, m.layer, m.strength, m.template, m.seed, m.row_id,
    j.judge, m.judge_probability AS probability, m.judge_probability >= 0.5 AS violates, m.judge_coherence AS coherence,
    m.judge_reason AS reason
FROM measurements AS m
LEFT JOIN (SELECT study, concept, any_value(judge) AS judge FROM judges GROUP BY study, concept) AS j USING (study, concept);
