"""Options of stages 10-11: the experiment and its training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from espnet_jst.recipe.options.option import option


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Training configuration, normalization, folder of the experiment."""

    expdir: str = option("exp", "where models and results go")
    corrupt_links: float = option(0.0, "experiment: share of the training links that get a wrong target word")
    feats_normalize: str = option(
        "running_mvn",
        "normalization with statistics from stage 10; none: as the configuration says, without statistics",
        ("running_mvn", "global_mvn", "none"),
    )
    stats_utterances: int = option(2000, "utterances, evenly spaced, that the statistics are taken from; 0 takes all")
    st_config: str = option("conf/train.yaml", "training configuration")
    st_args: str = option("", "further options for jst_train")
    st_tag: str = option("", "name of the experiment; made from the configuration's name when empty")
    st_exp: str = option("", "folder of the experiment, instead of <expdir>/st_<tag>")
    st_stats_dir: str = option("", "folder of the statistics, instead of <expdir>/st_stats_raw_<token lists>")
    cache_frames: bool = option(
        False, "compute the frames of a frontend that nothing trains once, before stage 10, and not in every epoch"
    )
    finetune: str = option(
        "", "packed zip, experiment folder or hub tag: train this model further instead of a new one"
    )
    finetune_anyway: bool = option(False, "train it further although its tokens cannot write half of the text or more")
    minutes: float = option(0.0, "budget of training time in minutes; 0 trains the full schedule")
    seed: int = option(0, "seed of training")

    @property
    def uses_stats(self) -> bool:
        """Whether normalization is given the statistics of stage 10."""
        return self.feats_normalize != "none" and not self.finetune

    def stats_dir(self, tag: str) -> Path:
        """Folder of the statistics; `tag` is `TextOptions.tag`."""
        return Path(self.st_stats_dir or f"{self.expdir}/st_stats_raw_{tag}")

    def exp(self, tag: str) -> Path:
        """Folder of the experiment; `tag` is `TextOptions.tag`."""
        name = self.st_tag or f"{Path(self.st_config).stem}_raw_{tag}"
        return Path(self.st_exp or f"{self.expdir}/st_{name}")
