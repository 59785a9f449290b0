-- The k best steered configurations of a concept by AUROC: FROM best_configurations('toxicity', 5).
CREATE MACRO best_configurations(wanted_concept, k) AS TABLE
SELECT * FROM leaderboard WHERE concept = wanted_concept AND arm = 'steered' AND rank <= k ORDER BY study, detector, rank;

-- One method's curves for a concept: FROM strength_curve('toxicity', 'caa').
CREATE MACRO strength_curve(wanted_concept, wanted_method) AS TABLE
SELECT * FROM strength_curves WHERE concept = wanted_concept AND method = wanted_method ORDER BY study, model, layer, detector, strength;

-- What correlates best with AUROC within a concept or 'pooled': FROM correlations_of('pooled').
CREATE MACRO correlations_of(wanted_concept) AS TABLE
SELECT * FROM metric_auroc_correlation WHERE concept = wanted_concept ORDER BY study, detector, abs(spearman) DESC NULLS LAST;
