#!/usr/bin/env bash
# TED-LIUM 3: one model that transcribes as a stream, and again at the end of an utterance (arXiv:2405.13514).
#   TEDLIUM3=/folder/with/TEDLIUM_release-3 ./run.sh --ngpu 1
# Parts: ./run.sh --stage 3 --stop_stage 5. All options: ./run.sh --help.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../path.sh

exec "$python" -m espnet_jst.bin.jst_recipe \
    --train_set train \
    --valid_set dev \
    --test_sets "test dev" \
    --src_lang en --src_case lc.rm \
    --tgt_lang none \
    --token_type bpe --nbpe 1000 \
    --min_wav_duration 0.2 --max_wav_duration 30 \
    --st_config conf/train.yaml \
    --inference_config conf/decode.yaml \
    --use_streaming true \
    --corpus tedlium3 --license cc-by-nc-nd-3.0 \
    "$@"
