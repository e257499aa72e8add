"""How fast and how well one model decodes in each of several ways (`run.sh --latency FILE`)."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from espnet_jst.config import check_choice
from espnet_jst.keys import Conf, key, read, required
from espnet_jst.recipe.named import check_names
from espnet_jst.recipe.options import Options
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stages.decoding import COST, decoded_files, decoding_stage
from espnet_jst.recipe.stages.scoring import REFERENCES, reading_of, scored
from espnet_jst.recipe.stamp import present
from espnet_jst.untrusted.config_file import read_yaml

if TYPE_CHECKING:
    from espnet_jst.evaluation.lanes import Reading


@dataclass(frozen=True, kw_only=True)
class LatencyConf(Conf):
    """Keys of the file."""

    title: str | None = key(None, "one line for the table; by default the name of the file")
    set: str | None = key(None, "data set; by default the validation set")
    settings: Mapping[str, str] = required("name: further flags of jst_inference, such as --chunk_s 0.32")


@dataclass(frozen=True)
class LatencyReport:
    """What a file asks for.

    Attributes:
        settings: name -> flags of `jst_inference`.
    """

    name: str
    title: str
    set: str | None
    settings: Mapping[str, list[str]]

    @classmethod
    def read(cls, path: Path) -> LatencyReport:
        """Read the file.

        Raises:
            ConfigError: a key is unknown, a value cannot be used, or there is no setting.
        """
        conf = read(LatencyConf, read_yaml(path), str(path))
        check_names(path, "settings", conf.settings, "flags of jst_inference")
        settings = {name: shlex.split(flags) for name, flags in conf.settings.items()}
        return cls(path.stem, conf.title or path.stem, conf.set, settings)

    def flags(self, options: Options, name: str) -> list[str]:
        """All flags of a setting: those of the recipe's streaming decoding, then its own."""
        return [*options.decoding.flags("streaming"), *self.settings[name]]


def report_stages(report: LatencyReport, options: Options) -> Iterator[Stage]:
    """Decode a set as streams with every setting, one process at a time, then the table and the picture."""
    data, decoding, exp = options.data, options.decoding, options.exp
    name = report.set or data.valid_set
    check_choice(name, {data.valid_set, *data.tests}, "the set of the latency report")
    folder = data.raw / name
    out = decoding.folder(exp, f"latency_{report.name}", name)
    folders = {setting: out / setting for setting in report.settings}
    alone = replace(options.run, inference_nj=1)  # processes beside each other would slow each other's figures
    for setting, path in folders.items():
        flags = report.flags(options, setting)
        stage = decoding_stage(f"decode {name} as {setting}", folder, path, flags, decoding, exp, alone)
        yield replace(stage, outputs=[*stage.outputs, path / COST])
    yield Stage(
        number=13,
        name=f"table of {report.name}",
        run=partial(tabulate, report, folders, folder, out),
        uses={"reading": reading_of(options.text, exp / "config.yaml")},
        inputs=[
            *(file for path in folders.values() for file in decoded_files(path)),
            *(path / COST for path in folders.values()),
            *(folder / text for text in options.text.files.names),
            *present(*(folder / extra for extra in REFERENCES)),
        ],
        outputs=[out / f"{report.name}.md"],
        stamp=out / ".stages" / "13.json",
    )


def tabulate(
    report: LatencyReport, folders: Mapping[str, Path], reference: Path, out: Path, *, reading: Reading
) -> str:
    """Score every setting and write the table and the picture."""
    from espnet_jst.evaluation.files import read_object
    from espnet_jst.evaluation.mode_table import Mode, write_modes

    modes = {
        name: Mode(scored(path, reference, names=reading), read_object(path / COST, "decode again"))
        for name, path in folders.items()
    }
    return f"{write_modes(report.title, modes, out, report.name)}"
