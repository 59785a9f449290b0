"""Declarations of what a study is and how it was run: definition, concepts, models, runs, and the stored files behind the rows."""

from asteer_core.warehouse.schemas import CONCEPT, STUDY, Column, Table, count, flag, real, text

STUDIES = Table(
    "studies", "metrics", "The definition of each study and the versions it was last published with.",
    (
        STUDY,
        text("description", "what the study is for, in its own words"),
        text("definition", "the study file, every default written out (YAML)"),
        text("headline_detector", "the detector kind whose results are the headline: the first of the study file"),
        text("asteer_version", "version of this package"),
        text("versions", "versions of the libraries that the numbers depend on, comma-separated"),
    ),
)  # fmt: skip

CONCEPTS = Table(
    "concepts", "metrics", "The concepts of each study, with the sizes of their data.",
    (
        STUDY, CONCEPT,
        text("title", "the concept's name in words"),
        text("h", "which of the three it violates: harmless, honest or helpful"),
        text("definition", "what counts as a violation"),
        count("n_pairs", "contrastive pairs"),
        count("n_prompts", "generation prompts"),
        count("n_judge", "labelled rows of the judge"),
        count("n_real", "real rows of the detectors: training negatives and reference positives, validation and test"),
        count("n_templates", "system prompts of the prompting baseline"),
        text("fingerprint", "hash of all files of the concept"),
    ),
)  # fmt: skip

MODELS = Table(
    "models", "metrics", "The models of each study as their registry entry names them.",
    (
        STUDY,
        text("model", "registry name", key=True),
        text("source", "folder or hub id"),
        text("revision", "pinned commit of a hub model"),
        text("scorer", "model that scores the coherence of what this one says"),
        text("description", "what the registry says of it"),
        text("fingerprint", "hash of weights, tokenizer and settings"),
        flag("retired", "whether it is left out of new runs; its results stay"),
        text("reason", "why the fingerprint is NULL, or the model retired"),
    ),
)  # fmt: skip

RUNS = Table(
    "runs", "large", "What each stage did in each run, and how long it took.",
    (
        STUDY,
        text("run_id", "one execution: Dagster's run id, or that of the process", key=True),
        text("stage", "stage of the line", key=True),
        Column("started_at", "time", "when the stage began", "UTC", key=True),
        real("seconds", "how long it took", "seconds"),
        count("partitions", "partitions finished"),
        count("reused", "of these, adopted from the store"),
        count("rows", "rows of the finished partitions"),
        real("peak_memory", "peak resident memory of the process so far", "bytes"),
        flag("complete", "whether every partition succeeded"),
        text("error", "kind of the error that ended it, else NULL"),
        text("asteer_version", "version of this package"),
    ),
)  # fmt: skip

RUN_PARTITIONS = Table(
    "run_partitions", "large", "Which run made which partition, and when; adopted partitions keep the run that made them.",
    (
        STUDY,
        text("run_id", "one execution", key=True),
        text("stage", "stage of the line", key=True),
        text("concept", "the concept; empty for a stage over the whole study", key=True),
        text("partition", "model, vector or configuration key; NULL where the concept alone names it", key=True),
        Column("finished_at", "time", "when it was stored", "UTC"),
        count("rows", "rows written"),
    ),
)  # fmt: skip

PARTITIONS = Table(
    "partitions", "view", "The parquet files behind the tables, with the hash of everything each was computed from; read when asked.",
    (
        STUDY,
        text("table_name", "the table", key=True),
        text("file", "path of the parquet file", key=True),
        text("concept", "the concept; NULL for a table over the whole study"),
        text("partition", "key of the partition as it stands in the file's name"),
        text("content_key", "hash of everything the partition was computed from"),
        text("asteer_version", "version of this package that wrote it"),
        Column("written_at", "time", "when the file was written", "UTC"),
        count("bytes", "size of the file", "bytes"),
    ),
)  # fmt: skip

AUDIT_GATES = Table(
    "audit_gates", "view", "The gate of each audit; a value beyond it becomes a flag.",
    (
        text("audit", "name of the audit", key=True),
        text("measure", "column of detector_metrics it reads"),
        real("gate", "where the audit becomes a flag", "0 to 1"),
        flag("folded", "whether the value is folded about .5 first (.2 counts as .8)"),
    ),
)  # fmt: skip

STUDY_TABLES = (STUDIES, CONCEPTS, MODELS, RUNS, RUN_PARTITIONS, PARTITIONS, AUDIT_GATES)
