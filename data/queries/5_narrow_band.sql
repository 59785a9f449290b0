-- Is there a narrow band that works? Share of steered configurations above prompting in each third by success, coherence, diversity.
SELECT
    study, metric, tercile,
    round(lowest, 3) AS from_value,
    round(highest, 3) AS to_value,
    n, wins,
    round(share_wins, 2) AS share,
    round(share_wins_lo, 2) AS lower,
    round(share_wins_hi, 2) AS upper
FROM narrow_band
WHERE concept = 'pooled' AND detector = 'embedding'
ORDER BY study, metric, tercile;
