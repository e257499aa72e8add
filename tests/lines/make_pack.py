"""Trains the tone corpus' model until it has learnt, and packs it: `python -m tests.lines.make_pack`.

Run once with each line of versions; the packs that it left are in `packs/`, with the tokens that it decoded.
"""

from __future__ import annotations

import importlib.metadata
import json
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from espnet_jst.hub.card import CardInfo
from espnet_jst.hub.pack import pack
from espnet_jst.inference import Speech2Text
from espnet_jst.tasks.jst import JSTTask
from tests.training.corpus import FS, WORDS, make_corpus, tone, write_config

PACKS = Path(__file__).parent / "packs"
SPOKEN = ["two", "one", "three", "two", "three"]


def speech() -> np.ndarray:
    """What the packs are decoded on: five words, float32."""
    rng = np.random.RandomState(7)
    return np.concatenate([tone(WORDS[word][1], rng) for word in SPOKEN]).astype(np.float32)


def decode(model: Speech2Text) -> dict[str, list[int]]:
    """Token ids of the recording: whole, and as a stream in packets of 0.1 s."""
    session, audio = model.session(fs=FS), speech()
    for start in range(0, len(audio), FS // 10):
        session.push(audio[start : start + FS // 10])
    session.finish()
    return {"whole": model(audio, fs=FS)[0][2], "stream": model.stream_result(session)[2]}


def main() -> None:
    """Train, pack, write the tokens."""
    name = f"espnet-{importlib.metadata.version('espnet')}"
    PACKS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        root = make_corpus(Path(folder), train=200, valid=20)
        soundfile.write(root / "a.wav", speech(), FS)
        config = write_config(root, max_epoch=20, optim_conf={"lr": 0.02}, keep_nbest_models=[3])
        JSTTask.main(cmd=["--config", str(config), "--output_dir", str(root / "exp")])
        card = CardInfo(name="tones", languages=("en", "de"), dataset="tones made by the tests", license="cc0-1.0")
        pack(root / "exp", PACKS / f"{name}.zip", wav=root / "a.wav", card=card)
    tokens = decode(Speech2Text.from_pretrained(PACKS / f"{name}.zip"))
    (PACKS / f"{name}.json").write_text(json.dumps(tokens) + "\n", encoding="utf-8")
    print(tokens)


if __name__ == "__main__":
    main()
