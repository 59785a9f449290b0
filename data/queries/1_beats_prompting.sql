-- Does steering make better training data than prompting? Shares of steered configurations per concept and pooled: those whose
-- detector is above the mean of the prompted ones, those whose interval lies above 0, and those that survive Benjamini-Hochberg.
SELECT
    study, concept, n AS configurations,
    round(share_wins, 3) AS wins,
    round(share_interval, 3) AS interval_above_0,
    round(share_significant, 3) AS significant,
    round(share_wins_best, 3) AS above_best_prompt,
    round(largest_difference, 3) AS largest_difference
FROM beats_prompting
WHERE detector = 'embedding'
ORDER BY study, concept = 'pooled', concept;
