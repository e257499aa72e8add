"""Stages 15-16: show what would be uploaded, or upload it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from espnet_jst.errors import ConfigError
from espnet_jst.recipe.options import RecipeOptions
from espnet_jst.recipe.packing import pack_file, trial_list, trial_recording
from espnet_jst.recipe.stage import Stage

_GO = "nothing was uploaded; --dry_run false uploads"


def uploading_stages(options: RecipeOptions) -> Iterator[Stage]:
    """The two receivers. A deposit at Zenodo is a new draft each time, so a finished one is not made again."""
    inputs = [pack_file(options), trial_list(options)]
    yield Stage(
        number=15,
        name="upload to Zenodo",
        run=upload_zenodo,
        options=options,
        inputs=inputs,
        stamp=None if options.dry_run else options.exp / ".stages" / "15.json",
        skip="--skip_upload" if options.skip_upload else "",
    )
    yield Stage(
        number=16,
        name="upload to Hugging Face",
        run=upload_huggingface,
        options=options,
        inputs=inputs,
        skip="--skip_upload_hf" if options.skip_upload_hf else "",
    )


def upload_zenodo(options: RecipeOptions) -> str:
    """Stage 15: the zip, as a draft that its owner publishes."""
    from espnet_jst.hub import zenodo
    from espnet_jst.hub.publish import Entry, checked_pack, read_card, table

    token, pack = zenodo.find_token(), pack_file(options)
    if not options.dry_run and token is None:
        raise ConfigError(zenodo.NO_TOKEN)
    site = zenodo.SANDBOX if options.zenodo_sandbox else zenodo.SITE
    name = f"{options.creator}/{options.exp.name}" if options.creator else f"<creator>/{options.exp.name}"
    with checked_pack(pack, trial_recording(options)[1]) as folder:
        card = read_card(folder)
        if options.dry_run:
            print(f"would go to {site} as a draft, by {options.creator or '(--creator is missing)'}:")
            print(f"{table([Entry.of(pack, pack.name)])}\n\nits description:\n\n{card}")
            _show_row(options, folder, name, zenodo.file_url(site, "<record>", pack.name))
            return _dry(token, zenodo.NO_TOKEN)
        about = zenodo.metadata(
            title=f"ESPnet model {options.exp.name}",
            creator=options.creator,
            license=options.license,
            card=card,
            languages=_languages(options),
        )
        draft = zenodo.deposit(pack, about, token=str(token), site=site)
        _show_row(options, folder, name, draft.url)
    return f"a draft with the number {draft.record}; look it over and publish it at {draft.page}"


def upload_huggingface(options: RecipeOptions) -> str:
    """Stage 16: the unpacked pack, in one commit."""
    from espnet_jst.hub import huggingface
    from espnet_jst.hub.publish import checked_pack, list_files, name_repository, table
    from espnet_jst.hub.zoo import HUGGINGFACE_URL

    repository, token = options.hf_repo, huggingface.find_token()
    huggingface.check_repository(repository)
    if not options.dry_run and token is None:
        raise ConfigError(huggingface.NO_TOKEN)
    with checked_pack(pack_file(options), trial_recording(options)[1]) as folder:
        card = name_repository(folder, repository)
        if options.dry_run:
            print(f"would go to {HUGGINGFACE_URL}{repository}:\n{table(list_files(folder))}\n\nREADME.md:\n\n{card}")
            _show_row(options, folder, repository, HUGGINGFACE_URL)
            return _dry(token, huggingface.NO_TOKEN)
        revision = huggingface.upload_folder(folder, repository, token=str(token))
        _show_row(options, folder, repository, HUGGINGFACE_URL)
    return f'Speech2Text.from_pretrained("{repository}@{revision}")'


def _show_row(options: RecipeOptions, folder: Path, name: str, url: str) -> None:
    from espnet_jst.hub.zoo import row

    line = row(folder, name=name, url=url, corpus=options.corpus, languages=_languages(options))
    print(f"row for the table.csv of espnet_model_zoo:\n{line}")


def _languages(options: RecipeOptions) -> tuple[str, str]:
    return options.src_lang, options.tgt_lang


def _dry(token: str | None, no_token: str) -> str:
    return _GO if token else f"{_GO}, but there is {no_token}"
