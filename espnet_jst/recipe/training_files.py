"""The files that statistics and training read of a recipe, and how `jst_train` is told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from espnet_jst.data.utterances import SRC_LANGS, TGT_LANGS
from espnet_jst.inputs.spec import FRAMES
from espnet_jst.recipe.dump import UTT2AUDIO
from espnet_jst.recipe.options import DataOptions, TextOptions
from espnet_jst.recipe.stages.fitting import shape_file
from espnet_jst.recipe.stages.frames import frames_file
from espnet_jst.recipe.stages.tokens import reader_dir, token_files
from espnet_jst.recipe.stamp import present
from espnet_jst.recipe.unit_training import WORDS, UnitFiles, lengths_file
from espnet_jst.text.lanes import LANES

BATCH_NAMES = {lane.name: lane.data for lane in reversed([*LANES.values()])}
LANGUAGES = {TGT_LANGS: "tgt_lang", SRC_LANGS: "src_lang"}


@dataclass(frozen=True, kw_only=True)
class TrainingFiles:
    """What training reads.

    Attributes:
        tokens: folder of each side's token list.
        data: "train" and "valid" -> (file, name in the batch, ESPnet's type) of everything that is read of the set.
        shapes: "train" and "valid" -> lengths of the utterances to train on.
    """

    tokens: Mapping[str, Path]
    data: Mapping[str, Sequence[tuple[Path, str, str]]]
    shapes: Mapping[str, Path]
    audio: Sequence[Path]
    units: UnitFiles | None = None

    @classmethod
    def of(
        cls,
        data: DataOptions,
        text: TextOptions,
        *,
        corrupt: float = 0.0,
        expdir: str = "exp",
        frames: Mapping[str, Any] | None = None,
    ) -> TrainingFiles:
        """The files of a recipe.

        Args:
            corrupt: as `--corrupt_links`: the training links are those that it has spoilt.
            frames: the frontend whose frames stand for the speech, see `frames_file`.
        """
        tokens = text.token_dirs(data.datadir)
        sets = {side: data.raw / name for side, name in zip(("train", "valid"), data.training_sets)}
        # Both sets or none: ESPnet wants the same names in training and validation.
        times = text.files.transcript is not None and all((path / "word_times").exists() for path in sets.values())
        languages = {
            table: name for table, name in LANGUAGES.items() if all((path / table).exists() for path in sets.values())
        }
        files: dict[str, Sequence[tuple[Path, str, str]]] = {}
        for side, folder in sets.items():
            read = [(folder / "wav.scp", "speech", "sound")]
            if text.has_units:
                read = [(folder / text.units_text, "units", "text")]
            elif frames is not None:
                read = [(frames_file(folder, frames), FRAMES, "npy")]
            lanes = text.files.by_lane
            read += [(folder / lanes[lane], name, "text") for lane, name in BATCH_NAMES.items() if lane in lanes]
            if text.files.both:
                read.append((links_file(folder, corrupt if side == "train" else 0.0), "alignment", "text"))
            read += [(folder / table, name, "text") for table, name in languages.items()]
            files[side] = read + ([(folder / "word_times", "word_times", "text")] if times else [])
        reader = reader_dir(tokens)
        if text.has_units:
            shapes = {side: lengths_file(folder, reader) for side, folder in sets.items()}
            return cls(tokens=tokens, data=files, shapes=shapes, audio=[], units=UnitFiles.of(data, text, expdir))
        return cls(
            tokens=tokens,
            data=files,
            shapes={side: shape_file(folder, reader) for side, folder in sets.items()},
            audio=present(*(folder / UTT2AUDIO for folder in sets.values())),
        )

    def without_speech(self) -> TrainingFiles:
        """What a model reads that hears text; the lengths are still those of the speech, which the text's follow."""
        data = {side: [row for row in rows if row[1] not in ("speech", FRAMES)] for side, rows in self.data.items()}
        return replace(self, data=data, audio=[])

    def of_inputs(self, names: Sequence[str]) -> TrainingFiles:
        """What a model with these further inputs reads: text beside units only where it has an input for it."""
        if self.units is None or WORDS in names:
            return self
        return replace(self, units=replace(self.units, words=()))

    @property
    def inputs(self) -> list[Path]:
        """The files, whose contents count."""
        read = [path for side in self.data.values() for path, _, _ in side]
        read += self.units.inputs if self.units else []
        return list(dict.fromkeys([*read, *self.audio, *self.shapes.values(), *token_files(self.tokens)]))

    @property
    def flags(self) -> list[str]:
        """Options of `jst_train`: token lists and data."""
        # Whatever the kind of pieces, a SentencePiece model splits the words, which ESPnet's token_type calls "bpe".
        flags = []
        for side, folder in self.tokens.items():
            prefix = "src_" if side == "src" else ""
            flags += [f"--{prefix}token_type", "bpe", f"--{prefix}token_list", f"{folder / 'tokens.txt'}"]
            flags += [f"--{prefix}bpemodel", f"{folder / 'bpe.model'}"]
        for side, entries in self.data.items():
            for path, name, kind in entries:
                flags += [f"--{side}_data_path_and_name_and_type", f"{path.as_posix()},{name},{kind}"]
        return flags + (self.units.flags if self.units else [])

    @property
    def shape_flags(self) -> list[str]:
        """The lengths are known since stage 3: batches need no pass over the audio."""
        return [word for side, path in self.shapes.items() for word in (f"--{side}_shape_file", str(path))]


def links_file(folder: Path, corrupt: float) -> Path:
    """The word links of a set, or those that are spoilt."""
    return folder / (f"alignment.corrupt{corrupt:g}" if corrupt > 0 else "alignment")
