#!/usr/bin/env bash
# LibriSpeech: one model that transcribes as a stream, and again at the end of an utterance (arXiv:2405.13514).
#   LIBRISPEECH=/folder/with/LibriSpeech ./run.sh --ngpu 1
# Fewer parts: --local_data_opts "--parts train-clean-100". Parts of the run: --stage 3 --stop_stage 5. All: --help.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../path.sh

exec "$python" -m espnet_jst.bin.jst_recipe \
    --train_set train \
    --valid_set dev \
    --test_sets "test_clean test_other dev_clean dev_other" \
    --src_lang en --src_case lc.rm \
    --tgt_lang none \
    --token_type bpe --nbpe 1000 \
    --min_wav_duration 0.2 --max_wav_duration 30 \
    --st_config conf/train.yaml \
    --inference_config conf/decode.yaml \
    --use_streaming true \
    --corpus librispeech --license cc-by-4.0 \
    "$@"
