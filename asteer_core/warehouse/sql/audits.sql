-- One row per audit of a training set. What was flagged is taken from the stage that audited, never decided again here; an audit
-- without a measure of its own in `audit_gates` is listed where it was flagged.
CREATE VIEW audits AS
WITH known AS (
    SELECT d.study, d.concept, d.configuration_id, d.model, d.method, d.layer, d.strength, d.template, d.seed, d.arm, d.detector,
        g.audit,
        CASE g.measure
            WHEN 'length_auroc' THEN d.length_auroc
            WHEN 'generator_auroc' THEN d.generator_auroc
            WHEN 'duplicate_share' THEN d.duplicate_share
            WHEN 'positive_share' THEN d.positive_share
            WHEN 'judge_overlap' THEN d.judge_overlap
        END AS value,
        g.gate,
        coalesce(list_contains(string_split(d.flags, ','), g.audit), false) AS flagged
    FROM detector_metrics AS d CROSS JOIN audit_gates AS g
),
named AS (
    SELECT study, concept, configuration_id, model, method, layer, strength, template, seed, arm, detector,
        unnest(string_split(flags, ',')) AS audit, NULL::DOUBLE AS value, NULL::DOUBLE AS gate, true AS flagged
    FROM detector_metrics WHERE flags <> ''
)
FROM known
UNION ALL
FROM named WHERE audit NOT IN (SELECT audit FROM audit_gates);

CREATE VIEW audit_flags AS
WITH counted AS (
    FROM audits
    UNION ALL BY NAME
    SELECT * REPLACE ('pooled' AS concept) FROM audits
)
SELECT study, concept, detector, arm, audit,
    count(*) FILTER (value IS NOT NULL OR flagged) AS n,
    count(*) FILTER (flagged) AS flagged,
    count(*) FILTER (flagged) / nullif(count(*) FILTER (value IS NOT NULL OR flagged), 0) AS share_flagged,
    median(value) AS median_value,
    max(CASE WHEN folded THEN greatest(value, 1 - value) ELSE value END) AS highest_value
FROM counted LEFT JOIN audit_gates USING (audit)
GROUP BY study, concept, detector, arm, audit;
