"""Declarations of what a search makes: its trials, the training set chosen from them, and what each way to choose is worth."""

from asteer_core.warehouse.schemas import CONCEPT, STUDY, Table, count, flag, identity, interval, real, text

_AXES = (
    real("success", "S: mean probability of violation", "0 to 1"),
    real("coherence", "C: mean coherence", "0 to 1"),
    real("diversity", "D: sqrt(sample * set diversity)", "0 to 1"),
    real("hm", "harmonic mean of S, C, D", "0 to 1"),
)

TRIALS = Table(
    "trials", "metrics", "Configurations tried by a search, rung by rung; compare scores within a rung only.",
    (
        *identity(),
        count("rung", "round of the search", "from 0", key=True),
        count("prompts", "prompts answered at this rung; later rungs keep the responses of earlier ones"),
        count("n", "responses at this rung"),
        text("objective", "what the search maximised"),
        real("score", "value of the objective; NULL where it is undefined or the configuration was stopped", "depends on the objective"),
        count("place", "place within the rung", "1 = best"),
        flag("kept", "went on to the next rung, or won the last"),
        text("stopped", "why the configuration was stopped by its first tokens, else NULL"),
        *_AXES,
        count("fresh_n", "responses to prompts of no earlier rung, which had no part in the choice that led here; 0 at the first"),
        real("fresh_success", "S of those alone", "0 to 1"),
        real("fresh_coherence", "C of those alone", "0 to 1"),
        real("displacement", "mean size of the edit relative to the residual norm", "share"),
        count("n_tokens", "tokens generated", "tokens"),
        real("temperature", "sampling temperature", "0 = greedy"),
        real("top_p", "mass of the nucleus", "0 to 1"),
        count("search_seed", "seed of the search", "none"),
    ),
)  # fmt: skip

STEPS = Table(
    "training_set_steps", "metrics", "What each way to choose rows from a search is worth, at the same size.",
    (
        STUDY, CONCEPT,
        text("model", "registry name of the model", key=True),
        text("recipe", "single, thresholds, facility, log_determinant, mixture or random", key=True),
        text("detector", "detector kind", key=True),
        flag("chosen", "whether training_set holds this one"),
        text("objective", "what the search maximised"),
        count("n", "rows"),
        count("configurations", "configurations the rows come from"),
        *interval("success", "S: mean probability of violation; the interval stands for the chosen recipe alone", "0 to 1"),
        *interval("coherence", "C: mean coherence", "0 to 1"),
        *interval("diversity", "D: sqrt(sample * set diversity)", "0 to 1"),
        *interval("hm", "harmonic mean of S, C, D", "0 to 1"),
        real("validation_auroc", "AUROC on the validation split", "0 to 1"),
        *interval("auroc", "area under the ROC curve on the real test set", "0 to 1"),
        count("dropped_duplicate", "responses left out as duplicates of one another"),
        count("dropped_test", "responses left out as near-duplicates of real validation or test texts"),
        text("reason", "why there is no set or no AUROC"),
    ),
)  # fmt: skip

TRAINING_SET = Table(
    "training_set", "large", "Rows of the chosen training set with their provenance (harmful by design: escape where shown).",
    (
        *identity(key=False),
        text("row_id", "one response of one configuration, or a real text", key=True),
        text("source", "steered, unsteered or concept"),
        count("label", "1 made to violate, 0 not", "0 or 1"),
        text("prompt", "the user's words"),
        text("response", "what the model answered"),
        text("prompt_id", "row of the concept's prompts file"),
        count("sample", "which of several responses to the same prompt", "number, from 0"),
        count("stream", "seed of the row's random stream", "none"),
        real("temperature", "sampling temperature of the response", "0 = greedy"),
        real("top_p", "mass of the nucleus it was drawn from", "0 to 1"),
        real("displacement", "mean size of the edit relative to the residual norm", "share"),
        count("n_tokens", "length of the response", "tokens"),
        real("judge_probability", "calibrated probability that the response violates the concept", "0 to 1"),
        real("nll", "mean token negative log-likelihood under the scorer model", "nats"),
        real("success", "probability of violation", "0 to 1"),
        real("coherence", "fluency * (1 - rep4) * relevance", "0 to 1"),
    ),
)  # fmt: skip

CHOICE = Table(
    "choice_regret", "metrics", "AUROC lost by rules that choose a configuration without the test set, mean over concepts and models.",
    (
        STUDY, text("detector", "detector kind", key=True),
        text("rule", "the metric whose highest is taken, predicted, usual, strongest or random", key=True),
        count("cells", "concept x model cells"),
        *interval("regret", "AUROC of the best configuration minus that of the choice", "0 to 1"),
        *interval("less_than_hm", "regret of hm minus that of the rule, paired by cell; positive: the rule is better", "-1 to 1"),
        count("within_2_points", "cells with a regret of at most .02"),
        text("reason", "why a value is NULL"),
    ),
)  # fmt: skip

SEARCH = (TRIALS, STEPS, TRAINING_SET, CHOICE)
