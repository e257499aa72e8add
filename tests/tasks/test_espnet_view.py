"""ESPnet's unmodified Speech2Text decodes the model when its task is set to ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from espnet2.bin import st_inference
from espnet2.train.abs_espnet_model import AbsESPnetModel

from espnet_jst.errors import ConfigError
from espnet_jst.inference import Speech2Text
from espnet_jst.tasks.espnet_view import ESPnetView
from espnet_jst.tasks.jst import JSTTask
from tests.inference import tiny


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(st_inference, "STTask", JSTTask)
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


def test_a_model_that_does_not_translate_cannot_be_dressed() -> None:
    model, args = tiny.tiny_model(tiny.config({"asr": tiny.TWO_HEADS["asr"]}))
    with pytest.raises(ConfigError, match="transducer head on the translation"):
        ESPnetView(model, args)


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
