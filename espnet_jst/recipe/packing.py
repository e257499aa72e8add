"""Stages 14-16: pack the model; uploads are off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from espnet_jst.data import kaldi
from espnet_jst.recipe.decoding import config_files
from espnet_jst.recipe.options import RecipeOptions
from espnet_jst.recipe.stage import Stage


def packing_stages(options: RecipeOptions) -> Iterator[Stage]:
    """The pack, tried out on one test utterance before it is called done."""
    model = options.exp / options.inference_st_model
    yield Stage(
        number=14,
        name="pack",
        run=lambda: pack(options),
        inputs=[options.exp / "config.yaml", model, *config_files(options), *license_files(options)],
        outputs=[pack_file(options)],
        options={"inference_config": options.inference_config},
        stamp=options.exp / ".stages" / "14.json",
        skip="--skip_packing" if options.skip_packing else "",
    )
    for number, name in ((15, "upload to Zenodo"), (16, "upload to Hugging Face")):
        reason = "--skip_upload" if options.skip_upload else "not available: upload the packed file by hand"
        yield Stage(number=number, name=name, run=lambda: None, skip=reason)


def pack_file(options: RecipeOptions) -> Path:
    """exp/st_<tag>/st_<tag>_<checkpoint>.zip, as ESPnet names it."""
    return options.exp / f"{options.exp.name}_{Path(options.inference_st_model).stem}.zip"


def license_files(options: RecipeOptions) -> list[Path]:
    return [Path(options.data_license)] if options.data_license else []


def pack(options: RecipeOptions) -> str:
    """Stage 14. The zip is there only after it was loaded from an empty folder and decoded an utterance."""
    from espnet_jst.hub.card import CardInfo
    from espnet_jst.hub.pack import pack as pack_model

    name = options.test_sets.split()[0]
    utterance, wav = next(iter(kaldi.read_table(options.raw / name / "wav.scp").items()))
    card = CardInfo(
        name=options.exp.name,
        languages=(options.src_lang, options.tgt_lang),
        dataset=options.corpus,
        license=options.license,
        command="./run.sh",
    )
    pack_model(
        options.exp,
        pack_file(options),
        wav=wav,
        model=options.exp / options.inference_st_model,
        data_license=options.data_license or None,
        card=card,
        options=config_files(options),
    )
    return f"{pack_file(options)}; loaded again from an empty folder, it decodes {utterance}"
