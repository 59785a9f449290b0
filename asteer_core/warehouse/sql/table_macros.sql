-- The k best steered configurations of a concept by AUROC: FROM best_configurations('toxicity', 5).
CREATE MACRO best_configurations(wanted_concept, k) AS TABLE
SELECT * FROM leaderboard WHERE concept = wanted_concept AND arm = 'steered' AND rank <= k ORDER BY study, detector, rank;

-- One method's curves for a concept: FROM strength_curve('toxicity', 'caa').
CREATE MACRO strength_curve(wanted_concept, wanted_method) AS TABLE
SELECT * FROM strength_curves WHERE concept = wanted_concept AND method = wanted_method ORDER BY study, model, layer, detector, strength;

-- What correlates best with AUROC within a concept or 'pooled': FROM correlations_of('pooled').
CREATE MACRO correlations_of(wanted_concept) AS TABLE
SELECT * FROM metric_auroc_correlation WHERE concept = wanted_concept ORDER BY study, detector, abs(spearman) DESC NULLS LAST;

-- Kendall's tau-b of one metric with AUROC by its definition, pair by pair: FROM kendall_of('hm', 'toxicity', 'embedding'). It takes
-- time with the square of the configurations, so the view shows what the analysis stage stored.
CREATE MACRO kendall_of(wanted_metric, wanted_concept, wanted_detector) AS TABLE
WITH unit AS (
    SELECT study, auroc AS y, value AS x, row_number() OVER (PARTITION BY study ORDER BY configuration_id) AS i
    FROM steered_metrics WHERE metric = wanted_metric AND concept = wanted_concept AND detector = wanted_detector
)
SELECT a.study,
    sum(sign(a.x - b.x) * sign(a.y - b.y)) / nullif(sqrt(count_if(a.x <> b.x) * count_if(a.y <> b.y)::DOUBLE), 0) AS kendall
FROM unit AS a JOIN unit AS b ON a.study = b.study AND a.i < b.i
GROUP BY a.study;

COMMENT ON MACRO TABLE best_configurations IS 'the k best steered configurations of a concept by AUROC, of every study and detector';
COMMENT ON MACRO TABLE strength_curve IS 'curves of one concept and method along the strengths';
COMMENT ON MACRO TABLE correlations_of IS 'correlations with AUROC within a concept or pooled, strongest first';
COMMENT ON MACRO TABLE kendall_of IS 'Kendall''s tau-b of a metric with AUROC within a concept, computed pair by pair';
COMMENT ON MACRO bounded_corr IS 'correlation of two columns, kept within -1 and 1 where rounding leaves it';
COMMENT ON MACRO fisher_mean IS 'mean of correlations by Fisher''s z with weights n - 3';
COMMENT ON MACRO is_steered IS 'whether a row is a steered configuration: no baseline, no random direction, no strength of 0';
COMMENT ON MACRO wilson_end IS 'lower (-1) or upper (1) end of Wilson''s 95 % interval of a share';
COMMENT ON MACRO share_end IS 'lower (-1) or upper (1) end of Wilson''s 95 % interval of a share of n';
