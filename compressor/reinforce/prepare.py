"""From files to an environment: the pool, the problems that are posed, those that are held out."""

import hashlib
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from compressor.corpus.storage import Storage
from compressor.errors import InputError
from compressor.reinforce.config import ReinforceConfig
from compressor.reinforce.encoder import Encoder
from compressor.reinforce.environment import Environment
from compressor.reinforce.observe import Observer
from compressor.reinforce.retrieve import Pool
from compressor.reinforce.shots import Shot, read_shots, without_known

Say = Callable[[str], None]


def prepare(
    config: ReinforceConfig, observer: Observer, work: Storage, say: Say = lambda _: None
) -> Environment:
    """Read, leave out, hold out, embed. Raises `InputError` where too little is left."""
    data = config.data
    options = data.storage_options
    known = [
        shot.question
        for path in data.exclude
        for shot in read_shots([path], key="data.exclude", storage_options=options)
    ]
    pool = _read(data.pool, "data.pool", known, options, say)
    generator = np.random.default_rng(data.seed)
    if data.pool_limit is not None and len(pool) > data.pool_limit:
        drawn = np.sort(generator.permutation(len(pool))[: data.pool_limit])
        pool = [pool[at] for at in drawn.tolist()]
    posed = _read(data.questions, "data.questions", known, options, say) or pool
    if len(posed) <= data.heldout:
        raise InputError(
            f"data.heldout: {data.heldout} of {len(posed)} problems are to be held out; "
            "lower it, or give more"
        )
    order = generator.permutation(len(posed))
    heldout = [posed[at] for at in np.sort(order[: data.heldout]).tolist()]
    training = [posed[at] for at in np.sort(order[data.heldout :]).tolist()]
    # A held-out problem may not be posed in other words while training; as an example it may stand
    # in the pool, for none is shown its own.
    training = without_known(training, [shot.question for shot in heldout])
    if not training:
        raise InputError("data.questions: the held-out problems leave none to train on")
    say(f"{len(pool):,} examples, {len(training):,} problems posed, {len(heldout)} held out")
    embeddings = embedded(observer.encoder, [shot.question for shot in pool], work)
    return Environment(Pool(pool, embeddings), training, heldout, observer, config)


def embedded(encoder: Encoder, texts: Sequence[str], work: Storage) -> npt.NDArray[np.float32]:
    """`encoder.embed(texts)`, kept in `work` for a rerun."""
    total = hashlib.sha256(encoder.identity.encode())
    for text in texts:
        total.update(f"\0{text}".encode("utf-8", "surrogatepass"))
    name = f"embeddings-{total.hexdigest()[:16]}.npy"
    if name in work.names():
        found: npt.NDArray[np.float32] = np.load(io.BytesIO(work.read(name)))
        return found
    embeddings = encoder.embed(texts)
    buffer = io.BytesIO()
    np.save(buffer, embeddings)
    work.put(name, buffer.getvalue())
    return embeddings


def _read(
    paths: Sequence[str], key: str, known: Sequence[str], options: dict[str, Any], say: Say
) -> list[Shot]:
    found = read_shots(paths, key=key, storage_options=options)
    left = without_known(found, known)
    if len(left) < len(found):
        say(f"{key}: {len(found) - len(left):,} of {len(found):,} left out: data.exclude has them")
    if paths and not left:
        raise InputError(f"{key}: data.exclude leaves nothing of it")
    return left
