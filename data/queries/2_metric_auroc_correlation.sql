-- Which metric of a corpus predicts the AUROC of the detector that learns from it? Strongest first, over all concepts.
SELECT
    study, metric, n AS configurations,
    round(spearman, 3) AS spearman,
    round(spearman_lo, 3) AS lower,
    round(spearman_hi, 3) AS upper,
    round(pearson, 3) AS pearson
FROM metric_auroc_correlation
WHERE concept = 'pooled' AND detector = 'embedding'
    AND metric IN ('success', 'coherence', 'diversity', 'hm', 'hm_sc', 'strength', 'mean_length')
ORDER BY study, spearman DESC NULLS LAST;
