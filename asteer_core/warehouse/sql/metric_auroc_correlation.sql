-- Correlation of every metric with AUROC; the unit is a steered configuration, never a text.
-- Ties share their mean rank, as in scipy.stats.spearmanr. A constant column has no correlation: NULL with a reason.
CREATE VIEW metric_auroc_correlation AS
WITH unit AS (
    SELECT d.study, d.concept, d.detector, d.auroc, d.strength, c.* EXCLUDE (study, concept, configuration_id, model, method, layer, strength,
           template, seed, n, n_null, m, metric_version, reason)
    FROM detector_metrics AS d
    JOIN corpus_metrics AS c ON c.study = d.study AND c.configuration_id = d.configuration_id
    WHERE d.arm = 'steered' AND d.auroc IS NOT NULL
),
long AS (
    UNPIVOT unit ON COLUMNS(* EXCLUDE (study, concept, detector, auroc)) INTO NAME metric VALUE value
),
ranked AS (
    SELECT *,
        rank() OVER (PARTITION BY study, concept, detector, metric ORDER BY value)
            + (count(*) OVER (PARTITION BY study, concept, detector, metric, value) - 1) / 2.0 AS value_rank,
        rank() OVER (PARTITION BY study, concept, detector, metric ORDER BY auroc)
            + (count(*) OVER (PARTITION BY study, concept, detector, metric, auroc) - 1) / 2.0 AS auroc_rank
    FROM long
),
per_concept AS (
    SELECT study, concept, detector, metric, count(*) AS n,
        CASE WHEN count(*) >= 3 AND min(value) < max(value) AND min(auroc) < max(auroc) THEN bounded_corr(auroc_rank, value_rank) END AS spearman,
        CASE WHEN count(*) >= 3 AND min(value) < max(value) AND min(auroc) < max(auroc) THEN bounded_corr(auroc, value) END AS pearson,
        CASE
            WHEN count(*) < 3 THEN 'fewer than 3 configurations'
            WHEN min(value) = max(value) THEN 'the metric is constant'
            WHEN min(auroc) = max(auroc) THEN 'AUROC is constant'
        END AS reason
    FROM ranked GROUP BY ALL
),
pooled AS (
    SELECT study, 'pooled' AS concept, detector, metric, sum(n)::BIGINT AS n,
        fisher_mean(list(spearman ORDER BY concept), list(n ORDER BY concept)) AS spearman,
        fisher_mean(list(pearson ORDER BY concept), list(n ORDER BY concept)) AS pearson
    FROM per_concept WHERE n > 3 AND spearman IS NOT NULL GROUP BY ALL
),
points AS (
    SELECT * FROM per_concept
    UNION ALL BY NAME
    SELECT *, CASE WHEN spearman IS NULL THEN 'perfect correlations of opposite sign' END AS reason FROM pooled
)
SELECT
    points.study, points.concept, points.detector, points.metric, points.n,
    points.spearman, stored.spearman_lo, stored.spearman_hi, stored.kendall, points.pearson, points.reason
FROM points
LEFT JOIN stored.metric_auroc_correlation AS stored USING (study, concept, detector, metric);
