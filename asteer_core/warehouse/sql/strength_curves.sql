-- Along the dial: how success rises, coherence and diversity fall, and where the detector is best.
CREATE VIEW strength_curves AS
SELECT
    study, concept, configuration_id, model, method, layer, strength, template, seed, detector,
    success, coherence, diversity, hm, hm_sc,
    auroc, auroc_lo, auroc_hi, difference, difference_lo, difference_hi, p, difference_best, difference_best_lo, difference_best_hi
FROM leaderboard
WHERE arm IN ('steered', 'random') AND strength IS NOT NULL
ORDER BY study, concept, detector, model, method, layer, strength;
