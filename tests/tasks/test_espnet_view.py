"""ESPnet's unmodified Speech2Text decodes the model when its task is set to ours."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile
import torch
from espnet2.bin import asr_inference, st_inference
from espnet2.train.abs_espnet_model import AbsESPnetModel

from espnet_jst.errors import ConfigError
from espnet_jst.heads.attention import AttentionHead
from espnet_jst.inference import Speech2Text
from espnet_jst.tasks.espnet_view import ESPnetView
from espnet_jst.tasks.jst import JSTTask
from tests.inference import tiny
from tests.inference.test_attention_decoder import AED, TWO_PASSES
from tests.inference.test_chains import full_context_above


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(st_inference, "STTask", JSTTask)
    monkeypatch.setattr(asr_inference, "ASRTask", JSTTask)
    yield


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    systems = {"serialized": (tiny.SERIALIZED, False), "two-heads": (tiny.TWO_HEADS, True)}
    files = {}
    for name, (heads, two_encoders) in systems.items():
        model, args = tiny.tiny_model(tiny.config(heads, two_encoders=two_encoders))
        files[name] = tiny.save(model, args, tmp_path_factory.mktemp(name))
    return files


SEARCHES = [
    {"search_type": "default"},
    {"search_type": "tsd", "max_sym_exp": 3},
    {"search_type": "alsd", "u_max": 30},
    {"search_type": "nsc", "nstep": 2},
    {"search_type": "maes", "nstep": 2},
]


@pytest.mark.parametrize("name", ["serialized", "two-heads"])
@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: str(search["search_type"]))
def test_every_search_of_espnet_runs_on_it(patched: None, folders: dict, name: str, search: dict) -> None:
    theirs = st_inference.Speech2Text(**folders[name], beam_size=3, transducer_conf=search)
    with torch.no_grad():
        # The default search has no limit of symbols in a frame: it needs a model that likes the blank.
        theirs.st_model.st_joint_network.output.bias[0] += 8.0
    [(text, token, token_int, hyp)] = theirs(tiny.speech(1.2, seed=1))
    assert token == [tiny.TARGET[i] for i in token_int]
    assert text == " ".join(token)
    assert hyp.score <= 0


def test_their_greedy_search_writes_what_ours_writes_with_one_symbol_a_frame(patched: None, folders: dict) -> None:
    for name in ("serialized", "two-heads"):
        theirs = st_inference.Speech2Text(**folders[name], beam_size=1, transducer_conf={})
        ours = Speech2Text(**folders[name], max_symbols=1)
        for seed in range(3):
            speech = tiny.speech(2.0, seed=seed)
            assert theirs(speech)[0][2] == ours(speech)[0][2] != []


def test_a_serialized_head_gives_its_tagged_stream(patched: None, folders: dict) -> None:
    theirs = st_inference.Speech2Text(**folders["serialized"], beam_size=1, transducer_conf={})
    texts = [theirs(tiny.speech(3.0, seed=seed))[0][0] for seed in range(4)]
    assert any("<st>" in text or "<asr>" in text for text in texts)


def test_the_task_loads_a_view_and_its_model_is_the_only_espnet_model(folders: dict) -> None:
    view, args = JSTTask.build_model_from_file(*folders["serialized"].values())
    assert isinstance(view, ESPnetView) and not isinstance(view, AbsESPnetModel)
    assert isinstance(view.model, AbsESPnetModel)
    assert view.token_list == args.token_list
    own, served = dict(view.model.named_parameters()), dict(view.named_parameters())
    assert {id(p) for p in own.values()} == {id(p) for p in served.values()}


def test_the_first_encoder_is_espnets_intermediate_output(folders: dict) -> None:
    view, _ = JSTTask.build_model_from_file(*folders["two-heads"].values())
    speech = torch.from_numpy(tiny.speech(1.0))[None]
    x, lengths, lower, lower_lengths = view.eval().encode(speech, torch.tensor([8000]), return_int_enc=True)
    taps = view.model.encode(speech, torch.tensor([8000]))
    torch.testing.assert_close(x, taps["hier_encoder"].x)
    torch.testing.assert_close(lower, taps["encoder"].x)
    assert lengths.tolist() == lower_lengths.tolist() == [12 + 1]


def test_a_model_without_a_head_that_can_be_searched_cannot_be_dressed() -> None:
    model, args = tiny.tiny_model(tiny.config({"ctc": tiny.TWO_HEADS["ctc"]}))
    with pytest.raises(ConfigError, match="a transducer or an attention decoder on the transcript"):
        ESPnetView(model, args)


@pytest.mark.parametrize("ctc_weight", [0.0, 0.4])
def test_their_asr_inference_decodes_the_attention_decoder_of_a_transcript_as_ours_does(
    patched: None, tmp_path: Path, ctc_weight: float
) -> None:
    files = _recognizer(TWO_PASSES, tmp_path)
    names = {"asr_train_config": files["st_train_config"], "asr_model_file": files["st_model_file"]}
    flags = {"beam_size": 4, "nbest": 4, "ctc_weight": ctc_weight, "penalty": -0.2}
    theirs = asr_inference.Speech2Text(**names, **flags)
    ours = Speech2Text(**files, **flags, search_heads=["offline"])
    _write_alike(theirs, ours)


def test_their_asr_inference_decodes_the_transducer_that_hears_everything(patched: None, tmp_path: Path) -> None:
    head = {"kind": "transducer", "lanes": ["transcript"], "predictor_conf": {"size": 24}}
    files = _recognizer({"a_stream": head, "offline": {**copy.deepcopy(head), "reads": "hier_encoder"}}, tmp_path)
    names = {"asr_train_config": files["st_train_config"], "asr_model_file": files["st_model_file"]}
    theirs = asr_inference.Speech2Text(**names, beam_size=1, transducer_conf={})
    ours = Speech2Text(**files, max_symbols=1, search_heads=["offline"])
    speech = tiny.speech(2.0, seed=1)
    assert theirs(speech)[0][2] == ours(speech)[0][2] != []


def test_their_command_writes_its_folder_from_a_transcripts_pack(patched: None, tmp_path: Path) -> None:
    files = _recognizer(TWO_PASSES, tmp_path / "exp")
    soundfile.write(tmp_path / "a.wav", tiny.speech(2.0, seed=1), 8000)
    (tmp_path / "wav.scp").write_text(f"utt1 {tmp_path / 'a.wav'}\n", encoding="utf-8")
    flags = ["--output_dir", str(tmp_path / "out"), "--beam_size", "4", "--ctc_weight", "0.3"]
    flags += ["--asr_train_config", files["st_train_config"], "--asr_model_file", files["st_model_file"]]
    flags += ["--data_path_and_name_and_type", f"{tmp_path / 'wav.scp'},speech,sound", "--ngpu", "0"]
    asr_inference.main([*flags, "--num_workers", "0"])
    names = {"asr_train_config": files["st_train_config"], "asr_model_file": files["st_model_file"]}
    theirs = asr_inference.Speech2Text(**names, beam_size=4, ctc_weight=0.3)
    [(text, tokens, *_)] = theirs(soundfile.read(tmp_path / "a.wav", dtype="float32")[0])
    found = tmp_path / "out" / "1best_recog"
    assert (found / "text").read_text(encoding="utf-8") == f"utt1 {text}\n"
    assert (found / "token").read_text(encoding="utf-8") == f"utt1 {' '.join(tokens)}\n"


def test_their_st_inference_decodes_an_attention_decoder_of_the_translation(patched: None, tmp_path: Path) -> None:
    files = _saved(full_context_above(AED), tmp_path)
    flags = {"beam_size": 4, "nbest": 4, "ctc_weight": 0.0, "penalty": -0.2}
    _write_alike(st_inference.Speech2Text(**files, **flags), Speech2Text(**files, **flags, search_heads=["st"]))


def _write_alike(theirs: Callable, ours: Speech2Text) -> None:
    for seed in range(3):
        speech = tiny.speech(2.0, seed=seed)
        # What is at the greatest length ends for nothing in ESPnet's search.
        expected = next((text, ids, float(hyp.score)) for text, _, ids, hyp in theirs(speech) if len(ids) < 25)
        assert expected in [(text, ids, pytest.approx(hyp.score, abs=1e-3)) for text, _, ids, hyp in ours(speech)]


def _recognizer(heads: dict, folder: Path) -> dict[str, str]:
    """A model with one token list, that of the transcript, saved."""
    conf = full_context_above(heads)
    beside = ["offline_ctc"] if "offline_ctc" in heads else []
    searches = {"two": {"heads": ["offline", *beside], "second_pass_of": next(iter(heads))}}
    conf["model_conf"] = {**conf["model_conf"], "searches": searches}
    conf |= {"token_list": tiny.SOURCE, "src_token_list": None, "src_token_type": None}
    return _saved(conf, folder)


def _saved(conf: dict, folder: Path) -> dict[str, str]:
    model, args = tiny.tiny_model(conf)
    model = copy.deepcopy(model)
    for head in model.head.values():
        output = head.decoder.output_layer if isinstance(head, AttentionHead) else getattr(head, "output", None)
        if output is None:
            continue
        # Decisions, as a trained model makes them; ESPnet's search would also write blanks.
        ends, blanks = (12.0, -99.0) if isinstance(head, AttentionHead) else (-99.0, 6.0)
        with torch.no_grad():
            output.weight.mul_(4.0)
            output.bias[[0, -1]] = torch.tensor([blanks, ends])
    return tiny.save(model, copy.deepcopy(args), folder)


def test_espnets_pack_packs_it_and_both_classes_load_the_pack(
    patched: None, folders: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from espnet2.bin.pack import main as pack
    from espnet2.main_funcs.pack_funcs import unpack

    files = folders["serialized"]
    monkeypatch.chdir(Path(files["st_train_config"]).parent)
    options = [f"--{key}={value}" for key, value in files.items()]
    pack(["st", "--outpath", str(tmp_path / "packed.zip"), *options, "--option", "feats_stats.npz"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JST_CACHE", str(tmp_path / "cache"))
    speech = tiny.speech(2.0, seed=1)
    expected = Speech2Text(**files, max_symbols=1)(speech)[0][:3]
    theirs = st_inference.Speech2Text(**unpack("packed.zip", tmp_path / "unpacked"), beam_size=1, transducer_conf={})
    assert theirs(speech)[0][2] == expected[2]
    assert Speech2Text.from_pretrained("packed.zip", max_symbols=1)(speech)[0][:3] == expected
