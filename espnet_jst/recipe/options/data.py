"""Options of stages 1-4: where data is, its sets, the form of the audio, what an utterance must keep to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from espnet_jst.errors import ConfigError
from espnet_jst.recipe.options.option import option

FS, ENCODER_FRAME_S = "16k", 0.04  # where neither a flag nor the training configuration says anything


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Folders, sets, audio, limits."""

    datadir: str = option("data", "where stage 1 writes and stage 3 reads")
    dumpdir: str = option("dump", "where formatted data goes")
    local_data_opts: str = option("", "options for the recipe's local/data.py")
    corpus_dir: str = option("", "instead of local/data.py: one data directory that is split into the three sets")
    valid_share: float = option(0.05, "share of --corpus_dir for validation")
    test_share: float = option(0.05, "share of --corpus_dir for the test set")
    train_set: str = option("train", "name of the training set")
    valid_set: str = option("valid", "name of the validation set")
    test_sets: str = option("test", "names of the test sets, separated by blanks")
    unlabelled_set: str = option(
        "", "data set without texts that --teacher labels; --train_set is then made of it and of --labelled_set"
    )
    labelled_set: str = option("train", "with --unlabelled_set: the data set that people labelled")
    teacher: str = option(
        "", "with --unlabelled_set: who labels it, a pack, an experiment or a tag; or a decode directory of your own"
    )
    teacher_args: str = option("", "further options of jst_inference for the teacher")
    min_confidence: float = option(
        0.8, "labels of a lower confidence are left out: mean of the words' posteriors, of the lane that has less"
    )
    fs: str = option(
        "",
        "sampling rate of the model in Hz, where --st_config does not say it (frontend_conf.fs), else 16k; other rates "
        "are resampled",
    )
    strict_fs: bool = option(False, "leave out audio of another sampling rate instead of resampling it")
    audio_channels: int = option(
        0,
        "channels of the audio that a model takes, where --st_config does not say it (frontend_conf.array), else 1: "
        "several are mixed down",
    )
    audio_format: str = option("flac", "format of audio that has to be rewritten", ("flac", "wav"))
    min_wav_duration: float = option(0.1, "shortest utterance in training, seconds")
    max_wav_duration: float = option(30.0, "longest utterance in training, seconds")
    max_text_chars: int = option(1000, "longest text of an utterance in training, characters")
    encoder_frame_s: float = option(
        0.0,
        "seconds of audio for one encoder output frame, where --st_config does not say it (frame shift times "
        "subsampling), else 0.04: text must fit its frames",
    )
    speed_perturb_factors: str = option("", "not used: speed is varied in training, see preprocessor_conf")
    feats_type: str = option("raw", "what the model reads: raw audio; features are made in the model")

    @property
    def fs_hz(self) -> int:
        """Sampling rate in Hz ("8k" and "8000" are the same).

        Raises:
            ConfigError: not a rate.
        """
        return rate_hz(self.fs or FS)

    @property
    def channels(self) -> int:
        """Channels of the audio; 1: several are mixed down."""
        return self.audio_channels or 1

    @property
    def frame_s(self) -> float:
        """Seconds of audio for one encoder output frame."""
        return self.encoder_frame_s or ENCODER_FRAME_S

    @property
    def training_sets(self) -> list[str]:
        return [self.train_set, self.valid_set]

    @property
    def tests(self) -> list[str]:
        return self.test_sets.split()

    @property
    def every_set(self) -> list[str]:
        """All sets, each once."""
        return list(dict.fromkeys([*self.training_sets, *self.tests]))

    @property
    def raw(self) -> Path:
        return Path(self.dumpdir) / "raw"

    @property
    def prepared_sets(self) -> list[str]:
        """Those that stage 1 makes, each once: of a training set that a teacher adds to, what it is made of."""
        training = [self.labelled_set, self.unlabelled_set] if self.unlabelled_set else [self.train_set]
        return list(dict.fromkeys([*training, self.valid_set, *self.tests]))

    def formatted(self, name: str) -> Path:
        """Where stage 3 writes a set: training sets wait in `org` for stage 4, as in ESPnet."""
        return self.raw / "org" / name if name in self.training_sets else self.raw / name


def rate_hz(text: str) -> int:
    """A sampling rate as ESPnet writes it, in Hz.

    Raises:
        ConfigError: not a rate.
    """
    low = text.lower()
    try:
        rate = round(float(low[:-1]) * 1000) if low.endswith("k") else int(low)
    except ValueError:
        rate = 0
    if rate <= 0:
        raise ConfigError(f"--fs {text!r} is not a sampling rate: give e.g. 16k or 16000")
    return rate
