-- Every trained detector beside the metrics of the corpus it learned from; the real arm has no corpus.
CREATE VIEW leaderboard AS
SELECT
    d.study, d.concept, d.configuration_id, d.model, d.method, d.layer, d.strength, d.template, d.seed, d.arm, d.detector,
    c.success, c.success_lo, c.success_hi, c.coherence, c.coherence_lo, c.coherence_hi,
    c.diversity, c.diversity_lo, c.diversity_hi, c.hm, c.hm_lo, c.hm_hi, c.hm_sc, c.mean_length, g.displacement, g.kl,
    v.separation AS vector_separation, v.weak AS weak_vector,
    d.validation_auroc, d.auroc, d.auroc_lo, d.auroc_hi,
    d.difference, d.difference_lo, d.difference_hi, d.p,
    d.difference_best, d.difference_best_lo, d.difference_best_hi, d.p_best,
    d.flags,
    CASE WHEN d.auroc IS NOT NULL THEN rank() OVER (by_arm ORDER BY d.auroc DESC NULLS LAST) END AS rank,
    CASE WHEN c.hm IS NOT NULL THEN rank() OVER (by_arm ORDER BY c.hm DESC NULLS LAST) END AS hm_rank
FROM detector_metrics AS d
LEFT JOIN corpus_metrics AS c ON c.study = d.study AND c.configuration_id = d.configuration_id
LEFT JOIN corpora AS g ON g.study = d.study AND g.configuration_id = d.configuration_id
LEFT JOIN steering_vectors AS v
    ON v.study = d.study AND v.concept = d.concept AND v.model = d.model AND v.method = d.method AND v.layer = d.layer
WINDOW by_arm AS (PARTITION BY d.study, d.concept, d.detector, d.arm)
-- So that the first rows are the best steered configurations.
ORDER BY d.study, d.concept, d.detector, d.arm <> 'steered', d.arm, d.auroc DESC NULLS LAST, d.configuration_id;
