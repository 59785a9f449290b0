-- Correlation of two columns, kept within [-1, 1] where rounding leaves it. In order, since sums of several threads differ in the last
-- digit from one query to the next.
CREATE MACRO bounded_corr(y, x) AS greatest(-1.0, least(1.0, corr(y, x ORDER BY y, x)));

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

-- What every study of steered configurations counts: no baselines, no random directions, no strength of 0.
CREATE MACRO is_steered(arm, strength) AS arm = 'steered' AND coalesce(strength <> 0, true);

-- Ends of Wilson's 95 % interval of a share, for independent trials.
CREATE MACRO wilson_end(wins, n, side) AS
    (wins + 1.959963984540054 ** 2 / 2 + side * 1.959963984540054 * sqrt(wins * (n - wins) / n + 1.959963984540054 ** 2 / 4))
    / (n + 1.959963984540054 ** 2);

-- The same from a share of n.
CREATE MACRO share_end(share, n, side) AS wilson_end(share * n, n, side);
