"""A recipe's folder after stage 14, with a tiny model."""

from __future__ import annotations

from pathlib import Path

import soundfile

from espnet_jst.hub.card import CardInfo
from espnet_jst.hub.pack import pack
from espnet_jst.recipe.options import Options
from espnet_jst.recipe.stages.packing import pack_file
from tests.inference import tiny

OPTIONS = {"st_tag": "tiny", "corpus": "noise", "license": "cc-by-4.0", "creator": "Doe, Jo", "hf_repo": "org/name"}


def packed_recipe(folder: Path, results: str = "# RESULTS\n|test|1.0|\n") -> Path:
    """Below `folder`: the experiment, its pack and a test recording. Returns the pack."""
    options = Options.of(**OPTIONS)
    experiment = folder / options.exp
    tiny.save(*tiny.tiny_model(tiny.config(tiny.SERIALIZED)), experiment)
    (experiment / "RESULTS.md").write_text(results, encoding="utf-8")
    (folder / "LICENSE.data").write_text("nobody's noise", encoding="utf-8")
    soundfile.write(folder / "a.wav", tiny.speech(2.0), 8000)
    table = folder / options.data.raw / "test" / "wav.scp"
    table.parent.mkdir(parents=True)
    table.write_text(f"utt1 {folder / 'a.wav'}\n", encoding="utf-8")
    card = CardInfo(name="st_tiny", languages=("en", "de"), dataset="noise", license="cc-by-4.0")
    return pack(experiment, folder / pack_file(options), wav=None, data_license=folder / "LICENSE.data", card=card)
