"""From a released checkpoint to a packed model."""

from __future__ import annotations

import os
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path
from random import Random

import yaml
from safetensors.torch import save_file

from espnet_jst.errors import ConfigError
from espnet_jst.hub.card import CardInfo
from espnet_jst.hub.icefall.convert import convert
from espnet_jst.hub.icefall.layout import find_layout
from espnet_jst.hub.icefall.pieces import Pieces, read_pieces
from espnet_jst.hub.icefall.report import Report
from espnet_jst.hub.icefall.settings import decoding
from espnet_jst.hub.icefall.sizes import read_sizes
from espnet_jst.hub.load import SAFETENSORS
from espnet_jst.hub.pack import pack
from espnet_jst.hub.verify import verify
from espnet_jst.weights import read_weights


@dataclass(frozen=True)
class Imported:
    """What an import made: the report on the weights, the file of it, and what the pack wrote of the recording."""

    report: Report
    report_file: Path
    words: dict[str, str]


def import_checkpoint(
    checkpoint: str | Path,
    output: str | Path,
    *,
    sizes: str | Path,
    bpe_src: str | Path,
    bpe_tgt: str | Path | None = None,
    averaged: bool = False,
    wav: str | Path | None = None,
    card: CardInfo | None = None,
) -> Imported:
    """Pack a released checkpoint; the zip appears under its name after it was loaded again and has decoded.

    Args:
        checkpoint: safetensors, or what `torch.save` wrote, of which nothing is executed.
        output: the zip; the report is written beside it, as `<its name>.weights.txt`.
        sizes: JSON file, see `sizes.Sizes`.
        bpe_src, bpe_tgt: SentencePiece models of the transcript, and of the translation where there is one.
        averaged: take the running mean, `model_avg`.
        wav: what the finished pack decodes; by default a second of noise.
        card: what the model card says.

    Raises:
        ConfigError: sizes or SentencePiece models cannot be used.
        CheckpointError: the checkpoint is damaged, unsafe or of another layout or other sizes, or the pack fails.
    """
    output, given = Path(output), read_sizes(sizes)
    state = read_weights(checkpoint, part="model_avg" if averaged else None)
    layout = find_layout(state, str(checkpoint))
    if layout.translates != (bpe_tgt is not None):
        needs = "has a translation: give" if layout.translates else "has no translation: leave out"
        raise ConfigError(f"{checkpoint} {needs} --bpe_tgt")
    pieces = {"": read_pieces(bpe_src, layout.vocab[""], "bpe_src")}
    if bpe_tgt is not None:
        pieces["st_"] = read_pieces(bpe_tgt, layout.vocab["st_"], "bpe_tgt")
    # A model of one task has one list, which ESPnet calls the target's.
    lists: dict[str, Pieces] = {"src": pieces[""], "tgt": pieces["st_"]} if layout.translates else {"tgt": pieces[""]}
    converted = convert(
        state,
        given,
        where=str(checkpoint),
        tokens={name: entry.tokens for name, entry in lists.items()},
        unknown={task: entry.unknown for task, entry in pieces.items()},
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".import-", dir=output.parent) as scratch:
        folder = Path(scratch) / "exp"
        folder.mkdir()
        config = dict(converted.config)
        for name, entry in lists.items():
            before = "src_" if name == "src" else ""
            (folder / f"{before}bpe.model").write_bytes(entry.model)
            config |= {f"{before}token_type": "bpe", f"{before}bpemodel": f"{before}bpe.model"}
        (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), "utf-8")
        save_file(converted.model.state_dict(), folder / SAFETENSORS)
        options = folder / "decode.yaml"
        options.write_text(yaml.safe_dump(decoding(layout)), "utf-8")
        made = pack(folder, Path(scratch) / output.name, wav=None, decoding=options, card=card)
        words = verify(made, wav if wav is not None else _noise(Path(scratch) / "noise.wav", given.fs), config)
        report_file = output.with_name(f"{output.stem}.weights.txt")
        report_file.write_text(converted.report.text() + "\n", encoding="utf-8")
        os.replace(made, output)
    return Imported(converted.report, report_file, words)


def _noise(path: Path, fs: int) -> Path:
    """A second of noise, to see that a pack decodes."""
    random = Random(0)
    samples = b"".join(random.randrange(-3000, 3000).to_bytes(2, "little", signed=True) for _ in range(fs))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(fs)
        file.writeframes(samples)
    return path
