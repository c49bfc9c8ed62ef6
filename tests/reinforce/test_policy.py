"""Both heads: masks, shapes, and what the policy begins with."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compressor.reinforce.encoder import Encoded
from compressor.reinforce.observe import Observer, standardised
from compressor.reinforce.policy import SHOT_FEATURES, Policy, Seen, masked_mean
from compressor.reinforce.retrieve import Pool
from compressor.reinforce.shots import Shot
from tests.reinforce.conftest import make_shots


def moved(policy: Policy) -> Policy:
    """With weights that say something."""
    torch.manual_seed(3)
    for parameter in policy.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return policy


def test_the_heads_have_the_size_of_the_paper() -> None:
    policy = Policy(1024)
    heads = [p.numel() for name, p in policy.named_parameters() if "head" in name]
    assert sum(heads) == pytest.approx(1.06e6, rel=0.005)


def test_it_starts_at_the_bias_and_near_the_question(observer: Observer) -> None:
    near = np.array([0.9, 0.5, 0.1])
    candidates = observer.observe(make_shots(3), near)
    logits = Policy(observer.encoder.width, keep_bias=2.0, nearness_weight=0.5)(candidates.seen)
    np.testing.assert_allclose(logits.words.detach(), 2.0, atol=1e-6)
    np.testing.assert_allclose(logits.shots.detach(), 2 + 0.5 * standardised(near), atol=1e-6)


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    padding=st.integers(1, 5),
    noise=st.floats(-100, 100),
)
def test_padding_is_never_seen(sizes: list[int], padding: int, noise: float) -> None:
    generator = torch.Generator().manual_seed(0)
    width, k = 8, len(sizes)
    policy = moved(Policy(width))

    def seen(extra: int, fill: float) -> Seen:
        longest = max(sizes) + extra
        hidden = torch.full((k, longest, width), fill)
        mask = torch.zeros(k, longest, dtype=torch.bool)
        generator.manual_seed(0)
        at, of_word = [], []
        for row, size in enumerate(sizes):
            hidden[row, :size] = torch.randn(size, width, generator=generator)
            mask[row, :size] = True
            at += [row * longest + column for column in range(size)]
            of_word += [2 * row + (column > 0) for column in range(size)]
        return Seen(
            Encoded(hidden, mask),
            torch.tensor(at),
            torch.tensor(of_word),
            torch.zeros(k, SHOT_FEATURES),
            torch.zeros(2 * k, 3),
        )

    plain, padded = policy(seen(0, 0.0)), policy(seen(padding, noise))
    np.testing.assert_allclose(plain.shots.detach(), padded.shots.detach(), atol=1e-4)
    np.testing.assert_allclose(plain.words.detach(), padded.words.detach(), atol=1e-4)


def test_a_masked_mean_by_hand() -> None:
    hidden = torch.tensor([[[1.0], [3.0], [100.0]], [[7.0], [9.0], [9.0]]])
    mask = torch.tensor([[True, True, False], [False, False, False]])
    assert masked_mean(hidden, mask).tolist() == [[2.0], [0.0]]


def test_neighbours_change_nothing(observer: Observer) -> None:
    """A shot's logits are the same among others, longer ones too, as alone."""
    shots = make_shots(5)
    policy = moved(Policy(observer.encoder.width))
    policy.shot_features.weight.data.zero_()
    together = observer.observe(shots)
    logits = policy(together.seen)
    for number, shot in enumerate(shots):
        alone = policy(observer.observe([shot]).seen)
        mine = together.words.row == number
        np.testing.assert_allclose(logits.words.detach()[mine], alone.words.detach(), atol=1e-4)
        np.testing.assert_allclose(
            logits.shots.detach()[number], alone.shots.detach()[0], atol=1e-4
        )


def test_what_is_remembered_is_what_would_be_found(observer: Observer, tiny_model: object) -> None:
    shots = make_shots(6)
    plain = observer.observe(shots[3:], np.array([0.9, 0.5, 0.1]), shots[0].question)
    other = Observer(observer.encoder, observer.counter, str(tiny_model), "cpu")
    other.remember(shots)
    found = other.observe(shots[3:], np.array([0.9, 0.5, 0.1]), shots[0].question)
    np.testing.assert_allclose(found.seen.encoded.hidden, plain.seen.encoded.hidden, atol=1e-5)
    np.testing.assert_allclose(found.seen.words, plain.seen.words, atol=1e-5)
    assert found.seen.encoded.mask.equal(plain.seen.encoded.mask)
    assert found.seen.shots.equal(plain.seen.shots)


def test_features_of_a_shot_by_hand(observer: Observer) -> None:
    shots = [
        Shot("a", "Red apples grow", "1\n2\n3\n4\n#### 4"),
        Shot("b", "Blue cups", "#### 5"),
    ]
    seen = observer.observe(shots, np.array([0.7, 0.3]), "Green apples grow").seen
    near, cosine, shared, longer, length, lines = seen.shots.double().numpy().T
    np.testing.assert_allclose(near, [1, -1], atol=1e-6)
    np.testing.assert_allclose(cosine, [0.2, -0.2], atol=1e-6)
    np.testing.assert_allclose(shared, [1, -1], atol=1e-6)
    np.testing.assert_allclose(longer, np.log([15 / 17, 9 / 17]), atol=1e-6)
    np.testing.assert_allclose(lines, [0, -1], atol=1e-6)
    assert length[0] > length[1]
    assert not observer.observe(shots).seen.shots[:, :4].any()


def test_words_start_from_the_compressor_in_questions_alone(observer: Observer) -> None:
    policy = Policy(observer.encoder.width, keep_bias=1.0, solution_bias=2.0, compressor_weight=0.5)
    candidates = observer.observe(make_shots(2))
    found = policy(candidates.seen).words.detach().numpy()
    inside = candidates.words.in_question
    np.testing.assert_allclose(found[~inside], 3.0, atol=1e-5)
    chances = candidates.seen.words[:, 1].numpy()
    np.testing.assert_allclose(found[inside], 1 + 0.5 * chances[inside], atol=1e-5)


def test_the_compressor_is_seen_word_by_word(observer: Observer, tiny_model: object) -> None:
    from compressor import Compressor

    shots = make_shots(2)
    found = observer.observe(shots)
    features, words = found.seen.words.numpy(), found.words
    assert ((features[:, 0] == 1) == words.in_question).all()
    assert (features[words.in_question, 2] == 0).all()
    (result,) = Compressor.from_pretrained(str(tiny_model), device="cpu").compress(
        [shots[1].text], 1.0
    )
    spans = {start: p for (start, _), p in zip(result.words, result.probabilities, strict=True)}
    row, start = words.starts()
    for word in np.flatnonzero(row == 1).tolist():
        p = spans[int(start[word])]
        assert features[word, 1:].sum() == pytest.approx(np.log(p / (1 - p)), abs=1e-3)


def test_retrieval_is_by_cosine_and_leaves_out_the_question_itself(observer: Observer) -> None:
    shots = make_shots(8)
    embeddings = observer.encoder.embed([shot.question for shot in shots])
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    pool = Pool(shots, embeddings)
    every, near = pool.nearest(shots[3].question, embeddings[3], 8, apart=False)
    assert every[0] == 3
    assert (np.diff(near) <= 0).all()
    others, _ = pool.nearest(shots[3].question, embeddings[3], 8, apart=True)
    assert 3 not in others
    assert set(others) < set(every)
