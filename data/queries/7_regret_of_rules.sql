-- Which rule chooses best without a test set? AUROC lost to the best configuration in hindsight, mean and worst over concepts.
SELECT
    study, rule,
    count(*) AS concepts,
    round(avg(regret), 3) AS mean_regret,
    round(max(regret), 3) AS worst_regret,
    round(avg(auroc), 3) AS mean_auroc
FROM regret
WHERE model = 'all' AND detector = 'embedding'
GROUP BY study, rule
ORDER BY study, mean_regret;
