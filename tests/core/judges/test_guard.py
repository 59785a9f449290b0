"""The judge that is a sequence classifier, and the model room's loader of such classifiers."""

import numpy as np
import pytest
import torch

from asteer_core.errors import ConfigError, DataError, ModelError
from asteer_core.judges.guard import GuardJudge
from asteer_core.model.classifier import SequenceClassifier, load_classifier
from asteer_core.model.specs import ModelSpec

LABELS = {0: "safe", 1: "toxic", 2: "insult"}


def tokenizer(**extra):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{n}" for n in range(40))]
    core = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", model_max_length=32, **extra
    )


def module(**changes):
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=44, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, max_position_embeddings=32,
        **{"id2label": LABELS, "label2id": {name: n for n, name in LABELS.items()}, "pad_token_id": 0, **changes},
    )  # fmt: skip
    built = BertForSequenceClassification(config)
    with torch.no_grad():
        for weight in built.parameters():
            if weight.dim() > 1:
                weight.mul_(30.0)
    return built


TEXTS = [f"w{n} " * (1 + n % 9) for n in range(40)]


def test_probabilities_do_not_depend_on_the_batch_and_sum_to_1():
    classifier = SequenceClassifier("g", module(), tokenizer())
    table = classifier.probabilities(TEXTS)
    alone = np.concatenate([classifier.probabilities([text]) for text in TEXTS])
    assert table == pytest.approx(alone, abs=1e-6) and table.sum(axis=1) == pytest.approx(1.0)
    assert classifier.labels == ("safe", "toxic", "insult") and not classifier.multi_label and table.std(axis=0).max() > 0.01


def test_a_pair_is_read_as_a_pair_and_a_long_text_is_cut_and_counted():
    classifier = SequenceClassifier("g", module(), tokenizer())
    assert not np.allclose(classifier.probabilities(["w1"], ["w2"]), classifier.probabilities(["w2"], ["w1"]))
    assert classifier.n_truncated == 0
    cut = classifier.probabilities(["w1 " * 30, "w1 " * 300, "w2"])
    assert classifier.n_truncated == 1 and cut[0] == pytest.approx(cut[1], abs=1e-6)
    with pytest.raises(ModelError, match="as many of both"):
        classifier.probabilities(["w1"], [])


def test_several_labels_may_hold_at_once_where_the_model_says_so():
    classifier = SequenceClassifier("g", module(problem_type="multi_label_classification"), tokenizer())
    table = classifier.probabilities(TEXTS)
    assert classifier.multi_label and np.abs(table.sum(axis=1) - 1).max() > 0.05
    assert GuardJudge(classifier, ["toxic", "insult"]).judge(TEXTS).success == pytest.approx(table[:, 1:].max(axis=1))


def test_a_regression_head_is_refused():
    with pytest.raises(ModelError, match="expected distinct classes"):
        SequenceClassifier("g", module(problem_type="regression"), tokenizer())


def test_a_saved_classifier_comes_back_from_its_folder_with_the_same_numbers(tmp_path):
    built = module()
    built.save_pretrained(tmp_path / "guard")
    tokenizer().save_pretrained(tmp_path / "guard")
    loaded = load_classifier(ModelSpec(name="guard", source="guard", device="cpu"), tmp_path)
    assert loaded.probabilities(TEXTS) == pytest.approx(SequenceClassifier("g", built, tokenizer()).probabilities(TEXTS), abs=1e-6)
    assert len(loaded.fingerprint) == 64 and loaded.labels == ("safe", "toxic", "insult")


def test_pickled_weights_untrained_heads_and_missing_folders_are_refused(tmp_path):
    folder = tmp_path / "guard"
    built = module()
    built.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    spec = ModelSpec(name="guard", source="guard", device="cpu")
    built.bert.save_pretrained(tmp_path / "headless")
    tokenizer().save_pretrained(tmp_path / "headless")
    with pytest.raises(ModelError, match="no weights for classifier"):
        load_classifier(spec.model_copy(update={"source": "headless"}), tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pickled weights"):
        load_classifier(spec, tmp_path)
    (folder / "pytorch_model.bin").rename(folder / "model.safetensors")
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:100])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_classifier(spec, tmp_path)
    with pytest.raises(ModelError, match="not a hub id"):
        load_classifier(spec.model_copy(update={"source": "nowhere"}), tmp_path)


class Fixed:
    """A classifier with given numbers that records what it read."""

    name, labels, multi_label = "fixed", ("safe", "toxic", "insult"), False

    def __init__(self, row=(0.2, 0.5, 0.3)):
        self.row, self.read = row, []

    def probabilities(self, texts, pairs=None):
        self.read.append((list(texts), pairs))
        return np.tile(self.row, (len(texts), 1))


def test_violating_labels_are_added_up_and_named_once():
    assert GuardJudge(Fixed(), ["toxic", "insult", "toxic"]).judge(["a", "b"]).success.tolist() == [pytest.approx(0.8)] * 2
    assert GuardJudge(Fixed(), ["insult"]).judge([]).success.shape == (0,)


def test_pairs_go_to_the_classifier_as_prompt_and_response():
    fixed = Fixed()
    GuardJudge(fixed, ["toxic"], "pair").judge(["r1", " ", "r2"], prompts=["p1", "p", "p2"])
    assert fixed.read == [(["p1", "p2"], ["r1", "r2"])]
    with pytest.raises(DataError, match="needs the prompts"):
        GuardJudge(fixed, ["toxic"], "pair").judge(["r"])
    with pytest.raises(DataError, match="2 prompts for 1 responses"):
        GuardJudge(fixed, ["toxic"]).judge(["r"], prompts=["p", "q"])


def test_empty_responses_and_numbers_that_are_not_finite_are_null_with_a_reason():
    found = GuardJudge(Fixed((np.nan, np.nan, np.nan)), ["toxic"]).judge(["", "a"])
    assert np.isnan(found.success).all() and found.reasons == ("empty response", "classifier gave no finite probability")


@pytest.mark.parametrize(
    "violating, words", [(["toxik"], "Did you mean 'toxic'"), ([], "tell nothing apart"), (["safe", "toxic", "insult"], "not all")]
)
def test_a_label_map_that_cannot_judge_is_refused(violating, words):
    with pytest.raises(ConfigError, match=words):
        GuardJudge(Fixed(), violating)


def test_a_classifier_halves_its_batch_where_memory_runs_out_and_counts_a_cut_text_once():
    classifier = SequenceClassifier("g", module(), tokenizer())
    texts = [*TEXTS[:8], "w1 " * 300]  # one batch, the long text in it
    expected = classifier.probabilities(texts)
    classifier.n_truncated = 0
    most, forward = 3, classifier.module.forward

    def limited(input_ids, **rest):
        if len(input_ids) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(input_ids=input_ids, **rest)

    classifier.module.forward = limited
    assert classifier.probabilities(texts) == pytest.approx(expected, abs=1e-6) and classifier.n_truncated == 1
    most = 0
    with pytest.raises(ModelError, match="classifier 'g': memory does not suffice for a single row"):
        classifier.probabilities(texts)
