-- How far is each kind of training data from real data? Mean and best AUROC of every arm beside the one trained on real positives.
SELECT
    study, concept, arm,
    count(*) AS detectors,
    round(avg(auroc), 3) AS mean_auroc,
    round(max(auroc), 3) AS best_auroc,
    round(max(auroc) - max(max(auroc)) FILTER (arm = 'real') OVER (PARTITION BY study, concept), 3) AS best_to_real
FROM leaderboard
WHERE detector = 'embedding' AND auroc IS NOT NULL
GROUP BY study, concept, arm
ORDER BY study, concept, mean_auroc DESC;
