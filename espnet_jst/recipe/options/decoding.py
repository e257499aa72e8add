"""Options of stages 12-13: how the test sets are decoded."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from espnet_jst.config import read_yaml
from espnet_jst.recipe.experiment import options_of
from espnet_jst.recipe.options.option import option

_MODES = {"true": ("streaming",), "false": ("offline",), "both": ("streaming", "offline")}


@dataclass(frozen=True, kw_only=True)
class DecodingOptions:
    """Search, checkpoint, streaming."""

    inference_config: str = option("", "decoding configuration")
    inference_args: str = option("", "further options for jst_inference")
    inference_tag: str = option("", "name of the decoding run; made from its configuration when empty")
    inference_st_model: str = option("valid.loss.ave.pth", "checkpoint to decode and pack")
    use_streaming: str = option("true", "decode chunk by chunk, whole utterances, or both", tuple(_MODES))

    @property
    def modes(self) -> tuple[str, ...]:
        return _MODES[self.use_streaming]

    @property
    def config_files(self) -> list[Path]:
        return [Path(self.inference_config)] if self.inference_config else []

    @property
    def mt_model(self) -> str:
        """What is asked for as the translator of a cascade; empty for none."""
        given = options_of(shlex.split(self.inference_args)).get("mt_model")
        values = read_yaml(self.inference_config) if Path(self.inference_config).is_file() else {}
        return given[-1] if given else str(values.get("mt_model") or "")

    def folder(self, exp: Path, mode: str, name: str) -> Path:
        """<exp>/<inference_tag>_<mode>/<set>."""
        tag = self.inference_tag
        if not tag:
            stem = Path(self.inference_config).stem if self.inference_config else "decode"
            tag = f"{stem}_st_model_{Path(self.inference_st_model).stem}"
        return exp / f"{tag}_{mode}" / name

    def flags(self, mode: str) -> list[str]:
        """How `jst_inference` is to search; the same for every set."""
        flags = ["--config", self.inference_config] if self.inference_config else []
        flags += ["--streaming", "true" if mode == "streaming" else "false"]
        if mode == "offline":
            flags += ["--chunk_s", "0"]  # the whole utterance, whatever chunk the configuration names for streaming
        return [*flags, *shlex.split(self.inference_args)]
