"""Options of stages 14-16: what the model card says, and where a pack is uploaded."""

from __future__ import annotations

from dataclasses import dataclass

from espnet_jst.recipe.options.option import option


@dataclass(frozen=True, kw_only=True)
class ReleaseOptions:
    """Names, licences, receivers."""

    corpus: str = option("", "name of the data, for the model card")
    license: str = option("", "licence of the packed model, for the model card (share-alike data hands its licence on)")
    data_license: str = option("", "file with licence and source of the data, packed with the model")
    dry_run: bool = option(True, "stages 15-16 show what would be uploaded, and upload nothing")
    hf_repo: str = option("", "repository at Hugging Face: org/name")
    creator: str = option("", "who made the model, for Zenodo: Family, Given")
    zenodo_sandbox: bool = option(False, "upload to Zenodo's sandbox, where records are for trial")
