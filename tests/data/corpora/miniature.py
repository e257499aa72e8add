"""Corpora of a few turns in the layouts and encodings of the real ones, with what is wrong in those; audio is tones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

FS = 8000
TURN_S, GAP_S = 1.8, 0.2
COUNTS = {"train": 24, "dev": 6, "test": 6}  # turns of a call, without those that are wrong

ENGLISH = ["yes", "hello", "what", "where", "good", "today", "work", "home", "money", "thanks"]
TUNISIAN = ["إيه", "ألو", "شنوة", "وين", "باهي", "اليوم", "خدمة", "دار", "فلوس", "يعيشك"]
SPANISH = ["sí", "hola", "qué", "dónde", "bueno", "hoy", "trabajo", "casa", "dinero", "gracias"]
MANDARIN = ["是的", "你好", "什么", "哪里", "很好", "今天", "工作", "回家", "钱", "谢谢"]


class Spoken(NamedTuple):
    """A turn as the files of a corpus have it."""

    side: str
    start_s: float
    end_s: float
    words: list[int]

    def text(self, words: Sequence[str], joined: str = " ") -> str:
        return joined.join(words[word] for word in self.words)


def turns(count: int, first: int = 0) -> list[Spoken]:
    """Turns of both sides in turn, two to three words each."""
    made = []
    for number in range(count):
        start = round(number * TURN_S + 0.003 * (number % 2), 3)
        words = [(first + 3 * number + step * (number + 1)) % 10 for step in range(2 + number % 2)]
        made.append(Spoken("AB"[number % 2], start, round(start + TURN_S - GAP_S, 3), words))
    return made


def sphere(path: Path, seconds: float, *, channels: int = 2, coding: str = "ULAW") -> Path:
    """An uncompressed SPHERE file with a tone of 300 Hz in the first channel and of 600 Hz in the second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(seconds * FS)) / FS
    tones = np.stack([0.2 * np.sin(2 * np.pi * 300 * (1 + channel) * time) for channel in range(channels)], axis=1)
    tones += 0.01 * np.random.default_rng(0).standard_normal(tones.shape)
    soundfile.write(path, tones, FS, format="NIST", subtype=coding)
    return path


def compressed(path: Path) -> None:
    """A SPHERE file whose header says that shorten compressed it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coding = "ulaw,embedded-shorten-v2.00"
    head = f"NIST_1A\n   1024\nchannel_count -i 2\nsample_rate -i 8000\nsample_coding -s{len(coding)} {coding}\n"
    head += "sample_n_bytes -i 1\nsample_count -i 80000\nend_head\n"
    path.write_bytes(head.encode().ljust(1024, b"\0") + b"ajkg\x02" + bytes(range(256)) * 8)


def lines(path: Path, content: Sequence[str], encoding: str = "utf-8", end: str = "\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(line + end for line in content).encode(encoding))


def length(count: int) -> float:
    """Seconds of a recording of so many turns."""
    return count * TURN_S + 0.5


class Iwslt22(NamedTuple):
    corpus: Path
    splits: Path


def iwslt22(root: Path) -> Iwslt22:
    """LDC2022E01 and the lists of its sets; each call has two files, and turns in both."""
    made = Iwslt22(root / "LDC2022E01", root / "iwslt22-dialect")
    data, excluded = made.corpus / "data", []
    for name, call in (("train", "20170606_000110_13802"), ("dev", "20170601_110003_13355"), ("test1", "20170612_1_7")):
        ids = [f"{call}_A", f"{call}_B"]
        spoken = turns(COUNTS[name.rstrip("1")], first=len(name))
        for file_id in ids:
            mine = [turn for turn in spoken if turn.side == file_id[-1]]
            sphere(data / f"audio/ta/{file_id}.sph", length(len(spoken)), channels=1, coding="PCM_16")
            rows = [(f"{t.start_s:.3f}", f"{t.end_s:.3f}", f"spk{file_id[-3:]}") for t in mine]
            arabic = [["\t".join([*row, f"UM/{t.text(TUNISIAN)}؟"]) for row, t in zip(rows, mine)]]
            english = [["\t".join([*row, f"{t.text(ENGLISH).capitalize()}. (())"]) for row, t in zip(rows, mine)]]
            if name == "train" and file_id.endswith("A"):
                arabic[0] += ["0.500\t1.200\tspkA\tO/باهي", "1.0\t1.5\tspkA\tباهي", "7.0\t7.0\tspkA\tباهي"]
                arabic[0] += [
                    "900.0\t902.0\tspkA\tباهي",
                    "3.0\t4.0\tspkA\t؟!",
                    "3.1\t4.1\tspkA\tباهي",
                    "no table",
                    "nan\t1.0\tspkA\tباهي",
                ]
                english[0] += ["0.500\t1.200\tspkA\tgood", "7.0\t7.0\tspkA\tgood", "900.0\t902.0\tspkA\tgood"]
                english[0] += ["3.0\t4.0\tspkA\tgood", "3.1\t4.1\tspkA"]  # an empty text without its tab
                english[0].reverse()  # times match, the numbers of lines do not
                excluded.append(f"{file_id} 0.500 1.200")
            lines(data / f"transcripts/ta/{file_id}.tsv", arabic[0])
            lines(data / f"translations/ta/{file_id}.eng.tsv", english[0])
        if name == "train":
            ids += ["20170603_000000_1_A", "20170603_000000_2_A"]  # no audio; no translation
            lines(data / f"transcripts/ta/{ids[2]}.tsv", ["0.1\t1.0\tspk1\tباهي"])
            lines(data / f"translations/ta/{ids[2]}.eng.tsv", ["0.1\t1.0\tspk1\tgood"])
            lines(data / f"transcripts/ta/{ids[3]}.tsv", ["0.1\t1.0\tspk1\tباهي"])
            lines(data / f"transcripts/ta/._{ids[0]}.tsv", ["a Mac's"])
        lines(made.splits / f"{name}.file_id.txt", ids)
    lines(made.splits / "exclude-utterance.txt", excluded)
    return made


class Fisher(NamedTuple):
    speech: Path
    transcripts: Path
    translations: Path


TDF_HEAD = [
    "file;unicode\tchannel;int\tstart;float\tend;float\tspeaker;unicode\tspeakerType;unicode\tspeakerDialect;unicode\t"
    "transcript;unicode\tsection;int\tturn;int\tsegment;int\tsectionType;unicode\tsuType;unicode",
    ";;MM sectionTypes\t[u'report', None]",
    ";;MM sectionBoundaries\t[0.0, 9999999.0]",
]


def fisher(root: Path) -> Fisher:
    """LDC2010S01, LDC2010T04 and the clone with mapping and English, of which dev and test have four references."""
    made = Fisher(root / "LDC2010S01", root / "LDC2010T04", root / "fisher-callhome-corpus")
    for name, call in (
        ("train", "20051009_182032_217_fsp"),
        ("dev", "20051017_180712_270_fsp"),
        ("dev2", "20051019_210146_280_fsp"),
        ("test", "20051020_180339_290_fsp"),
    ):
        spoken = turns(COUNTS[name.rstrip("2")], first=len(name))
        sphere(made.speech / f"disc1/data/speech/{call}.sph", length(len(spoken)))
        rows = [
            [f"{call}.sph", str("AB".index(t.side)), str(t.start_s), str(t.end_s), "ana", "female", "native"]
            + [f"¿{t.text(SPANISH)}? <laugh> ((eh-", "0", "0", str(number), "report", "statement"]
            for number, t in enumerate(spoken)
        ]
        mapping = [f"{call} {number + 1}" for number in range(len(spoken))]
        english = [f"{turn.text(ENGLISH).capitalize()}, uh-huh." for turn in spoken]
        if name == "train":
            first, last = rows[0][:], rows[1][:]
            first[2:4], last[2:4], last[1] = ["0.5", "1.0"], ["1.0", "1.4"], first[1]
            far, silent, broken = rows[2][:], rows[3][:], rows[4][:3]
            far[2:4], silent[2:4], silent[7] = ["700.0", "702.5"], ["2.0", "2.5"], "<noise> {breath} [static]"
            rows += [first, last, far, silent, broken, rows[0][:]]
            count = len(spoken)
            extra = [f"{call} {count + 1}_{count + 2}"]  # two lines that are one turn
            extra += [f"{call} {count + step}" for step in (3, 4, 5, 6)] + [f"{call} 1_2"]  # the last: two speakers
            mapping += [*extra, f"{call} 999", "20051009_182032_999_fsp 1"]
            english += ["Hello\rthere.", "far", "silent", "broken", "twice", "two speakers", "beyond", "no such call"]
        content = [*TDF_HEAD, *("\t".join(row) for row in rows)]
        lines(made.transcripts / f"fisher_spa_tr/data/transcripts/{call}.tdf", content)
        lines(made.translations / f"mapping/fisher_{name}", mapping)
        base = made.translations / "corpus" / "ldc"
        if name == "train":
            lines(base / f"fisher_{name}.en", english)
            continue
        for number in range(4):
            lines(base / f"fisher_{name}.en.{number}", [f"{text} {number}" if number else text for text in english])
    return made


def callhome(root: Path) -> Fisher:
    """LDC96S35 and LDC96T17 with the mapping of one set."""
    made = Fisher(root / "LDC96S35", root / "LDC96T17", root / "fisher-callhome-corpus")
    sphere(made.speech / "CALLHOME/SPANISH/SPEECH/EVLTEST/SP_0085.SPH", 12.0)
    rows = ["1.00 2.00 A: mañana {laugh} &Ana", "2.00 3.50 B1: sí //claro// %eh", "3.50 5.00 B: no hay"]
    lines(made.transcripts / "transcrp/evltest/sp_0085.txt", [*rows, "no times"], "iso-8859-1")
    lines(made.translations / "mapping/callhome_evltest", ["sp_0085 1", "sp_0085 2_3", "sp_0085 4"])
    lines(made.translations / "corpus/ldc/callhome_evltest.en", ["Tomorrow, Ana", "Yes. There is none.", "?"])
    return made


class Hkust(NamedTuple):
    speech: Path
    transcripts: Path
    translations: Path


def hkust(root: Path) -> Hkust:
    """LDC2005S15 and LDC2005T32, and our table of translations."""
    made = Hkust(root / "LDC2005S15", root / "LDC2005T32", root / "hkust_english")
    for name, call in (
        ("train", "20040503_220704_A000256_B000257"),
        ("dev", "20040504_001000_A000300_B000301"),
        ("test", "20040505_001000_A000400_B000401"),
    ):
        spoken = turns(COUNTS[name], first=len(name))
        part = "train" if name == "train" else "dev"
        sphere(made.speech / f"hkust_mcts_p1tr/data/audio/{part}/{call}.sph", length(len(spoken)), coding="ALAW")
        rows = [f"{t.start_s} {t.end_s} {t.side}: {t.text(MANDARIN)}，{{laugh}} %嗯 OK." for t in spoken]
        table = [f"{call}-{t.side}-{_cs(t.start_s)}-{_cs(t.end_s)}\t{t.text(ENGLISH)}!" for t in spoken]
        if name == "train":
            rows += ['0.5 1.5 A: <foreign language="English"> bye-bye </foreign> ((好', "2.0 2.5 A: 好 B: 好"]
            rows += ["800.0 801.0 A: 好", "3.0 3.5 B: {breath}", "4.0 4.0 B: 好", "4.0 4.5 B: 好", "5.0 5.5 B: 好"]
            table += [f"{call}-A-000051-000151\tBye.", f"{call}-A-000200-000250\tGood. Good.", "no tab"]
            table += [f"{call}-A-080000-080100\tGood.", f"{call}-B-000300-000350\tbreath", f"{call}-B-000400-000400\tX"]
            table += [f"{call}-B-000400-000450\t", f"{call}-B-000900-000950\tnot there", f"{call}x-A-000400-000450\tX"]
        folder = made.transcripts / f"hkust_mcts_p1tr/data/trans/{part}"
        lines(folder / f"{call}.txt", [f"# {call}", "", *rows], "gbk", "\r\n")
        if name == "train":  # a line that is no GBK
            with (folder / f"{call}.txt").open("ab") as stream:
                stream.write(b"6.0 6.5 B: \xff\xff\r\n")
            table.append(f"{call}-B-000600-000650\tbroken")
        lines(made.translations / f"{name}.tsv", table)
    lines(made.transcripts / "docs" / "readme.txt", ["no transcript"])
    return made


def _cs(time_s: float) -> str:
    return f"{round(100 * time_s):06d}"
