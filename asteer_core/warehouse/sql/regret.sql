-- What a choice without the test set costs: AUROC of the best steered configuration minus AUROC of the chosen one, per model and over all.
-- random: the mean over all; strongest and default_strength: the mean over each model's, method's and layer's greatest and (lower)
-- middle strength. Means are taken in order, so that two queries agree to the last digit.
CREATE VIEW regret AS
WITH steered AS (
    SELECT study, concept, detector, configuration_id, model, method, layer, strength, auroc, hm, hm_sc, success, coherence, diversity,
        quantile_disc(strength, 0.5) OVER dial AS middle, max(strength) OVER dial AS greatest
    FROM leaderboard WHERE is_steered(arm, strength) AND auroc IS NOT NULL
    WINDOW dial AS (PARTITION BY study, concept, detector, model, method, layer)
),
unit AS (
    SELECT * FROM steered
    UNION ALL BY NAME
    SELECT * REPLACE ('all' AS model) FROM steered
),
best AS (
    SELECT study, concept, detector, model, configuration_id AS best_configuration_id, auroc AS best_auroc,
        count(*) OVER (PARTITION BY study, concept, detector, model) AS n
    FROM unit QUALIFY row_number() OVER (PARTITION BY study, concept, detector, model ORDER BY auroc DESC, configuration_id) = 1
),
long AS (
    UNPIVOT unit ON hm, hm_sc, success, coherence, diversity INTO NAME rule VALUE value
),
chosen AS (
    SELECT study, concept, detector, model, rule, configuration_id, auroc
    FROM long QUALIFY row_number() OVER (PARTITION BY study, concept, detector, model, rule ORDER BY value DESC, configuration_id) = 1
    UNION ALL
    SELECT study, concept, detector, model, 'random', NULL, avg(auroc ORDER BY auroc) FROM unit GROUP BY study, concept, detector, model
    UNION ALL
    SELECT study, concept, detector, model, 'strongest', NULL, avg(auroc ORDER BY auroc) FROM unit WHERE strength = greatest
    GROUP BY study, concept, detector, model
    UNION ALL
    SELECT study, concept, detector, model, 'default_strength', NULL, avg(auroc ORDER BY auroc) FROM unit WHERE strength = middle
    GROUP BY study, concept, detector, model
)
SELECT study, concept, detector, model, rule, n, configuration_id, auroc, best_configuration_id, best_auroc, best_auroc - auroc AS regret
FROM chosen JOIN best USING (study, concept, detector, model);
