import json

import pytest

from espnet_jst.evaluation import score_directory
from espnet_jst.evaluation.files import DecodedUtterance
from espnet_jst.evaluation.latency_logs import instance, stream_events
from espnet_jst.text.lanes import TRANSLATION
from espnet_jst.text.words import Word
from tests.evaluation.decoded import HYPOTHESES, make_decoded, make_reference
from tests.evaluation.log_readers import (
    simuleval_laal,
    simuleval_laal_by_package,
    simulstream_outputs,
    simulstream_outputs_by_package,
)

LANES = ("transcript", "translation")
INSTANCE_KEYS = [
    *("index", "prediction", "delays", "elapsed", "prediction_length", "reference", "source", "source_length")
]


@pytest.fixture
def scored(tmp_path):
    """A scored decode directory and its latency by lane."""
    folder = make_decoded(tmp_path / "exp" / "st_x" / "decode" / "test")
    scores = score_directory(
        folder, make_reference(tmp_path / "dump" / "test"), src_lang="en", tgt_lang="de", n_bootstrap=0
    )
    return folder, {lane: scores["lanes"][lane]["latency"] for lane in LANES}


@pytest.mark.parametrize("read", [simuleval_laal, simuleval_laal_by_package])
@pytest.mark.parametrize("lane", LANES)
def test_simuleval_finds_our_laal_in_its_log(scored, lane, read):
    folder, latency = scored
    path = folder / "simuleval" / lane / "instances.log"
    assert read(path) == pytest.approx(latency[lane]["LAAL"], abs=1e-5)


@pytest.mark.parametrize("read", [simuleval_laal, simuleval_laal_by_package])
def test_simulevals_clock_adds_all_computation_since_the_start(scored, read):
    folder, latency = scored
    path = folder / "simuleval" / "transcript" / "instances.log"
    # Word k comes after k chunks of 0.1 s; ours counts the last of them alone, as none is late for the next.
    assert read(path, "elapsed") > latency["transcript"]["LAAL_CA"] > latency["transcript"]["LAAL"]
    first = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    assert first["elapsed"] == pytest.approx([740.0, 1480.0, 2220.0])


@pytest.mark.parametrize("read", [simulstream_outputs, simulstream_outputs_by_package])
@pytest.mark.parametrize("lane", LANES)
def test_simulstream_finds_texts_and_delays_in_its_log(scored, lane, read):
    folder, _ = scored
    outputs = read(folder / "simulstream" / f"{lane}.jsonl", folder / "simulstream" / "config.yaml")
    assert {name: text for name, (text, _, _) in outputs.items()} == {
        name: pair[LANES.index(lane)] for name, pair in HYPOTHESES.items()
    }
    _, ideal, aware = outputs["a1"]
    assert ideal == ([0.64, 1.28, 1.92] if lane == "transcript" else [3.0, 3.0, 3.0])
    assert aware == pytest.approx([delay + 0.1 for delay in ideal])


def test_an_instance_has_simulevals_keys_in_milliseconds(scored):
    folder, _ = scored
    lines = (folder / "simuleval" / "translation" / "instances.log").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    assert [list(entry) for entry in entries] == [INSTANCE_KEYS] * 3
    assert [entry["index"] for entry in entries] == [0, 1, 2]
    assert entries[0]["source"][0] == "a1" and entries[0]["source_length"] == 3000.0
    assert entries[0]["delays"] == [3000.0] * 3 and entries[0]["prediction_length"] == 3
    assert (entries[2]["prediction"], entries[2]["delays"], entries[2]["reference"]) == ("", [], "sechzehn")


def test_the_tools_get_references_and_utterances_in_the_order_of_the_log(scored):
    streams = scored[0] / "simulstream"
    names = [
        json.loads(line)["metadata"]["wav_name"]
        for line in (streams / "translation.jsonl").read_text(encoding="utf-8").splitlines()
        if "metadata" in line
    ]
    assert [item["wav"] for item in json.loads((streams / "audio.yaml").read_text(encoding="utf-8"))] == names
    assert (streams / "translation.txt").read_text(encoding="utf-8").splitlines()[2] == "sechzehn"


def test_without_computation_times_a_line_is_a_moment_at_which_words_were_shown():
    words = (Word("null", TRANSLATION, 0.0, 1.0, 1.2), Word("sieben", TRANSLATION, 1.0, 2.0, 2.4))
    utterance = DecodedUtterance("talk.1/x", 2.0, words)
    assert instance(0, utterance, "null sieben", TRANSLATION)["elapsed"] == []
    name, *lines = stream_events(0, utterance, TRANSLATION)
    assert name["metadata"]["wav_name"] == "talk.1%2Fx.wav"
    others = (DecodedUtterance(name, 2.0, words) for name in ("talk.1_x", "talk.1/x", "talk.1%2Fx"))
    assert len({next(stream_events(0, other, TRANSLATION))["metadata"]["wav_name"] for other in others}) == 3
    assert [(line["total_audio_processed"], line["generated_tokens"]) for line in lines] == [
        (1.2, ["null"]),
        (2.0, ["sieben"]),
    ]
    assert {line["computation_time"] for line in lines} == {0.0}
