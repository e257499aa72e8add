"""Stage 1: the sets of four recipes, joined: Spanish, Kichwa, Mboshi and English, each with its own translation.

Each recipe prepares its part below data/parts; the folders of the corpora are TATOEBA_ES_EN, KILLKAN and
MBOSHI_FRENCH, and the digits' recordings are the project's. FOUR_LANGUAGES are the languages.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from espnet_jst.config import check_choice
from espnet_jst.data.corpora.directions import SEVERAL
from espnet_jst.data.kaldi import read_table, write_data_dir
from espnet_jst.data.utterances import SRC_LANGS, TGT_LANGS
from espnet_jst.errors import ConfigError, JSTError

RECIPES = Path(__file__).resolve().parents[3]
CASE = "lc.rm"


@dataclass(frozen=True)
class Part:
    """One of the corpora: whose recipe prepares it, how, and what its sets are called there."""

    recipe: str
    tgt: str
    sets: Mapping[str, str]
    case: str = CASE
    flags: Sequence[str] = ()


DEV = {"train": "train", "valid": "dev", "test": "test"}
PARTS = {
    "es": Part("tatoeba_es_en", "en", DEV),
    "qvi": Part("killkan_qvi_es", "es", DEV),
    "mb": Part("mboshi_french", "fr", {"train": "train_nodev", "valid": "dev100", "test": "dev"}),
    "en": Part("fsdd_digits", "de", {**DEV, "valid": "valid"}, "lc", ("--sets", "train", "valid", "test")),
}


def prepare(part: Part, out: Path, flags: Sequence[str]) -> None:
    """Let the recipe of a part write its data directories.

    Raises:
        ConfigError: it cannot; its own message says why.
    """
    script = RECIPES / part.recipe / "jst1" / "local" / "data.py"
    done = subprocess.run([sys.executable, script, "--data_dir", out, *part.flags, *flags], stderr=subprocess.PIPE)
    said = done.stderr.decode(errors="replace")
    print(said, end="", file=sys.stderr)
    if done.returncode:
        raise ConfigError(f"{part.recipe}: {said.strip().rpartition(chr(10))[2].removeprefix('error: ')}")


def read_part(code: str, part: Part, folder: Path) -> dict[str, dict[str, str]]:
    """The tables of a set of a part, under the names that all share.

    Raises:
        ConfigError: its recordings are cut by `segments`, which these four are not.
    """
    if (folder / "segments").exists():
        raise ConfigError(f"{folder}/segments: only whole recordings can be joined")
    texts = (f"text.{part.case}.{language}" for language in (code, part.tgt))
    wav, transcript, translation, speakers = (read_table(folder / name) for name in ("wav.scp", *texts, "utt2spk"))
    tables = {
        "wav.scp": wav,
        f"text.{CASE}.{SEVERAL['src']}": transcript,
        f"text.{CASE}.{SEVERAL['tgt']}": translation,
        "utt2spk": {key: f"{code}-{speaker}" for key, speaker in speakers.items()},
        SRC_LANGS: dict.fromkeys(wav, code),
        TGT_LANGS: dict.fromkeys(wav, part.tgt),
    }
    return {name: {f"{code}-{key}": value for key, value in table.items()} for name, table in tables.items()}


def main(argv: list[str] | None = None) -> None:
    """Write train, valid and a test set of each language."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="where the sets are written")
    parser.add_argument("--langs", default=os.environ.get("FOUR_LANGUAGES", ",".join(PARTS)), help="such as es,qvi")
    parser.add_argument("--strings", type=int, default=4000, help="digit strings of the training set")
    args = parser.parse_args(argv)
    codes = args.langs.split(",")
    for code in codes:
        check_choice(code, PARTS, "language")
    most = {"train": args.strings, "valid": min(500, args.strings), "test": min(1000, args.strings)}
    strings = [word for name, count in most.items() for word in (f"--{name}_strings", str(count))]
    found = {}
    for code in codes:
        part, folder = PARTS[code], args.data_dir / "parts" / code
        prepare(part, folder, strings if code == "en" else [])
        found[code] = {name: read_part(code, part, folder / theirs) for name, theirs in part.sets.items()}
    for name in ("train", "valid"):
        joined: dict[str, dict[str, str]] = {}
        for sets in found.values():
            for table, lines in sets[name].items():
                joined.setdefault(table, {}).update(lines)
        write_data_dir(args.data_dir / name, joined)
    for code, sets in found.items():
        write_data_dir(args.data_dir / f"test_{code}", sets["test"])


if __name__ == "__main__":
    try:
        main()
    except JSTError as error:
        sys.exit(f"error: {error}")
