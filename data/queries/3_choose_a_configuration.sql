-- Which configuration would one take without a test set, and what does that cost? Per concept the configuration of the highest
-- HM, beside the best one in hindsight.
SELECT
    study, concept,
    split_part(configuration_id, '#', 1) AS chosen_by_hm,
    round(auroc, 3) AS auroc,
    split_part(best_configuration_id, '#', 1) AS best_in_hindsight,
    round(best_auroc, 3) AS best_auroc,
    round(regret, 3) AS regret
FROM regret
WHERE rule = 'hm' AND model = 'all' AND detector = 'embedding'
ORDER BY study, concept;
