-- Three answers to "how often does steering beat prompting", from the weakest to the strictest, against two rivals: the mean of the
-- prompts, and the best prompt. Benjamini-Hochberg runs over the configurations that a row counts: adjusted p = the least of
-- p * n / rank among the p at or above it.
CREATE VIEW beats_prompting AS
WITH steered AS (
    SELECT study, concept, detector, configuration_id, 'mean' AS rival, difference, difference_lo AS lo, p
    FROM detector_metrics WHERE is_steered(arm, strength) AND difference IS NOT NULL
    UNION ALL
    SELECT study, concept, detector, configuration_id, 'best', difference_best, difference_best_lo, p_best
    FROM detector_metrics WHERE is_steered(arm, strength) AND difference_best IS NOT NULL
),
counted AS (
    SELECT * FROM steered
    UNION ALL BY NAME
    SELECT * REPLACE ('pooled' AS concept) FROM steered
),
ordered AS (
    SELECT *, row_number() OVER (family ORDER BY p NULLS LAST, configuration_id) AS place, count(p) OVER (family) AS tests
    FROM counted WINDOW family AS (PARTITION BY study, concept, detector, rival)
),
adjusted AS (
    SELECT *,
        min(p * tests / place) OVER (
            PARTITION BY study, concept, detector, rival ORDER BY place DESC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS p_adjusted
    FROM ordered
),
shares AS (
    SELECT study, concept, detector, rival, count(*) AS n,
        avg((difference > 0)::INT) AS wins,
        avg(coalesce(lo > 0, false)::INT) AS above,
        avg(coalesce(p IS NOT NULL AND p_adjusted <= 0.05 AND difference > 0, false)::INT) AS significant,
        max(difference) AS largest
    FROM adjusted GROUP BY ALL
),
mean AS (FROM shares WHERE rival = 'mean'),
best AS (FROM shares WHERE rival = 'best')
SELECT
    study, concept, detector, coalesce(mean.n, 0) AS n, coalesce(best.n, 0) AS n_best,
    mean.wins AS share_wins, stored.share_wins_lo, stored.share_wins_hi,
    share_end(mean.wins, mean.n, -1) AS share_wins_wilson_lo, share_end(mean.wins, mean.n, 1) AS share_wins_wilson_hi,
    mean.above AS share_interval, stored.share_interval_lo, stored.share_interval_hi,
    share_end(mean.above, mean.n, -1) AS share_interval_wilson_lo, share_end(mean.above, mean.n, 1) AS share_interval_wilson_hi,
    mean.significant AS share_significant, stored.share_significant_lo, stored.share_significant_hi,
    share_end(mean.significant, mean.n, -1) AS share_significant_wilson_lo, share_end(mean.significant, mean.n, 1) AS share_significant_wilson_hi,
    mean.largest AS largest_difference,
    best.wins AS share_wins_best, stored.share_wins_best_lo, stored.share_wins_best_hi,
    share_end(best.wins, best.n, -1) AS share_wins_best_wilson_lo, share_end(best.wins, best.n, 1) AS share_wins_best_wilson_hi,
    best.above AS share_interval_best, stored.share_interval_best_lo, stored.share_interval_best_hi,
    share_end(best.above, best.n, -1) AS share_interval_best_wilson_lo, share_end(best.above, best.n, 1) AS share_interval_best_wilson_hi,
    best.significant AS share_significant_best, stored.share_significant_best_lo, stored.share_significant_best_hi,
    share_end(best.significant, best.n, -1) AS share_significant_best_wilson_lo, share_end(best.significant, best.n, 1) AS share_significant_best_wilson_hi,
    best.largest AS largest_difference_best
FROM mean FULL JOIN best USING (study, concept, detector)
LEFT JOIN stored.beats_prompting AS stored USING (study, concept, detector);
