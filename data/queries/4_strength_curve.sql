-- What does turning up the strength do? Success, coherence, diversity and AUROC along the dial of one method, per concept and model.
SELECT
    study, concept, model, layer, strength,
    round(success, 3) AS success,
    round(coherence, 3) AS coherence,
    round(diversity, 3) AS diversity,
    round(hm, 3) AS hm,
    round(auroc, 3) AS auroc,
    round(difference, 3) AS to_prompting
FROM strength_curves
WHERE detector = 'embedding' AND method = 'caa'
ORDER BY study, concept, model, layer, strength;
