"""An experiment with one scored decode directory, its data and audio; and a strict reader of the page."""

from html.parser import HTMLParser

import numpy as np
import soundfile

from espnet_jst.evaluation import score_directory
from tests.evaluation.decoded import HYPOTHESES, REFERENCES, make_decoded, make_reference, write_table

LOG = "".join(
    f"[vm] 2026-01-01 (trainer:394) INFO: {e}epoch results: [train] iter_time=0.1, loss={9 / e:.3f}, "
    f"time=3 seconds, total_count=9, [valid] loss={8 / e:.3f}, ctc_too_short=0.000e+00, time=1 seconds\n"
    for e in (1, 2, 3)
)
VOID = {"meta", "br"}


def make_experiment(folder, hypotheses=HYPOTHESES, compute=True, audio=True):
    """(experiment, data directory) below `folder`."""
    exp, data = folder / "exp" / "st_x", folder / "dump" / "raw"
    hyp_dir = make_decoded(exp / "decode" / "test", hypotheses, compute)
    reference = make_reference(data / "test")
    (reference / "alignment").write_text("a1 0-2 1-0 2-3\na2 0-0 1-1\na3 0-0\n")
    if audio:
        for key, (_, _, duration) in REFERENCES.items():
            soundfile.write(folder / f"{key}.wav", np.sin(np.arange(int(8000 * duration)) / 9) / 2, 8000)
        write_table(reference / "wav.scp", {key: str(folder / f"{key}.wav") for key in REFERENCES})
    score_directory(hyp_dir, reference, src_lang="en", tgt_lang="de", n_bootstrap=0)
    (exp / "train.log").write_text(LOG)
    return exp, data


class Page(HTMLParser):
    """Elements and text of a page; a tag that is not closed, or closed by another, is an error."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self._open = [], [], []
        self.feed(text)
        self.close()
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open and self._open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        self.texts.append((self._open[-1] if self._open else "", data))

    def all(self, tag, **attributes):
        """Attributes of the elements of that name which have the given ones."""
        return [found for name, found in self.elements if name == tag and attributes.items() <= found.items()]

    def text(self, *tags):
        """Text directly inside these elements."""
        return [data for tag, data in self.texts if tag in tags and data.strip()]
