"""Stage 1 of the Mboshi recipe: data directories from the user's copy of the Mboshi-French parallel corpus.

Two forms are read: the published git repository (full_corpus_newsplit/{train,dev} with a .wav, a .mb.cleaned and a
.fr.cleaned file an utterance), and a packed one ({train,dev}.tsv with the columns id, speaker, mdw_clean, fra_clean,
source_id, and {train,dev}/<id>.opus). The sets are those of ESPnet's egs2/mboshi_french/st1: the first 100 utterances
of train, sorted by id, are dev100, the others train_nodev, and dev is the test set.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from espnet_jst.data.kaldi import write_data_dir
from espnet_jst.errors import ConfigError, JSTError

DEV100 = 100
PUBLISHED = "full_corpus_newsplit"
GET = (
    "get it with: git clone https://github.com/besacier/mboshi-french-parallel-corpus, and give its folder as "
    'MBOSHI_FRENCH=FOLDER ./run.sh, or ./run.sh --local_data_opts "--corpus FOLDER"'
)
# What is no word by itself: apostrophes and hyphens stay inside words.
PUNCTUATION = re.compile(r"[^\w\s'-]|(?<!\w)['-]+|-+(?!\w)", re.UNICODE)


@dataclass(frozen=True)
class Utterance:
    """One recording with both texts as the corpus has them (lower-cased, "cleaned")."""

    utt_id: str
    audio: Path
    transcript: str
    translation: str

    @property
    def speaker(self) -> str:
        return self.utt_id.split("_")[0]


def normalize(text: str) -> str:
    """Lower case, no punctuation (the case "lc.rm"); an elided article stays on its word, "l'eau".

    The corpus writes the apostrophe as "&apos; " in the cleaned French.
    """
    text = re.sub(r"&apos;\s*", "'", text.lower()).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return " ".join(PUNCTUATION.sub(" ", text).split())


def read_published(folder: Path) -> list[Utterance]:
    """Utterances of one split of the git repository."""
    utterances = []
    for audio in sorted(folder.glob("*.wav")):
        texts = [audio.with_name(f"{audio.stem}.{lang}.cleaned") for lang in ("mb", "fr")]
        missing = [path for path in texts if not path.is_file()]
        if missing:
            raise ConfigError(f"{missing[0]} is missing: the copy of the corpus is not complete; {GET}")
        transcript, translation = (path.read_text(encoding="utf-8") for path in texts)
        utterances.append(Utterance(audio.stem, audio, transcript, translation))
    return utterances


def read_packed(table: Path) -> list[Utterance]:
    """Utterances of one split of the packed form."""
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    folder = table.with_suffix("")
    return [
        Utterance(row["source_id"], folder / f"{row['id']}.opus", row["mdw_clean"], row["fra_clean"]) for row in rows
    ]


def read_split(corpus: Path, name: str) -> list[Utterance]:
    """Utterances of "train" or "dev", sorted by id as Kaldi sorts.

    Raises:
        ConfigError: the folder holds neither form.
    """
    for folder in (corpus / PUBLISHED / name, corpus / name):
        if any(folder.glob("*.wav")):
            found = read_published(folder)
            break
    else:
        table = corpus / f"{name}.tsv"
        if not table.is_file():
            raise ConfigError(f"{corpus} has neither {PUBLISHED}/{name}/*.wav nor {name}.tsv; {GET}")
        found = read_packed(table)
    return sorted(found, key=lambda utterance: utterance.utt_id.encode("utf-8"))


def write_set(out: Path, utterances: list[Utterance]) -> None:
    """Write one data directory."""
    write_data_dir(
        out,
        {
            "wav.scp": {u.utt_id: u.audio.absolute().as_posix() for u in utterances},
            "text.lc.rm.mb": {u.utt_id: normalize(u.transcript) for u in utterances},
            "text.lc.rm.fr": {u.utt_id: normalize(u.translation) for u in utterances},
            "utt2spk": {u.utt_id: u.speaker for u in utterances},
        },
    )
    print(f"{len(utterances)} utterances in {out}", file=sys.stderr)


def main(argv: list[str] | None = None) -> None:
    """Write train_nodev, dev100 and dev."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="where the sets are written")
    parser.add_argument("--corpus", type=Path, default=os.environ.get("MBOSHI_FRENCH"), help="folder of the corpus")
    args = parser.parse_args(argv)
    if args.corpus is None:
        raise ConfigError(f"the Mboshi-French corpus is not given: {GET}")
    train, dev = (read_split(args.corpus, name) for name in ("train", "dev"))
    for name, utterances in (("train_nodev", train[DEV100:]), ("dev100", train[:DEV100]), ("dev", dev)):
        write_set(args.data_dir / name, utterances)


if __name__ == "__main__":
    try:
        main()
    except JSTError as error:
        sys.exit(f"error: {error}")
