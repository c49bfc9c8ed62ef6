"""What the tests of `prune_shots` share: a policy, a pool and questions."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from compressor.corpus.storage import Storage
from compressor.reinforce.encoder import Encoder
from compressor.reinforce.policy import Policy
from compressor.reinforce.saved import Description, save_policy
from tests.reader.causal import save_causal
from tests.reinforce.conftest import make_shots


@pytest.fixture(scope="session")
def counter_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_causal(tmp_path_factory.mktemp("reads"), "llama", positions=4096)


@pytest.fixture(scope="session")
def policy_folder(
    tiny_model: Path, counter_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A policy of random weights that drops some of everything."""
    folder = tmp_path_factory.mktemp("policy")
    encoder = Encoder(str(tiny_model), "cpu")
    policy = Policy(encoder.width, keep_bias=0.3)
    torch.manual_seed(5)
    for parameter in policy.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    about = Description(
        encoder=str(tiny_model),
        digest=encoder.identity,
        compressor=str(tiny_model),
        tokenizer=str(counter_folder),
        width=encoder.width,
        stages=["shots", "tokens"],
        threshold=0.5,
        metrics={},
    )
    save_policy(policy.state_dict(), about, Storage.at(str(folder), key="output.path"))
    return folder


def write_pool(folder: Path, count: int, files: int = 2) -> Path:
    folder.mkdir(parents=True)
    shots = make_shots(count)
    for number in range(files):
        part = shots[number::files]
        table = pa.table(
            {
                "id": [shot.id for shot in part],
                "question": [shot.question for shot in part],
                "solution": [shot.solution for shot in part],
                "level": pa.array([shot.steps for shot in part], pa.int8()),
            }
        )
        pq.write_table(table, folder / f"{number}.parquet")
    return folder
