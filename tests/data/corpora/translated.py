"""MuST-C, CoVoST 2, Killkan and packed tables of a few utterances in their layouts; what is said are spoken digits."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

import soundfile

from tests.data.corpora.europarl import CORPUS, DIGITS, FS

SPANISH = ["cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"]
ITALIAN = ["zero", "uno", "due", "tre", "quattro", "cinque", "sei", "sette", "otto", "nove"]
ARABIC = ["صفر", "واحد", "اثنان", "ثلاثة", "أربعة", "خمسة", "ستة", "سبعة", "ثمانية", "تسعة"]
CHINESE = [*"零一二三四五六七八九"]
WORDS = {**DIGITS, "es": SPANISH, "it": ITALIAN, "ar": ARABIC, "zh-CN": CHINESE}
KICHWA = ["illa", "shuk", "ishkay", "kimsa", "chusku", "pichka", "sukta", "kanchis", "pusak", "iskun"]


def spoken(speaker: str, count: int) -> Iterator[tuple[float, float, list[int]]]:
    """Start and end in seconds of pieces of a speaker's recording, and the digits in them, one to three."""
    with (CORPUS / "segments.tsv").open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream, delimiter="\t") if row["speaker"] == speaker]
    for number in range(count):
        first = number * len(rows) // count
        said = rows[first : first + 1 + number % 3]
        times = int(said[0]["start_sample"]) / FS, int(said[-1]["end_sample"]) / FS
        yield *times, [int(row["digit"]) for row in said]


def text(words: list[str], digits: list[int]) -> str:
    """A sentence with capitals and punctuation."""
    return " ".join(words[digit] for digit in digits).capitalize() + "."


def make_must_c(corpus: Path, *, tgt: str = "de", counts: dict[str, int] | None = None) -> Path:
    """Talks of one speaker each; one line of the training set cannot be read."""
    speakers = {"train": ("george", "jackson"), "dev": ("lucas",), "tst-COMMON": ("nicolas",), "tst-HE": ("theo",)}
    for name, talks in speakers.items():
        folder = corpus / f"en-{tgt}" / "data" / name
        (folder / "wav").mkdir(parents=True)
        (folder / "txt").mkdir()
        lines: dict[str, list[str]] = {"yaml": [], "en": [], tgt: []}
        for talk, speaker in enumerate(talks, start=1):
            wav = f"ted_{name}_{talk}.wav"
            soundfile.write(folder / "wav" / wav, *soundfile.read(CORPUS / f"{speaker}.flac"))
            for start_s, end_s, digits in spoken(speaker, (counts or {}).get(name, 6)):
                lines["yaml"].append(
                    f"- {{duration: {end_s - start_s:.6f}, offset: {start_s:.6f}, speaker_id: spk.{talk}, "
                    f"uW: 0, wav: {wav}}}"
                )
                lines["en"].append(text(DIGITS["en"], digits))
                lines[tgt].append(text(DIGITS["de"], digits))
        if name == "train":
            lines["yaml"][0] = "- {duration: x, offset: 0}"
        for ending, content in lines.items():
            (folder / "txt" / f"{name}.{ending}").write_text("".join(f"{line}\n" for line in content), encoding="utf-8")
    return corpus


def make_covost2(
    folder: Path, *, counts: dict[str, int] | None = None, src: str = "en", tgt: str = "de"
) -> tuple[Path, Path]:
    """Common Voice's clips and CoVoST's tables of one direction; one clip is missing."""
    voices, tables = folder / "cv", folder / "covost"
    (voices / src / "clips").mkdir(parents=True, exist_ok=True)
    tables.mkdir(exist_ok=True)
    for name, speaker in (("train", "george"), ("dev", "lucas"), ("test", "nicolas")):
        samples, fs = soundfile.read(CORPUS / f"{speaker}.flac")
        rows = ["path\tsentence\ttranslation\tclient_id"]
        for number, (start_s, end_s, digits) in enumerate(spoken(speaker, (counts or {}).get(name, 6))):
            clip = f"common_voice_{src}_{name}{number}"
            if (name, number) != ("train", 1):
                piece = samples[round(start_s * fs) : round(end_s * fs)]
                soundfile.write(voices / src / "clips" / f"{clip}.mp3", piece, fs, format="MP3")
            said, translated = text(WORDS[src], digits), text(WORDS[tgt], digits)
            rows.append(f"{clip}.mp3\t{said}\t{translated}\t{speaker * 9}")
        (tables / f"covost_v2.{src}_{tgt}.{name}.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return voices, tables


def make_killkan(corpus: Path, *, counts: dict[int, int] | None = None) -> Path:
    """Chapters in the repository's layout, their clips in a format that is read here; each third one has no Spanish."""
    for chapter, speaker in ((1, "george"), (2, "jackson"), (16, "lucas"), (17, "nicolas"), (19, "theo")):
        folder = corpus / "data" / f"Chapter{chapter}"
        samples, fs = soundfile.read(CORPUS / f"{speaker}.flac")
        slots, kichwa, spanish = [], [], []
        for number, (start_s, end_s, digits) in enumerate(spoken(speaker, (counts or {}).get(chapter, 6)), start=1):
            (folder / f"{number}").mkdir(parents=True)
            piece = samples[round(start_s * fs) : round(end_s * fs)]
            soundfile.write(folder / f"{number}" / f"{number}.wav", piece, fs)
            for place, time_s in enumerate((start_s, end_s)):
                slots.append(f'<TIME_SLOT TIME_SLOT_ID="t{number}{place}" TIME_VALUE="{round(1000 * time_s)}"/>')
            kichwa.append(
                f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{number}" TIME_SLOT_REF1="t{number}0" '
                f'TIME_SLOT_REF2="t{number}1"><ANNOTATION_VALUE>{escape(text(KICHWA, digits))}</ANNOTATION_VALUE>'
                "</ALIGNABLE_ANNOTATION></ANNOTATION>"
            )
            told = "[MISSING]" if number % 3 == 0 else text(SPANISH, digits)
            spanish.append(
                f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="s{number}" ANNOTATION_REF="a{number}"><ANNOTATION_VALUE>'
                f"{told}</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>"
            )
        (folder / f"Chapter{chapter}.eaf").write_text(
            f'<?xml version="1.0" encoding="UTF-8"?><ANNOTATION_DOCUMENT><TIME_ORDER>{"".join(slots)}</TIME_ORDER>'
            f'<TIER TIER_ID="default">{"".join(kichwa[::-1])}</TIER>'  # not in the order of time
            f'<TIER PARENT_REF="default" TIER_ID="Spanish">{"".join(spanish)}</TIER></ANNOTATION_DOCUMENT>',
            encoding="utf-8",
        )
    return corpus


def pack_killkan(corpus: Path, out: Path) -> Path:
    """The same as tables with a folder of clips beside each."""
    from espnet_jst.data.corpora.killkan import CHAPTERS, _repository

    for name in ("train", "dev"):
        (out / name).mkdir(parents=True)
        rows = ["id\tchapter\tduration\tqvi\tspa"]
        for clip in _repository(corpus):
            if (clip.chapter in CHAPTERS["train"] or clip.chapter == 16) is (name == "train"):
                rows.append(f"{clip.utt_id}\t{clip.chapter}\t1.0\t{clip.kichwa}\t{clip.spanish}")
                assert clip.audio is not None
                soundfile.write(out / name / f"{clip.utt_id}.flac", *soundfile.read(clip.audio))
        (out / f"{name}.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return out


def make_packed(corpus: Path, columns: dict[str, list[str]], counts: dict[str, int]) -> Path:
    """Tables of sentences with a recording each, as Tatoeba's and Mboshi's packed forms have them."""
    speakers = {"train": "george", "dev": "lucas", "test": "nicolas"}
    for name, count in counts.items():
        samples, fs = soundfile.read(CORPUS / f"{speakers[name]}.flac")
        (corpus / name).mkdir(parents=True)
        rows = ["\t".join(["id", "speaker", "source_id", *columns])]
        for number, (start_s, end_s, digits) in enumerate(spoken(speakers[name], count)):
            key = f"{name}{number:03d}"
            piece = samples[round(start_s * fs) : round(end_s * fs)]
            soundfile.write(corpus / name / f"{key}.opus", piece, fs, format="OGG", subtype="OPUS")
            rows.append("\t".join([key, speakers[name], key, *(text(words, digits) for words in columns.values())]))
        (corpus / f"{name}.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return corpus
