"""Which stages run, and where and how fast: what comes out of them does not depend on it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from espnet_jst.errors import ConfigError
from espnet_jst.recipe.options.option import check_least, option

CORES = os.cpu_count() or 1
LAST_STAGE = 16


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Stages to run, processes, machines, comparisons."""

    stage: int = option(1, "first stage to run")
    stop_stage: int = option(10000, "last stage to run")
    force: bool = option(False, "run stages again that are up to date; training starts afresh instead of going on")
    skip_data_prep: bool = option(False, "skip stages 1-5")
    skip_train: bool = option(False, "skip stages 10-11")
    skip_eval: bool = option(False, "skip stages 12-13")
    skip_packing: bool = option(False, "skip stage 14")
    skip_upload: bool = option(True, "skip stage 15, the upload to Zenodo")
    skip_upload_hf: bool = option(True, "skip stage 16, the upload to Hugging Face")
    ngpu: int = option(0, "GPUs in training and decoding; 0 runs on the CPU")
    num_nodes: int = option(1, "machines in training, each with --ngpu GPUs: more than 1 starts it with Slurm's srun")
    nj: int = option(CORES, "processes in data preparation, alignment and statistics")
    inference_nj: int = option(CORES, "processes in decoding and scoring")
    scheduler: str = option("", "where they run: this machine; tcp://host:port of a Dask scheduler; YAML of a cluster")
    compare: str = option(
        "", "file with several systems and seeds: train, decode and score them all, and make one table"
    )
    sweep: str = option("", "file with blank penalties: decode the validation set with each, and make one table")
    latency: str = option(
        "", "file with ways of decoding: decode a set as streams in each, and make one table of delays"
    )
    stress: str = option("", "file with disturbances: decode a set with each as streams, and make one table")
    compare_nj: int = option(1, "runs of a comparison at a time")

    def runs(self, *stages: int, skip: bool = False) -> bool:
        """Whether one of these stages is to run."""
        return not skip and any(self.stage <= stage <= self.stop_stage for stage in stages)

    def check(self) -> None:
        """Refuse a run of no stage, and numbers that no machine has.

        Raises:
            ConfigError: names the option.
        """
        if not 1 <= self.stage <= min(self.stop_stage, LAST_STAGE):
            raise ConfigError(
                f"--stage {self.stage} --stop_stage {self.stop_stage}: no stage to run; there are 1 to {LAST_STAGE}"
            )
        check_least(self, nj=1, inference_nj=1, compare_nj=1, num_nodes=1, ngpu=0)
