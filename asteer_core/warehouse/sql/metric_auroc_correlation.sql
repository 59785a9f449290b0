-- Every steered configuration and metric in one column.
CREATE VIEW steered_metrics AS
WITH trained AS (
    SELECT study, concept, detector, configuration_id, auroc, strength FROM detector_metrics
    WHERE is_steered(arm, strength) AND auroc IS NOT NULL
),
unit AS (
    SELECT d.*, c.* EXCLUDE (study, concept, configuration_id, strength)
    FROM trained AS d JOIN corpus_metrics AS c ON c.study = d.study AND c.configuration_id = d.configuration_id
)
SELECT study, concept, detector, configuration_id, auroc, metric, value FROM (
    UNPIVOT unit ON success, success_rate, coherence, diversity, sample_diversity, set_diversity, vendi, self_bleu,
        hm, hm_sc, am, am_sc, gm, gm_sc, "min", min_sc, strength, mean_length
    INTO NAME metric VALUE value
)
UNION ALL
SELECT d.study, d.concept, d.detector, d.configuration_id, d.auroc, a.metric, a.value
FROM trained AS d JOIN alternative_metrics AS a ON a.study = d.study AND a.configuration_id = d.configuration_id
WHERE a.value IS NOT NULL;

-- Correlation of every metric with AUROC; the unit is a steered configuration, never a text.
-- Ties share their mean rank, as in scipy.stats.spearmanr. A constant column has no correlation: NULL with a reason.
CREATE VIEW metric_auroc_correlation AS
WITH ranked AS (
    SELECT *,
        rank() OVER (PARTITION BY study, concept, detector, metric ORDER BY value)
            + (count(*) OVER (PARTITION BY study, concept, detector, metric, value) - 1) / 2.0 AS value_rank,
        rank() OVER (PARTITION BY study, concept, detector, metric ORDER BY auroc)
            + (count(*) OVER (PARTITION BY study, concept, detector, metric, auroc) - 1) / 2.0 AS auroc_rank
    FROM steered_metrics
),
counted AS (
    SELECT study, concept, detector, metric, count(*) AS n,
        CASE
            WHEN count(*) < 3 THEN 'fewer than 3 configurations'
            WHEN min(value) = max(value) THEN 'the metric is constant'
            WHEN min(auroc) = max(auroc) THEN 'AUROC is constant'
        END AS reason,
        bounded_corr(auroc_rank, value_rank) AS spearman,
        bounded_corr(auroc, value) AS pearson
    FROM ranked GROUP BY ALL
),
per_concept AS (
    SELECT * REPLACE (CASE WHEN reason IS NULL THEN spearman END AS spearman, CASE WHEN reason IS NULL THEN pearson END AS pearson)
    FROM counted
),
pooled AS (
    SELECT study, 'pooled' AS concept, detector, metric, sum(n)::BIGINT AS n,
        fisher_mean(list(spearman ORDER BY concept), list(n ORDER BY concept)) AS spearman,
        fisher_mean(list(pearson ORDER BY concept), list(n ORDER BY concept)) AS pearson
    FROM per_concept WHERE n > 3 AND reason IS NULL GROUP BY ALL
),
points AS (
    SELECT * FROM per_concept
    UNION ALL BY NAME
    SELECT *, CASE WHEN spearman IS NULL THEN 'perfect correlations of opposite sign' END AS reason FROM pooled
)
SELECT
    study, concept, detector, metric, coalesce(points.n, stored.n) AS n,
    coalesce(points.spearman, stored.spearman) AS spearman, stored.spearman_lo, stored.spearman_hi,
    stored.cluster_lo, stored.cluster_hi, stored.p_permutation,
    stored.kendall, stored.kendall_lo, stored.kendall_hi,
    coalesce(points.pearson, stored.pearson) AS pearson, stored.pearson_lo, stored.pearson_hi,
    stored.partial, stored.partial_lo, stored.partial_hi,
    coalesce(points.reason, CASE WHEN points.n IS NULL THEN stored.reason END) AS reason,
    -- A difference of two correlations, "a - b", has no ceiling of this kind.
    CASE WHEN NOT contains(metric, ' - ') THEN noise.ceiling END AS ceiling
FROM points
-- Differences of two correlations stand in the stored table alone.
FULL JOIN stored.metric_auroc_correlation AS stored USING (study, concept, detector, metric)
LEFT JOIN auroc_reliability AS noise USING (study, concept, detector);
