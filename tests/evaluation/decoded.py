"""A small decode directory and its references, shared by the tests of this folder."""

import json

from espnet_jst.evaluation.lanes import LaneTexts
from espnet_jst.evaluation.metrics import METRICS
from espnet_jst.text.lanes import LANES

CHUNK = 0.64
REFERENCES = {
    "a1": ("four two seven", "zwei und vierzig sieben", 3.0),
    "a2": ("zero seven", "null sieben", 2.0),
    "a3": ("one six", "sechzehn", 1.5),
}
# (transcript, translation): a word wrong, one missing; a3 writes nothing in the translation
HYPOTHESES = {"a1": ("four two nine", "zwei und vierzig"), "a2": ("zero seven", "null sieben"), "a3": ("one six", "")}


def write_table(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{key} {text}".strip() + "\n" for key, text in rows.items()), encoding="utf-8")


def lane_texts(references, hypotheses, lane="translation", language="de", lowercase=False):
    """Texts as they come from a decode directory; utterances are called 0, 1, ..."""
    keys = tuple(map(str, range(len(references))))
    return LaneTexts(LANES[lane], language, "text.lc", keys, tuple(references), tuple(hypotheses), (), lowercase)


def translation_scores(references, hypotheses, metrics=("BLEU", "chrF++", "TER"), language="de", lowercase=False, **n):
    texts = lane_texts(references, hypotheses, language=language, lowercase=lowercase)
    return {name: METRICS[name].score(texts, **n) for name in metrics}


def words_of(transcript, translation, duration):
    """One word a chunk; the translation comes when the audio has ended, in a chunk filled up with zeros."""
    lanes = [("transcript", k, w, (k + 1) * CHUNK) for k, w in enumerate(transcript.split())]
    lanes += [("translation", 0, w, duration + 0.1) for w in translation.split()]
    return [
        {"text": w, "lane": lane, "start_s": 0.5 * k, "end_s": 0.5 * k + 0.4, "emission_s": round(at, 3)}
        for lane, k, w, at in lanes
    ]


def make_reference(folder):
    write_table(folder / "text.lc.en", {key: value[0] for key, value in REFERENCES.items()})
    write_table(folder / "text.lc.de", {key: value[1] for key, value in REFERENCES.items()})
    return folder


def make_decoded(folder, hypotheses=HYPOTHESES, compute=True):
    write_table(folder / "src_text", {key: pair[0] for key, pair in hypotheses.items()})
    write_table(folder / "text", {key: pair[1] for key, pair in hypotheses.items()})
    with (folder / "words.jsonl").open("w", encoding="utf-8") as stream:
        for key, (transcript, translation) in hypotheses.items():
            duration = REFERENCES[key][2]
            line = {"utt_id": key, "duration_s": duration, "words": words_of(transcript, translation, duration)}
            if compute:
                ends = [CHUNK * k for k in range(1, int(duration / CHUNK) + 1)] + [duration]
                line["compute_s"] = [{"audio_s": end, "elapsed_s": 0.1} for end in ends]
            stream.write(json.dumps(line) + "\n")
    return folder
