"""Options of discrete units: what is clustered, how many there are, and text that goes through the same parameters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from espnet_jst.errors import ConfigError
from espnet_jst.recipe.options.option import check_least, option
from espnet_jst.units.conf import UNIT_INITS

UNIT_CASES = ("rm", "ts")


@dataclass(frozen=True, kw_only=True)
class UnitOptions:
    """Flags of ESPnet's `asr2.sh` keep their names."""

    kmeans_feature: str = option(
        "",
        "train on discrete units of speech, clusters of these frames: log_mel, or MODEL/LAYER, a folder that "
        "transformers saved, a name on the hub or an original checkpoint, and the layer, such as "
        "models/wavlm-large/21, of a Whisper in chunks models/whisper-base/5@0.64; or s3prl:NAME/LAYER, an upstream of "
        "S3PRL",
    )
    nclusters: int = option(2000, "number of units")
    kmeans_frames: int = option(500_000, "frames, drawn over all training speech, that are clustered")
    kmeans_seed: int = option(0, "of what is drawn")
    unit_case: str = option("rm", "rm: each run of a unit once; ts: a unit a frame", UNIT_CASES)
    unit_nbpe: int = option(4000, "pieces of units in the token list of the source; 0: a unit is a token")
    text_share: float = option(
        0.0, "share of the steps on text in place of units, transcript and translation (input src_text); 0: none"
    )
    text_set: str = option("", "data set of that text, which needs no recordings; by default the training set")
    text_ctc: bool = option(
        False, "text trains the heads of the transcript as well, for which it is question and answer at once"
    )
    text_shuffled: bool = option(False, "a control: every transcript of that text with the translation of another one")
    upsample: str = option("auto", "frames of a token of text; auto: as many as make it as long as its units")
    mbart: str = option(
        "",
        "begin as an mBART: folder of mbart-large-cc25 or mbart-large-50 as transformers saves it; both texts have its "
        "pieces",
    )
    unit_init: str = option(
        "normal",
        "of --mbart: its rows for units are drawn by the mean and variance of each feature of its embedding, or by the "
        "covariance of all (mean_cov), or are the mean",
        UNIT_INITS,
    )

    def check_units(self) -> None:
        """Refuse what cannot be.

        Raises:
            ConfigError: names the option.
        """
        check_least(self, nclusters=1, kmeans_frames=1, unit_nbpe=0, text_share=0)
        if self.text_share >= 1:
            raise ConfigError(f"--text_share {self.text_share:g}: units need a share of the steps, give less than 1")
        if self.upsample != "auto" and not (self.upsample.isdigit() and 1 <= int(self.upsample) <= 64):
            raise ConfigError(f"--upsample {self.upsample}: give auto, or a whole number from 1 to 64")
        if (self.text_share or self.text_set) and not self.kmeans_feature:
            raise ConfigError("--text_share and --text_set go with units: give --kmeans_feature")
        if (self.text_ctc or self.text_shuffled) and not self.text_share:
            raise ConfigError("--text_ctc and --text_shuffled say how text is trained on: give --text_share")
        if self.mbart and not self.kmeans_feature:
            raise ConfigError("--mbart goes with units, which share its parameters: give --kmeans_feature")
        if self.mbart and not self.unit_nbpe:
            raise ConfigError("--unit_nbpe 0: beside the pieces of --mbart units have pieces too: give their number")

    @property
    def unit_tag(self) -> str:
        """What a unit set is called in folders and files: `wavlm-large_21_km2000`."""
        model, _, layer = self.kmeans_feature.rpartition("/")
        feature = f"{Path(model).name.replace(':', '_')}_{layer}" if model else layer
        return f"{feature}_km{self.nclusters}"

    @property
    def units_text(self) -> str:
        """File of a set's units as text, under the name that `asr2.sh` gives it."""
        return f"text.{self.unit_case}.{self.unit_tag}"

    @property
    def unit_pieces(self) -> str:
        """What is said of them in the name of a token list; empty without units."""
        return f"{self.unit_case}_{self.unit_tag}_{self.unit_nbpe}" if self.kmeans_feature else ""
