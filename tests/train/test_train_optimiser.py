import pytest
import torch
from transformers import BertConfig, BertForTokenClassification

from compressor.train.config import TrainingSection
from compressor.train.optimiser import (
    copy_weights,
    learning_rate,
    make_optimiser,
    mean_weights,
    move_average,
    set_learning_rate,
)

LAYER = "bert.encoder.layer"


@pytest.fixture
def model() -> BertForTokenClassification:
    return BertForTokenClassification(
        BertConfig(  # type: ignore[call-arg]
            vocab_size=20,
            hidden_size=8,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=8,
            num_labels=1,
        )
    )


def test_one_cycle() -> None:
    settings = TrainingSection(learning_rate=1.0, warmup_share=0.1)
    rates = [learning_rate(step, 100, settings) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == pytest.approx(1.0)
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] < 0.001


def test_layers_learn_slower_with_depth(model: BertForTokenClassification) -> None:
    settings = TrainingSection(layer_decay=0.5, weight_decay=0.1)
    optimiser = make_optimiser(model, settings)
    set_learning_rate(optimiser, 1.0)
    rates = {id(p): g["lr"] for g in optimiser.param_groups for p in g["params"]}
    decays = {id(p): g["weight_decay"] for g in optimiser.param_groups for p in g["params"]}
    assert rates[id(model.classifier.weight)] == 1.0
    assert rates[id(model.get_parameter(f"{LAYER}.1.output.dense.weight"))] == 0.5
    assert rates[id(model.get_parameter(f"{LAYER}.0.output.dense.weight"))] == 0.25
    assert rates[id(model.bert.embeddings.word_embeddings.weight)] == 0.125
    assert decays[id(model.classifier.weight)] == 0.1
    assert decays[id(model.classifier.bias)] == 0.0
    assert len(rates) == len(list(model.parameters()))


def test_the_moving_average_follows(model: BertForTokenClassification) -> None:
    average = copy_weights(model)
    with torch.no_grad():
        model.classifier.bias.fill_(1.0)
    start = average["classifier.bias"].item()
    move_average(average, model, 0.9, 10_000)
    assert average["classifier.bias"].item() == pytest.approx(start + 0.1 * (1 - start))


def test_the_mean_of_members() -> None:
    members = [{"w": torch.tensor([0.0, 2.0])}, {"w": torch.tensor([1.0, 4.0])}]
    assert mean_weights(members)["w"].tolist() == [0.5, 3.0]
