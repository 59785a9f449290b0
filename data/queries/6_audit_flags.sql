-- Could the detectors have cheated? How many training sets of each arm are beyond the gate of each audit, over all concepts.
SELECT
    study, audit, arm, n, flagged,
    round(share_flagged, 2) AS share,
    round(median_value, 3) AS median,
    round(highest_value, 3) AS highest
FROM audit_flags
WHERE concept = 'pooled' AND detector = 'embedding' AND n > 0
ORDER BY study, audit, arm;
