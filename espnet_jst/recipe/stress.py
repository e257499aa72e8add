"""What a trained model bears: one set, disturbed in several ways, decoded and scored (`run.sh --stress FILE`)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from espnet_jst.config import check_choice
from espnet_jst.data import audio_file, kaldi
from espnet_jst.data.disturbance import Disturbance
from espnet_jst.data.names import file_name
from espnet_jst.data.utterances import TGT_LANGS
from espnet_jst.jobs.shards import run_each
from espnet_jst.keys import Conf, key, read, required
from espnet_jst.recipe.named import check_names
from espnet_jst.recipe.options import Options
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stages.decoding import decoded_files, decoding_stage
from espnet_jst.recipe.stages.scoring import REFERENCES, reading_of, scored
from espnet_jst.recipe.stamp import audio_state, present
from espnet_jst.untrusted.config_file import read_yaml

if TYPE_CHECKING:
    from espnet_jst.evaluation.lanes import Reading

AS_IT_IS = "as_it_is"


@dataclass(frozen=True, kw_only=True)
class StressConf(Conf):
    """Keys of the file."""

    title: str | None = key(None, "one line for the table; by default the name of the file")
    set: str | None = key(None, "data set; by default the first test set")
    disturbances: Mapping[str, Mapping[str, Any]] = required("name: keys of a disturbance")


@dataclass(frozen=True)
class Stress:
    """What a file asks for."""

    name: str
    title: str
    set: str | None
    disturbances: Mapping[str, Disturbance]

    @classmethod
    def read(cls, path: Path) -> Stress:
        """Read the file.

        Raises:
            ConfigError: a key is unknown, a value cannot be used, or there is no disturbance.
        """
        conf = read(StressConf, read_yaml(path), str(path))
        example = "keys, such as quiet: {level_db: -40}"
        check_names(path, "disturbances", conf.disturbances, example, taken=[AS_IT_IS])
        found = {
            name: read(Disturbance, keys, f"{path}: disturbances.{name}") for name, keys in conf.disturbances.items()
        }
        return cls(path.stem, conf.title or path.stem, conf.set, found)


def stress_stages(stress: Stress, options: Options) -> Iterator[Stage]:
    """Disturb a set, decode it as streams with and without, then the table."""
    data, decoding, exp, run = options.data, options.decoding, options.exp, options.run
    name = stress.set or data.tests[0]
    check_choice(name, {data.valid_set, *data.tests}, "the set of the stress test")
    source = data.raw / name
    out = decoding.folder(exp, f"stress_{stress.name}", name)
    folders = {AS_IT_IS: source}
    for title, disturbance in stress.disturbances.items():
        folders[title] = data.raw / ".stress" / name / title
        yield Stage(
            number=12,
            name=f"disturb {name}: {title}",
            run=partial(disturb, source, folders[title], nj=run.nj),
            uses={"disturbance": asdict(disturbance)},
            inputs=[source / "wav.scp", *present(source / TGT_LANGS)],
            outputs=[folders[title] / "wav.scp"],
            facts=lambda: {"audio": audio_state(source / "wav.scp")},
            stamp=folders[title] / ".stages" / "12.json",
        )
    decoded = {title: out / title for title in folders}
    for title, folder in folders.items():
        flags = decoding.flags("streaming")
        yield decoding_stage(f"decode {name}, {title}", folder, decoded[title], flags, decoding, exp, run)
    yield Stage(
        number=13,
        name=f"table of {stress.name}",
        run=partial(tabulate, stress.title, decoded, source, out / f"{stress.name}.md"),
        uses={"reading": reading_of(options.text, exp / "config.yaml")},
        inputs=[
            *(file for path in decoded.values() for file in decoded_files(path)),
            *(source / text for text in options.text.files.names),
            *present(*(source / extra for extra in REFERENCES)),
        ],
        outputs=[out / f"{stress.name}.md"],
        stamp=out / ".stages" / "13.json",
    )


def disturb(source: Path, out: Path, *, nj: int, disturbance: Mapping[str, Any]) -> str:
    """Write the recordings of a set anew, as FLAC."""
    audio = out / "audio"
    shutil.rmtree(audio, ignore_errors=True)
    audio.mkdir(parents=True)
    wav = kaldi.read_table(source / "wav.scp")
    paths = {key: audio / f"{file_name(key)}.flac" for key in wav}
    write = partial(_write, Disturbance(**disturbance))
    run_each(write, [(key, wav[key], paths[key]) for key in wav], nj=nj, title=f"disturb {out.name}")
    for table in present(source / TGT_LANGS):
        shutil.copyfile(table, out / table.name)
    kaldi.write_table(out / "wav.scp", {key: path.as_posix() for key, path in paths.items()})
    return f"{len(paths)} recordings in {out}"


def _write(disturbance: Disturbance, item: tuple[str, str, Path]) -> None:
    import soundfile

    name, source, path = item
    samples, fs = audio_file.read(source)
    soundfile.write(path, disturbance.apply(np.asarray(samples), fs, name), fs, subtype="PCM_16")


def tabulate(title: str, decoded: Mapping[str, Path], reference: Path, page: Path, *, reading: Reading) -> str:
    """Score every decoding and write the table."""
    from espnet_jst.evaluation.stress_table import write_stress

    scores = {name: scored(path, reference, names=reading) for name, path in decoded.items()}
    return f"{write_stress(title, scores, page)}"
