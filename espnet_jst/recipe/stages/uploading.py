"""Stages 15-16: show what would be uploaded, or upload it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from espnet_jst.errors import ConfigError
from espnet_jst.recipe.options import Options, ReleaseOptions, RunOptions
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stages.packing import pack_file, trial_recording, trial_table

_GO = "nothing was uploaded; --dry_run false uploads"


def check(release: ReleaseOptions, run: RunOptions) -> None:
    """Refuse a repository that the hub would refuse.

    Raises:
        ConfigError: names the option.
    """
    if run.runs(16, skip=run.skip_upload_hf):
        from espnet_jst.hub.huggingface import check_repository

        check_repository(release.hf_repo)


def uploading_stages(options: Options) -> Iterator[Stage]:
    """The two receivers. A deposit at Zenodo is a new draft each time, so a finished one is not made again."""
    from espnet_jst.hub import zenodo

    release, run = options.release, options.run
    inputs = [pack_file(options), trial_table(options.data)]
    uses = {"corpus": release.corpus, "languages": options.text.languages}
    yield Stage(
        number=15,
        name="upload to Zenodo",
        run=partial(upload_zenodo, options, dry_run=release.dry_run),
        uses={
            "creator": release.creator,
            "license": release.license,
            "site": zenodo.SANDBOX if release.zenodo_sandbox else zenodo.SITE,
            **uses,
        },
        inputs=inputs,
        stamp=None if release.dry_run else options.exp / ".stages" / "15.json",
        skip="--skip_upload" if run.skip_upload else "",
    )
    yield Stage(
        number=16,
        name="upload to Hugging Face",
        run=partial(upload_huggingface, options, release.hf_repo, dry_run=release.dry_run),
        uses=uses,
        inputs=inputs,
        skip="--skip_upload_hf" if run.skip_upload_hf else "",
    )


def upload_zenodo(
    options: Options,
    *,
    dry_run: bool,
    creator: str,
    license: str,
    site: str,
    corpus: str,
    languages: Sequence[str],
) -> str:
    """Stage 15: the zip, as a draft that its owner publishes."""
    from espnet_jst.hub import zenodo
    from espnet_jst.hub.publish import checked_pack, read_card, table

    token, pack = zenodo.find_token(), pack_file(options)
    if not dry_run and token is None:
        raise ConfigError(zenodo.NO_TOKEN)
    name = f"{creator or '<creator>'}/{options.exp.name}"
    with checked_pack(pack, trial_recording(options.data)[1]) as folder:
        card = read_card(folder)
        if dry_run:
            print(f"would go to {site} as a draft, by {creator or '(--creator is missing)'}:")
            print(f"{table(pack)}\n\nits description:\n\n{card}")
            _show_row(corpus, languages, folder, name, zenodo.file_url(site, "<record>", pack.name))
            return _dry(token, zenodo.NO_TOKEN)
        about = zenodo.metadata(
            title=f"ESPnet model {options.exp.name}",
            creator=creator,
            license=license,
            card=card,
            languages=languages,
        )
        draft = zenodo.deposit(pack, about, token=str(token), site=site)
        _show_row(corpus, languages, folder, name, draft.url)
    return f"a draft with the number {draft.record}; look it over and publish it at {draft.page}"


def upload_huggingface(
    options: Options, repository: str, *, dry_run: bool, corpus: str, languages: Sequence[str]
) -> str:
    """Stage 16: the unpacked pack, in one commit."""
    from espnet_jst.hub import huggingface
    from espnet_jst.hub.publish import checked_pack, name_repository, table
    from espnet_jst.hub.zoo import HUGGINGFACE_URL

    token = huggingface.find_token()
    huggingface.check_repository(repository)
    if not dry_run and token is None:
        raise ConfigError(huggingface.NO_TOKEN)
    with checked_pack(pack_file(options), trial_recording(options.data)[1]) as folder:
        card = name_repository(folder, repository)
        if dry_run:
            print(f"would go to {HUGGINGFACE_URL}{repository}:\n{table(folder)}\n\nREADME.md:\n\n{card}")
            _show_row(corpus, languages, folder, repository, HUGGINGFACE_URL)
            return _dry(token, huggingface.NO_TOKEN)
        revision = huggingface.upload_folder(folder, repository, token=str(token))
        _show_row(corpus, languages, folder, repository, HUGGINGFACE_URL)
    return f'Speech2Text.from_pretrained("{repository}@{revision}")'


def _show_row(corpus: str, languages: Sequence[str], folder: Path, name: str, url: str) -> None:
    from espnet_jst.hub.zoo import row

    line = row(folder, name=name, url=url, corpus=corpus, languages=languages)
    print(f"row for the table.csv of espnet_model_zoo:\n{line}")


def _dry(token: str | None, no_token: str) -> str:
    return _GO if token else f"{_GO}, but there is {no_token}"
