-- Along the dial: how success rises, coherence and diversity fall, and where the detector is best.
CREATE VIEW strength_curves AS
SELECT * EXCLUDE (hm_rank)
FROM leaderboard
WHERE arm IN ('steered', 'random') AND strength IS NOT NULL
ORDER BY study, concept, detector, model, method, layer, strength;
