-- Where does the time go? Every stage over all runs: seconds, partitions made and adopted, peak memory in MB.
SELECT
    study, stage,
    count(*) AS runs,
    round(sum(seconds), 1) AS seconds,
    sum(partitions - reused)::BIGINT AS made,
    sum(reused)::BIGINT AS adopted,
    round(max(peak_memory) / 1e6) AS peak_mb,
    bool_and(complete) AS all_complete
FROM runs
GROUP BY study, stage
ORDER BY study, sum(seconds) DESC;
