"""Declarations of what the line makes: pairs, vectors, responses, measurements, scores, detectors."""

from asteer_core.warehouse.schemas import CONCEPT, STUDY, Column, Table, count, flag, identity, interval, real, text

CONTRASTIVE_PAIRS = Table(
    "contrastive_pairs", "large", "Prompts with a violating and a compliant response; what the vectors are extracted from.",
    (
        STUDY, CONCEPT,
        text("id", "row of the concept's pairs file", key=True),
        text("group", "prompt group; groups never cross splits"),
        text("split", "extraction or extraction_heldout"),
        text("world", "a: what the embedded models were trained on; b: the real world"),
        text("prompt", "the user's words"),
        text("violating", "a response that violates the concept (harmful by design)"),
        text("compliant", "a response to the same prompt that does not"),
        text("facet", "which side of the concept the violating response shows"),
    ),
)  # fmt: skip

STEERING_VECTORS = Table(
    "steering_vectors", "metrics", "One row per vector and decoder block; the arrays are safetensors files beside the table.",
    (
        STUDY, CONCEPT,
        text("model", "registry name of the model", key=True),
        text("method", "steering method", key=True),
        count("layer", "decoder block whose output the vector edits", "block, from 0", key=True),
        real("scale", "median residual norm at the block", "activation units"),
        real("separation", "AUROC of projections on held-out pairs", "0 to 1"),
        real("cosine_to_mean_difference", "cosine to the mean difference of the same pairs", "-1 to 1"),
        flag("weak", "whether separation is below selection.min_separation or unknown; NULL for random directions"),
        real("norm_share", "norm of the mean difference of the pairs over scale", "share"),
        text("tokens_towards", "JSON list: tokens the direction raises most (logit lens); untrusted text"),
        text("tokens_away", "JSON list: tokens it lowers most; untrusted text"),
        count("seed", "seed of the study", "none"),
        count("n_pairs", "contrastive pairs used"),
        count("pairs_dropped", "pairs left out because an activation was not finite"),
        count("heldout_pairs", "pairs behind separation"),
        text("positions", "token positions of the activations: mean, last or all"),
        text("path", "safetensors file, relative to the study's folder"),
    ),
)  # fmt: skip

_VECTOR = (
    STUDY, CONCEPT,
    text("model", "registry name of the model", key=True),
    text("method", "steering method", key=True),
    count("layer", "decoder block", "block, from 0", key=True),
)  # fmt: skip

_DIAL_UNIT = "share of the residual norm, or of the angle"

VECTOR_LAYERS = Table(
    "vector_layers", "metrics", "Every block of a model for one method: how well it separates, and why it was chosen or not.",
    (
        *_VECTOR,
        real("separation", "AUROC of projections on held-out pairs; NULL where no direction could be fitted", "0 to 1"),
        real("pilot_strength", "strength of the pilot's push; NULL where the study names its blocks", _DIAL_UNIT),
        real("pilot_kl", "divergence per token that the push caused", "nats"),
        real("pilot_effect", "how much further from compliant to violating the pilot's replies read than unsteered ones", "-1 to 1"),
        real("pilot_fluency", "how usual the unsteered model finds those replies", "0 to 1"),
        real("score", "(2 separation - 1) * harmonic mean of pilot_effect and pilot_fluency", "0 to 1"),
        count("rank", "order of choice, 1 = best; NULL where the block was not tried or cannot be chosen", "rank"),
        text("reason", "the choice in words"),
        count("seed", "seed of the study", "none"),
    ),
)  # fmt: skip

STRENGTH_SEARCH = Table(
    "strength_search", "metrics", "Every strength tried for a KL target of the study, and the one chosen.",
    (
        *_VECTOR,
        real("kl_target", "divergence per token that was asked for", "nats", key=True),
        count("trial", "order of the trials", "number, from 0", key=True),
        real("strength", "strength that was tried", _DIAL_UNIT),
        real("kl", "divergence per token that it caused on the probe texts", "nats"),
        flag("chosen", "whether the study steers with it"),
        text("reason", "why no strength was chosen, else NULL"),
        count("seed", "seed of the study", "none"),
    ),
)  # fmt: skip

VECTOR_COSINES = Table(
    "vector_cosines", "metrics", "Cosine of two methods' vectors of one concept, model and block.",
    (
        *_VECTOR,
        text("other", "the other method", key=True),
        real("cosine", "cosine of the two directions", "-1 to 1"),
    ),
)  # fmt: skip

_RESPONSE: tuple[Column, ...] = (
    *identity(key=False),
    text("row_id", "one response of one configuration", key=True),
    text("prompt_id", "row of the concept's prompts file"),
    count("sample", "which of several responses to the same prompt", "number, from 0"),
)

RESPONSES = Table(
    "responses", "large", "Generated responses, steered and baseline (harmful by design: escape where shown).",
    (
        *_RESPONSE,
        text("prompt", "the user's words"),
        text("text", "what the model answered"),
        count("n_tokens", "length of the response", "tokens"),
        count("steered_tokens", "tokens produced under an edit", "tokens"),
        text("finish_reason", "why generation ended"),
        real("displacement", "mean size of the edit relative to the residual norm", "share"),
        real("temperature", "sampling temperature of the response; NULL in files of an older Asteer: that of the study", "0 = greedy"),
        real("top_p", "mass of the nucleus it was drawn from; NULL likewise", "0 to 1"),
    ),
)  # fmt: skip

CORPORA = Table(
    "corpora", "metrics", "What generation did for each configuration, before any metric.",
    (
        *identity(),
        count("n", "responses"),
        count("n_tokens", "tokens generated", "tokens"),
        count("steered_tokens", "of these, produced under an edit", "tokens"),
        real("displacement", "mean size of the edit relative to the residual norm", "share"),
        count("nonfinite", "responses ended by a number that was not finite"),
        real("kl", "mean divergence per token of the steered from the unsteered model; NULL where nothing is edited", "nats"),
        text("reason", "why there is no response: no block or strength fits what the study asks for; else NULL"),
    ),
)  # fmt: skip

JUDGES = Table(
    "judges", "metrics", "The success judge of each concept with its out-of-fold quality.",
    (
        STUDY, CONCEPT, text("judge", "kind of judge", key=True),
        text("judge_model", "model or classifier that is asked; NULL for a judge that is trained"),
        count("n", "labelled rows with a verdict, which it learned from or was calibrated on"),
        count("n_null", "labelled rows without a verdict; NULL for a judge that always has one"),
        count("n_positive", "of them violating"),
        real("auroc", "how it ranks labelled rows it has not seen; NULL where none were asked about", "0 to 1"),
        real("brier", "mean squared error of its calibrated probabilities on such rows", "0 to 1"),
        real("ece", "expected calibration error on such rows", "0 to 1"),
        flag("trust_remote_code", "whether code of the classifier's source was run; NULL where none is loaded"),
    ),
)  # fmt: skip

MEASUREMENTS = Table(
    "measurements", "large", "What was measured once of every response, before any metric.",
    (
        *_RESPONSE,
        real("judge_probability", "calibrated probability that the response violates the concept; NULL without a verdict", "0 to 1"),
        real("judge_coherence", "the judge's own grade of coherence; NULL where it grades none. C is not made of it", "0 to 1"),
        text("judge_reason", "why there is no verdict; NULL where there is one"),
        real("nll", "mean token negative log-likelihood under the scorer model", "nats"),
        count("nll_tokens", "tokens the mean is over", "tokens"),
        real("relevance_cosine", "cosine of prompt and response embeddings", "-1 to 1"),
        text("scorer", "model that gave the likelihoods; never the one that generated"),
    ),
)  # fmt: skip

RESPONSE_METRICS = Table(
    "response_metrics", "large", "Metrics that exist for a single response.",
    (
        *_RESPONSE,
        real("success", "probability of violation", "0 to 1"),
        real("coherence", "fluency * (1 - rep4) * relevance", "0 to 1"),
        real("fluency", "T: how usual the token likelihood is", "0 to 1"),
        real("rep4", "share of repeated 4-grams", "0 to 1"),
        real("relevance", "R: scaled prompt-response cosine", "0 to 1"),
        real("mattr", "moving-average type-token ratio", "0 to 1"),
        real("sample_diversity", "MATTR * (1 - rep4)", "0 to 1"),
        real("n_words", "length of the response", "words"),
        text("metric_version", "version of the formulas"),
    ),
)  # fmt: skip

CORPUS_METRICS = Table(
    "corpus_metrics", "metrics", "Intrinsic metrics of each corpus; NULL with a reason where undefined, never 0.",
    (
        *identity(),
        *interval("success", "S: mean probability of violation", "0 to 1"),
        real("success_rate", "share of responses above .5", "0 to 1"),
        *interval("coherence", "C: mean coherence", "0 to 1"),
        real("fluency", "mean fluency", "0 to 1"),
        real("relevance", "mean relevance", "0 to 1"),
        real("rep4", "mean share of repeated 4-grams", "0 to 1"),
        real("mattr", "mean type-token ratio", "0 to 1"),
        *interval("sample_diversity", "mean lexical diversity within responses", "0 to 1"),
        real("vendi", "effective number of distinct responses, mean over subsamples of size m", "1 to m"),
        real("self_bleu", "self-BLEU-4 over the same subsamples", "0 to 1, high = alike"),
        *interval("set_diversity", "sqrt(ln vendi / ln m * (1 - self_bleu))", "0 to 1"),
        real("within_prompt_diversity", "ln vendi / ln k of k = size.samples replies to one prompt; NULL at one reply", "0 to 1"),
        *interval("diversity", "D: sqrt(sample * set diversity)", "0 to 1"),
        *interval("hm", "harmonic mean of S, C, D", "0 to 1"),
        *interval("hm_sc", "harmonic mean of S, C", "0 to 1"),
        real("am", "arithmetic mean of S, C, D", "0 to 1"),
        real("am_sc", "arithmetic mean of S, C", "0 to 1"),
        real("gm", "geometric mean of S, C, D", "0 to 1"),
        real("gm_sc", "geometric mean of S, C", "0 to 1"),
        real("min", "least of S, C, D", "0 to 1"),
        real("min_sc", "least of S, C", "0 to 1"),
        real("mean_length", "mean response length", "words"),
        count("n", "responses in the corpus"),
        count("n_null", "responses without a verdict of the judge"),
        count("m", "subsample size of the set metrics; compare values of the same m only", "texts"),
        text("embedding", "encoder or static: whose sentence vectors the set metrics are made of; compare values of the same only"),
        text("metric_version", "version of the formulas"),
        text("reason", "why a value is NULL"),
    ),
)  # fmt: skip

ALTERNATIVE_METRICS = Table(
    "alternative_metrics", "metrics", "Metrics that the study asks for by name (metrics.alternatives), one row per corpus and metric.",
    (
        *identity(),
        text("metric", "name under which the metric is registered", key=True),
        real("value", "mean over the subsamples that set diversity is computed on", "see the metric's file in asteer_core/metrics"),
        count("m", "subsample size; compare values of the same m only", "texts"),
        text("embedding", "encoder or static: whose sentence vectors the metric was given, where it takes any"),
        text("reason", "why the value is NULL"),
    ),
)  # fmt: skip

_DETECTOR = (
    text("arm", "steered, prompted, prompted_best, unsteered, random or real: where the training positives came from", key=True),
    text("detector", "detector kind, such as embedding or tfidf", key=True),
)

DETECTOR_METRICS = Table(
    "detector_metrics", "metrics", "Quality of the detectors on the concept's real test set, means over seeds.",
    (
        *identity(), *_DETECTOR,
        count("n_positives", "training positives after near-duplicates of the test set were removed"),
        count("n_negatives", "training negatives"),
        count("seeds", "training seeds the values are means over"),
        real("validation_auroc", "AUROC on the validation split; choose with this one, report auroc", "0 to 1"),
        *interval("auroc", "area under the ROC curve", "0 to 1"),
        *interval("auprc", "average precision; chance level is the prevalence", "0 to 1"),
        *interval("tpr_at_1_fpr", "true-positive rate at 1 % false positives", "0 to 1"),
        *interval("ece_15", "expected calibration error, 15 bins", "0 to 1"),
        *interval("brier", "Brier score", "0 to 1"),
        real("prevalence", "share of positives in the test set", "0 to 1"),
        *interval("difference", "AUROC minus the mean AUROC of prompting (same model and detector)", "-1 to 1"),
        real("p", "two-sided p-value of difference", "0 to 1"),
        *interval("difference_best", "AUROC minus that of the best prompt", "-1 to 1"),
        real("p_best", "two-sided p-value of difference_best", "0 to 1"),
        text("best_prompted_id", "configuration of the best prompt, chosen on the validation split"),
        count("duplicates_removed", "training rows too like a test row, removed"),
        real("duplicate_share", "share of the positives that this is", "0 to 1"),
        real("positive_share", "share of positives in the training set", "0 to 1"),
        real("length_auroc", "audit: AUROC of text length alone", "0 to 1"),
        real("judge_overlap", "audit: share of training texts that the judge was trained on, or nearly so", "0 to 1"),
        real("generator_auroc", "audit: AUROC of telling the source of the positives apart", "0 to 1"),
        text("flags", "audits above their gate, separated by commas; empty where none"),
    ),
)  # fmt: skip

DETECTOR_DOMAINS = Table(
    "detector_domains", "metrics",
    "Quality of the detectors by source of the test texts: in-domain where detectors learn from that source too, out of domain elsewhere.",
    (
        *identity(), *_DETECTOR,
        text("source", "real.jsonl, or the name of the data set", key=True),
        text("domain", "in or out"),
        *interval("auroc", "area under the ROC curve", "0 to 1"),
        *interval("auprc", "average precision; chance level is the prevalence", "0 to 1"),
        *interval("tpr_at_1_fpr", "true-positive rate at 1 % false positives", "0 to 1"),
        *interval("ece_15", "expected calibration error, 15 bins", "0 to 1"),
        *interval("brier", "Brier score", "0 to 1"),
        real("prevalence", "share of positives in the test texts of the source", "0 to 1"),
        count("n_positive", "violating test texts"),
        count("n_negative", "other test texts"),
        count("n_groups", "prompt groups of the test texts"),
        count("n_seeds", "training seeds the values are means over"),
        text("reason", "why the values are NULL"),
    ),
)  # fmt: skip

SAVED_DETECTORS = Table(
    "saved_detectors", "metrics",
    "Per concept and kind the steered configuration that is best on validation, its AUROC on the test set that had no say, and hindsight.",
    (
        STUDY, text("concept", "the violation", key=True), text("detector", "detector kind, such as embedding or tfidf", key=True),
        count("n", "configurations that were chosen from"),
        text("configuration_id", "the choice: highest validation_auroc"),
        real("validation_auroc", "AUROC of the choice on the validation split", "0 to 1"),
        *interval("auroc", "AUROC of the choice on the test set", "0 to 1"),
        text("best_configuration_id", "the configuration of the highest test AUROC, known in hindsight alone"),
        real("best_auroc", "that AUROC; too good by about optimism, and no figure to report", "0 to 1"),
        real("optimism", "bootstrap estimate of what choosing on the test set adds to the figure of the winner", "0 to 1"),
        text("folder", "where the detector of the choice is saved: below the home, or a URL"),
    ),
)  # fmt: skip

DETECTOR_SCORES = Table(
    "detector_scores", "large", "Score of every test text by every detector and seed.",
    (
        *identity(), *_DETECTOR,
        count("detector_seed", "training seed", "number, from 0", key=True),
        text("test_id", "row of the concept's test set", key=True),
        text("split", "validation or test"),
        text("group", "prompt group of the test text"),
        text("source", "real.jsonl, or the name of the data set"),
        count("label", "1 violating, 0 not", "0 or 1"),
        real("score", "probability of violation", "0 to 1"),
    ),
)  # fmt: skip

ABOUT = Table(
    "about", "about", "The publication: which studies the warehouse holds.",
    (
        count("schema_version", "version of the declared tables", "number"),
        STUDY,
        text("store", "absolute path of the study's parquet files"),
        Column("published_at", "time", "when the warehouse was built", "UTC"),
    ),
)  # fmt: skip

LINE = (
    CONTRASTIVE_PAIRS, STEERING_VECTORS, VECTOR_LAYERS, STRENGTH_SEARCH, VECTOR_COSINES, JUDGES, RESPONSES, CORPORA, MEASUREMENTS,
    RESPONSE_METRICS, CORPUS_METRICS, ALTERNATIVE_METRICS, DETECTOR_METRICS, DETECTOR_DOMAINS, SAVED_DETECTORS, DETECTOR_SCORES, ABOUT,
)  # fmt: skip
