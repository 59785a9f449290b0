-- Is there a band of S, C or D outside which steering does not help? Terciles are taken within a concept, then pooled.
CREATE VIEW narrow_band AS
WITH unit AS (
    SELECT study, concept, detector, configuration_id, difference, success, coherence, diversity
    FROM leaderboard WHERE is_steered(arm, strength) AND difference IS NOT NULL
),
long AS (
    UNPIVOT unit ON success, coherence, diversity INTO NAME metric VALUE value
),
cut AS (
    SELECT *, ntile(3) OVER (PARTITION BY study, concept, detector, metric ORDER BY value, configuration_id) AS tercile FROM long
),
counted AS (
    SELECT * FROM cut
    UNION ALL BY NAME
    SELECT * REPLACE ('pooled' AS concept) FROM cut
),
shares AS (
    SELECT study, concept, detector, metric, tercile,
        min(value) AS lowest, max(value) AS highest, count(*) AS n, count(*) FILTER (difference > 0) AS wins
    FROM counted GROUP BY study, concept, detector, metric, tercile
)
SELECT *, wins / n AS share_wins, wilson_end(wins, n, -1) AS share_wins_lo, wilson_end(wins, n, 1) AS share_wins_hi FROM shares;
