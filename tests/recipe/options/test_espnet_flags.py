"""Every flag of ESPnet's st.sh is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from espnet_jst.bin.jst_recipe import main
from espnet_jst.errors import ConfigError
from espnet_jst.recipe.options import Options, parse_flags
from espnet_jst.recipe.options.espnet_flags import FOREIGN
from espnet_jst.recipe.options.groups import option_fields

# The options of egs2/TEMPLATE/st1/st.sh in ESPnet 202205 to 202609.
ST_SH = """
stage stop_stage skip_data_prep skip_train skip_eval skip_packing skip_upload skip_upload_hf ngpu num_nodes nj
inference_nj gpu_inference dumpdir expdir python local_data_opts speed_perturb_factors feats_type audio_format fs
min_wav_duration max_wav_duration oov blank sos_eos token_joint src_case src_token_type src_nbpe src_bpemode
src_bpe_input_sentence_size src_bpe_nlsyms src_bpe_char_cover tgt_case tgt_token_type tgt_nbpe tgt_bpemode
tgt_bpe_input_sentence_size tgt_bpe_nlsyms tgt_bpe_char_cover use_ngram ngram_exp ngram_num use_lm lm_tag lm_exp
lm_stats_dir lm_config lm_args use_word_lm num_splits_lm word_vocab_size st_tag st_exp st_stats_dir st_config st_args
pretrained_asr ignore_init_mismatch feats_normalize num_splits_st src_lang tgt_lang hf_repo use_k2 use_streaming
batch_size inference_tag inference_config inference_args inference_lm inference_ngram inference_st_model download_model
train_set valid_set test_sets src_bpe_train_text tgt_bpe_train_text lm_train_text lm_dev_text lm_test_text nlsyms_txt
cleaner g2p lang score_opts local_score_opts st_speech_fold_length st_text_fold_length lm_fold_length
"""
# What a recipe of ESPnet's gives that uses none of this, or the defaults of st.sh.
NEUTRAL = """
--use_lm false --use_ngram false --use_word_lm false --use_k2 false --gpu_inference false --python python3
--oov <unk> --blank <blank> --sos_eos <sos/eos> --nlsyms_txt none --cleaner none --g2p none --lang noinfo
--src_bpe_char_cover 1.0 --tgt_bpe_char_cover 1.0 --num_splits_lm 1 --num_splits_st 1 --batch_size 1
--ignore_init_mismatch false --st_speech_fold_length 800 --st_text_fold_length 150 --lm_fold_length 150 --ngram_num 3
--inference_lm valid.loss.ave.pth --inference_ngram 3gram.bin --word_vocab_size 10000
--src_bpe_input_sentence_size 100000000 --tgt-bpe-input-sentence-size 100000000
"""


def test_every_flag_is_an_option_or_has_its_line():
    own = {entry.name for entry in option_fields()}
    assert not set(ST_SH.split()) - own - set(FOREIGN)
    assert not own & set(FOREIGN)
    assert all(flag.says for flag in FOREIGN.values())


def test_flags_that_ask_for_what_is_done_anyway_are_taken_without_a_word():
    empty = [part for name in FOREIGN for part in (f"--{name}", "")]
    assert parse_flags([*NEUTRAL.split(), *empty]) == (Options.of(), [])
    assert parse_flags(NEUTRAL.split()) == (Options.of(), [])


def test_flags_that_cannot_change_the_result_are_ignored_and_that_is_said():
    options, said = parse_flags(
        [
            "--use_lm",
            "false",
            "--lm_config",
            "conf/lm.yaml",
            "--lm-args",
            "--max_epoch 3",
            "--nj",
            "2",
            "--python",
            "pypy",
        ]
    )
    assert options == Options.of(nj=2)
    assert said == [
        "--python ignored: every program runs with the Python that run.sh finds",
        "--lm_config, --lm_args ignored: no language model is trained here",
    ]


@pytest.mark.parametrize(
    ("flags", "instead"),
    [
        (["--use_lm", "true"], "--lm_train_config CONFIG --lm_file FILE"),
        (["--use_lm"], "--lm_train_config"),
        (["--pretrained_asr", "a.pth"], "--init_param FILE:encoder:encoder"),
        (["--batch_size", "8"], "--inference_args"),
        (["--download_model", "me/model"], "--model_tag"),
        (["--cleaner", "tacotron"], "local/data.py"),
        (["--src_bpe_char_cover", "0.9995"], "every character"),
    ],
)
def test_a_flag_that_would_change_the_result_is_refused_with_what_takes_its_place(flags, instead):
    with pytest.raises(ConfigError, match="not used here") as refused:
        parse_flags(flags)
    assert f"{refused.value}".startswith(f"{flags[0]} ") and instead in f"{refused.value}"


def test_a_refused_flag_is_one_line_and_exit_status_1(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["--use_ngram", "true"]) == 1
    assert capsys.readouterr().err == "error: --use_ngram true: not used here; the search takes no n-gram model\n"
    assert main(["--feats_type", "fbank_pitch"]) == 1
    assert "features are made in the model" in capsys.readouterr().err


def test_folders_and_piece_models_can_be_given_as_in_st_sh():
    given = "--st_exp my/exp --st_stats_dir my/stats --tgt_bpemode bpe --token_joint false"
    options, _ = parse_flags(given.split())
    assert (options.exp, options.stats_dir) == (Path("my/exp"), Path("my/stats"))
    assert [folder.name for folder in options.tokens.values()] == ["tgt_bpe_bpe500", "src_bpe_unigram500"]
