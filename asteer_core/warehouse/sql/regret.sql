-- What a choice without the test set costs: AUROC of the best steered configuration minus AUROC of the chosen one.
-- random: the mean over all; default_strength: the mean over each model's, method's and layer's middle strength.
CREATE VIEW regret AS
WITH unit AS (
    SELECT study, concept, detector, configuration_id, model, method, layer, strength, auroc, hm, hm_sc, success, coherence, diversity
    FROM leaderboard WHERE arm = 'steered' AND auroc IS NOT NULL
),
best AS (
    SELECT study, concept, detector, configuration_id AS best_configuration_id, auroc AS best_auroc
    FROM unit QUALIFY row_number() OVER (PARTITION BY study, concept, detector ORDER BY auroc DESC, configuration_id) = 1
),
long AS (
    UNPIVOT unit ON hm, hm_sc, success, coherence, diversity INTO NAME rule VALUE value
),
middle AS (
    SELECT *, quantile_disc(strength, 0.5) OVER (PARTITION BY study, concept, detector, model, method, layer) AS middle_strength FROM unit
),
chosen AS (
    SELECT study, concept, detector, rule, configuration_id, auroc
    FROM long QUALIFY row_number() OVER (PARTITION BY study, concept, detector, rule ORDER BY value DESC, configuration_id) = 1
    UNION ALL
    SELECT study, concept, detector, 'random', NULL, avg(auroc) FROM unit GROUP BY ALL
    UNION ALL
    SELECT study, concept, detector, 'default_strength', NULL, avg(auroc) FROM middle WHERE strength = middle_strength GROUP BY ALL
)
SELECT study, concept, detector, rule, configuration_id, auroc, best_configuration_id, best_auroc, best_auroc - auroc AS regret
FROM chosen JOIN best USING (study, concept, detector);
