"""The n-best list under ESPnet's names, with lanes and times."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from espnet2.utils.yaml_no_alias_safe_dump import yaml_no_alias_safe_dump

from espnet_jst.compat import import_espnet_tasks
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.inference import Speech2Text
from tests.inference import tiny


@lru_cache
def serialized(beam_size: int = 1, nbest: int = 1) -> Speech2Text:
    return tiny.speech2text(tiny.config(tiny.SERIALIZED), beam_size=beam_size, nbest=nbest, max_symbols=4)


def test_a_call_gives_the_translation_its_tokens_and_both_lanes() -> None:
    speech2text = serialized()
    seen = set()
    for seed in range(4):
        [(text, token, token_int, hyp)] = speech2text(tiny.speech(2.0, seed=seed))
        assert text == " ".join(word.text for word in hyp.lanes["translation"])
        assert token == [tiny.TARGET[i] for i in token_int]
        assert hyp.yseq == token_int and hyp.score <= 0
        assert set(hyp.lanes) == {"transcript", "translation"}
        assert sum(map(len, hyp.lanes.values())) == len(hyp.words)
        seen |= {word.lane for word in hyp.words}
    assert seen == {"transcript", "translation"}


def test_times_lie_in_the_audio_and_never_after_the_emission() -> None:
    for seed in range(4):
        hyp = serialized()(tiny.speech(2.0, seed=seed))[0][3]
        for word in hyp.words:
            assert 0 <= word.start_s <= word.end_s <= word.emission_s <= 2.0
        for lane in hyp.lanes.values():
            assert [word.emission_s for word in lane] == sorted(word.emission_s for word in lane)


def test_a_tensor_integers_and_another_rate_are_taken() -> None:
    speech2text, speech = serialized(), tiny.speech(1.5, seed=2)
    expected = speech2text(speech)[0]
    assert speech2text(torch.from_numpy(speech))[0][:3] == expected[:3]
    assert speech2text(speech, 8000)[0][:3] == expected[:3]
    assert speech2text(np.round(speech * 32768).astype(np.int16))[0][3].duration_s == 1.5
    assert speech2text(tiny.speech(1.5, fs=16000, seed=2), fs=16000)[0][3].duration_s == 1.5


@pytest.mark.parametrize(
    ("speech", "message"),
    [(np.zeros(0), "no samples"), (np.zeros((100, 100)), "which axis is time"), (np.full(10, np.nan), "NaN")],
)
def test_unusable_audio_is_refused_with_the_fix(speech: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        serialized()(speech)


@pytest.mark.parametrize("samples", [1, 50, 199, 200, 640])
def test_audio_shorter_than_a_window_or_a_chunk_decodes(samples: int) -> None:
    [(text, *_)] = serialized()(np.zeros(samples, dtype=np.float32) + 1e-3)
    assert isinstance(text, str)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_batch_gives_what_each_utterance_gives_alone(beam_size: int) -> None:
    speech2text = serialized(beam_size)
    utterances = [(tiny.speech(seconds, seed=i), 8000) for i, seconds in enumerate((0.7, 2.0, 0.1, 1.3))]
    for (speech, _), [(text, token, _, hyp)] in zip(utterances, speech2text.decode(utterances), strict=True):
        alone = speech2text(speech)[0]
        assert (text, token) == alone[:2]
        assert [replace(w, confidence=None) for w in hyp.words] == [replace(w, confidence=None) for w in alone[3].words]


def test_the_n_best_list_is_ordered_and_no_two_entries_say_the_same() -> None:
    longest = 0
    for seed in range(5):
        results = serialized(6, 4)(tiny.speech(1.0, seed=seed))
        scores = [hyp.score for *_, hyp in results]
        assert scores == sorted(scores, reverse=True)
        said = [tuple((lane, tuple(w.text for w in words)) for lane, words in hyp.lanes.items()) for *_, hyp in results]
        assert len(set(said)) == len(said) <= 4
        longest = max(longest, len(results))
    assert longest > 1


def test_two_heads_on_two_encoders_give_a_lane_each() -> None:
    speech2text = tiny.speech2text(tiny.config(tiny.TWO_HEADS, two_encoders=True), max_symbols=4)
    assert list(speech2text.decoder.searches) == ["asr", "st"] and speech2text.main_search == "st"
    [(text, _, _, hyp)] = speech2text(tiny.speech(3.0, seed=1))
    assert hyp.lanes["transcript"] and hyp.lanes["translation"]
    assert text == " ".join(word.text for word in hyp.lanes["translation"])
    only = tiny.speech2text(tiny.config(tiny.TWO_HEADS, two_encoders=True), search_heads=["asr"])
    [(text, _, _, hyp)] = only(tiny.speech(3.0, seed=1))
    assert list(hyp.lanes) == ["transcript"] and text == hyp.text("transcript")


def test_two_heads_of_one_lane_need_a_choice_or_two_passes() -> None:
    heads = {"first": tiny.TWO_HEADS["asr"], "second": tiny.TWO_HEADS["asr"]}
    with pytest.raises(ConfigError, match="would both write the lane transcript"):
        tiny.speech2text(tiny.config(heads))
    assert list(tiny.speech2text(tiny.config(heads), search_heads=["second"]).decoder.searches) == ["second"]


def test_a_model_may_write_one_lane_of_any_name() -> None:
    head = {"kind": "transducer", "lanes": ["near"], "predictor_conf": {"size": 24}}
    ctc = {"kind": "ctc", "lanes": ["near"]}
    conf = tiny.config({"own": head, "own_ctc": ctc})
    conf["model_conf"]["lanes"] = {"near": {"like": "transcript", "speaker": "B"}}
    speech2text = tiny.speech2text(conf)
    [(text, _, _, hyp)] = speech2text(tiny.speech(2.0, seed=1))
    assert text and text == hyp.text("near") and list(hyp.lanes) == ["near"] == list(speech2text.lanes)
    assert {(word.lane, word.speaker) for word in hyp.words} == {("near", "B")}


def test_a_blank_penalty_writes_more() -> None:
    speech = tiny.speech(2.0, seed=5)
    more = tiny.speech2text(tiny.config(tiny.SERIALIZED), blank_penalty=3.0, max_symbols=4)
    assert len(more(speech)[0][2]) > len(serialized()(speech)[0][2])


def test_the_lanes_of_a_serialized_head_have_penalties_of_their_own() -> None:
    def texts(**options) -> list[list[str]]:
        model = tiny.speech2text(tiny.config(tiny.SERIALIZED), max_symbols=4, **options)
        lanes = [model(tiny.speech(2.0, seed=seed))[0][3].lanes for seed in range(6)]
        return [[word.text for word in words[lane]] for words in lanes for lane in ("transcript", "translation")]

    plain, all_lanes = texts(), texts(blank_penalty=3.0)
    transcript, translation = (texts(blank_penalty={lane: 3.0}) for lane in ("transcript", "translation"))
    assert texts(blank_penalty={"transcript": 3.0, "translation": 3.0}) == all_lanes
    assert len({str(found) for found in (plain, all_lanes, transcript, translation)}) >= 3
    with pytest.raises(ConfigError, match="'translations'.*translation"):
        texts(blank_penalty={"translations": 1.0})


def test_a_saved_model_decodes_as_the_model_in_memory(tmp_path: Path) -> None:
    model, args = tiny.tiny_model(tiny.config(tiny.SERIALIZED))
    speech2text = Speech2Text(**tiny.save(model, args, tmp_path), max_symbols=4)
    speech = tiny.speech(2.0, seed=3)
    assert speech2text(speech)[0][:3] == serialized()(speech)[0][:3]
    from_folder = Speech2Text.from_pretrained(tmp_path, max_symbols=4, chunk_s=0.64)
    assert from_folder.schedule.chunk_s == pytest.approx(0.64)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nbest": 2}, "nbest=2 needs a beam"),
        ({"beam_size": 0}, "beam_size is 0: give a number from 1 to 1000"),
        ({"chunk_s": -1.0}, "must be positive"),
        ({"chunk_s": 0.01}, "shorter than one encoder frame: give at least 0.08 s"),
        ({"search_heads": ["jiont"]}, "did you mean 'joint'"),
        ({"search_heads": ["asr"]}, "'asr' is not one of ctc, joint"),
        ({"beam_sise": 2}, "did you mean 'beam_size'"),
        ({"phrases": ["one two"]}, "give a beam_size of 2 or more"),
        ({"phrases": ["one four"], "beam_size": 2}, "'one four' cannot be written"),
        ({"lm_file": "lm.pth", "beam_size": 2}, "needs both"),
    ],
)
def test_options_that_cannot_be_used_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Speech2Text.from_model(serialized().st_model, serialized().st_train_args, **options)


def test_a_quantized_model_is_a_copy_with_nearly_the_same_output() -> None:
    whole = tiny.speech2text(tiny.config(tiny.SERIALIZED), max_symbols=4)
    small = Speech2Text.from_model(whole.st_model, whole.st_train_args, max_symbols=4, quantize_model=True)
    kinds = [type(module).__module__ for module in small.st_model.encoder.modules()]
    assert any("quantized" in kind for kind in kinds)
    assert not any("quantized" in type(module).__module__ for module in whole.st_model.modules())
    speech = torch.from_numpy(tiny.speech(2.0, seed=3))[None]
    taps = [x.st_model.encode(speech, torch.tensor([speech.size(1)]))["encoder"].x for x in (whole, small)]
    error = (taps[0] - taps[1]).norm() / taps[0].norm()
    assert 0 < error < 0.05
    session = small.session()
    session.push(tiny.speech(2.0, seed=3))
    session.finish()
    assert small.stream_result(session)[2] == small(tiny.speech(2.0, seed=3))[0][2]


def test_a_zipformer_is_quantized_too_whole_and_in_a_stream() -> None:
    whole = tiny.speech2text(tiny.config(tiny.SERIALIZED, zipformer=True), max_symbols=4)
    small = Speech2Text.from_model(whole.st_model, whole.st_train_args, max_symbols=4, quantize_model=True)
    speech = torch.from_numpy(tiny.speech(2.0, seed=3))[None]
    taps = [x.st_model.encode(speech, torch.tensor([speech.size(1)]))["encoder"].x for x in (whole, small)]
    assert 0 < (taps[0] - taps[1]).norm() / taps[0].norm() < 0.05
    # What inputs are quantized by depends on all of them, so that a stream may write something else.
    session = small.session()
    session.push(tiny.speech(2.0, seed=3))
    session.finish()
    assert small.stream_result(session)[2]


def test_phrases_are_written_more_often() -> None:
    counts = []
    for options in ({}, {"phrases": ["two three", "drei und"], "phrase_bonus": 3.0}):
        speech2text = tiny.speech2text(tiny.config(tiny.SERIALIZED), beam_size=4, max_symbols=4, **options)
        tokens = [" ".join(speech2text(tiny.speech(2.0, seed=seed))[0][1]) for seed in range(4)]
        counts.append(sum(line.count("two three") + line.count("drei und") for line in tokens))
    assert counts[1] > counts[0]


def language_model(folder: Path, tokens: list[str], **conf: object) -> dict[str, str]:
    """A language model that espnet2.bin.lm_train could have left: it forbids "drei"."""
    LMTask = import_espnet_tasks(["lm"])["lm"].LMTask
    args = LMTask.get_parser().parse_args([])
    args.token_list, args.lm, args.lm_conf = tokens, "seq_rnn", {"unit": 8, "nlayers": 1, **conf}
    model = LMTask.build_model(args)
    with torch.no_grad():
        model.lm.decoder.weight.zero_()
        model.lm.decoder.bias.copy_(-100.0 * torch.tensor([token == "drei" for token in tokens]))
    values = {key: value for key, value in vars(args).items() if not callable(value)}
    (folder / "config.yaml").write_text(yaml_no_alias_safe_dump(values), encoding="utf-8")
    torch.save(model.state_dict(), folder / "lm.pth")
    return {"lm_train_config": str(folder / "config.yaml"), "lm_file": str(folder / "lm.pth")}


def test_espnets_language_model_guides_the_search(tmp_path: Path) -> None:
    files = language_model(tmp_path, tiny.TARGET)
    written = []
    for options in ({}, {**files, "lm_weight": 0.2}):
        speech2text = tiny.speech2text(tiny.config(tiny.SERIALIZED), beam_size=4, max_symbols=4, **options)
        written.append([token for seed in range(4) for token in speech2text(tiny.speech(2.0, seed=seed))[0][1]])
    assert "drei" in written[0]
    assert written[1] and "drei" not in written[1]


def test_a_language_model_over_other_tokens_is_refused(tmp_path: Path) -> None:
    files = language_model(tmp_path, tiny.PIECES)
    with pytest.raises(ConfigError, match="13 tokens are not those of a searched head"):
        tiny.speech2text(tiny.config(tiny.SERIALIZED), beam_size=2, **files)
