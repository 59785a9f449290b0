-- Three answers to "how often does steering beat prompting", from the weakest to the strictest.
-- Benjamini-Hochberg runs over the configurations that a row counts: adjusted p = least p * n / rank among the p at or above it.
CREATE VIEW beats_prompting AS
WITH steered AS (
    SELECT study, concept, detector, configuration_id, difference, difference_lo, p
    FROM detector_metrics WHERE arm = 'steered' AND difference IS NOT NULL
),
counted AS (
    SELECT * FROM steered
    UNION ALL BY NAME
    SELECT * REPLACE ('pooled' AS concept) FROM steered
),
ordered AS (
    SELECT *,
        row_number() OVER (family ORDER BY p, configuration_id) AS place,
        count(p) OVER (family) AS tests
    FROM counted
    WINDOW family AS (PARTITION BY study, concept, detector)
),
adjusted AS (
    SELECT *,
        min(p * tests / place) OVER (
            PARTITION BY study, concept, detector ORDER BY place DESC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS p_adjusted
    FROM ordered
),
shares AS (
    SELECT study, concept, detector, count(*) AS n,
        avg((difference > 0)::INT) AS share_wins,
        avg(coalesce(difference_lo > 0, false)::INT) AS share_interval,
        avg(coalesce(p_adjusted <= 0.05 AND p IS NOT NULL AND difference > 0, false)::INT) AS share_significant,
        max(difference) AS best_difference
    FROM adjusted GROUP BY ALL
)
SELECT
    shares.study, shares.concept, shares.detector, shares.n,
    shares.share_wins, stored.share_wins_lo, stored.share_wins_hi,
    shares.share_interval, stored.share_interval_lo, stored.share_interval_hi,
    shares.share_significant, stored.share_significant_lo, stored.share_significant_hi,
    shares.best_difference
FROM shares
LEFT JOIN stored.beats_prompting AS stored USING (study, concept, detector);
