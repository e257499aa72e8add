"""What a training on units reads beside its sets: the unit set, and the text that goes through the same parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from espnet_jst.config import json_text
from espnet_jst.recipe.options import DataOptions, TextOptions

SHUFFLED = ".shuffled"
WORDS = "words"  # the input, and its data, of text that goes through the same parameters


def units_file(expdir: str, text: TextOptions) -> Path:
    """The unit set of a recipe."""
    return Path(expdir) / "kmeans" / text.unit_tag / "units.safetensors"


@dataclass(frozen=True)
class UnitFiles:
    """What a training on units reads beside its sets.

    Attributes:
        units: the unit set, which the model keeps, so that it reads audio.
        ratio: file with the tokens of units for one of the transcript.
        words: (file, name in the batch) of the text that goes through the same parameters; none without it.
    """

    units: Path
    case: str
    ratio: Path
    upsample: str
    share: float
    words: Sequence[tuple[Path, str]]
    lengths: Path

    @classmethod
    def of(cls, data: DataOptions, text: TextOptions, expdir: str) -> UnitFiles:
        """Those of a recipe."""
        reader, folder = text.token_dirs(data.datadir)["src"], text_folder(data, text)
        names = [] if not text.text_share else [(f"{text.files.transcript}", WORDS), (translations(text), "text")]
        if names and text.text_ctc:
            names.append((f"{text.files.transcript}", "src_text"))
        return cls(
            units=units_file(expdir, text),
            case=text.unit_case,
            ratio=ratio_file(data.raw / data.train_set, reader),
            upsample=text.upsample,
            share=text.text_share,
            words=[(folder / name, data_name) for name, data_name in names],
            lengths=words_file(folder, reader, text),
        )

    @property
    def inputs(self) -> list[Path]:
        """The files, whose contents count."""
        return [self.units, self.ratio, *((*(path for path, _ in self.words), self.lengths) if self.words else ())]

    @property
    def flags(self) -> list[str]:
        """Options of `jst_train`."""
        flags = ["--model_conf", f"inputs.units.unit_set={self.units.as_posix()}"]
        flags += ["--model_conf", f"inputs.units.unit_case={self.case}"]
        if self.words:
            group = {
                "data": [[path.as_posix(), name, "text"] for path, name in self.words],
                "shape_files": [self.lengths.as_posix()],
                "share": self.share,
            }
            flags += ["--model_conf", f"inputs.{WORDS}.repeat={repeats(self.ratio, self.upsample)}"]
            flags += ["--train_groups", json_text({WORDS: group})]
        return flags


def repeats(ratio: Path, upsample: str) -> int:
    """Frames of a token of text."""
    return max(1, round(float(ratio.read_text()))) if upsample == "auto" else int(upsample)


def text_folder(data: DataOptions, text: TextOptions) -> Path:
    """The dump directory of the text that goes through the same parameters."""
    return data.raw / (text.text_set or data.train_set)


def text_source(data: DataOptions, text: TextOptions) -> Path:
    """The data directory that this text is taken from: that folder, where another stage has made it."""
    out = text_folder(data, text)
    return out if out.name in data.training_sets else Path(data.datadir) / out.name


def lengths_file(folder: Path, reader: Path) -> Path:
    """Frames of the units of a set, and only of utterances that can be trained on."""
    return folder / f"utt2num_units.{reader.name}"


def words_file(folder: Path, reader: Path, text: TextOptions) -> Path:
    """The same of the words of a text."""
    name = f"utt2num_{WORDS}_x{text.upsample}{SHUFFLED if text.text_shuffled else ''}"
    return folder / f"{name}.{reader.name}"


def ratio_file(folder: Path, reader: Path) -> Path:
    """How many tokens of units there are for one of the transcript."""
    return folder / f"ratio.{reader.name}"


def translations(text: TextOptions) -> str:
    return f"{text.files.translation}{SHUFFLED if text.text_shuffled else ''}"
