-- The rows that steering is compared with, ranked like the leaderboard.
CREATE VIEW baselines AS
SELECT * EXCLUDE (hm_rank) FROM leaderboard WHERE arm NOT IN ('steered') ORDER BY study, detector, concept, model, arm, template;
