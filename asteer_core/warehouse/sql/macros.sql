-- Correlation of two columns, kept within [-1, 1] where rounding leaves it.
CREATE MACRO bounded_corr(y, x) AS greatest(-1.0, least(1.0, corr(y, x)));

-- Mean of correlations by Fisher's z with weights n - 3. A perfect one (up to rounding) has infinite z, so it decides; two of
-- opposite sign have no mean.
CREATE MACRO fisher_mean(correlations, sizes) AS
    CASE
        WHEN list_max(correlations) > 1 - 1e-12 AND list_min(correlations) < -1 + 1e-12 THEN NULL
        WHEN list_max(correlations) > 1 - 1e-12 THEN 1.0
        WHEN list_min(correlations) < -1 + 1e-12 THEN -1.0
        ELSE tanh(
            list_sum(list_transform(correlations, lambda r, i: (sizes[i] - 3) * atanh(r)))
            / list_sum(list_transform(sizes, lambda n: n - 3))
        )
    END;
