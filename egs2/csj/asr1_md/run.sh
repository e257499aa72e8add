#!/usr/bin/env bash
# CSJ (Japanese talks): one model that transcribes as a stream, and again at the end of an utterance (arXiv:2405.13514).
#   CSJ=/folder/with/TRN/and/WAV ./run.sh --ngpu 1
# Fewer talks: --local_data_opts "--parts A M". Parts of the run: --stage 3 --stop_stage 5. All: --help.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../path.sh

exec "$python" -m espnet_jst.bin.jst_recipe \
    --train_set train \
    --valid_set dev \
    --test_sets "eval1 eval2 eval3" \
    --src_lang ja --src_case lc.rm \
    --tgt_lang none \
    --token_type char \
    --min_wav_duration 0.2 --max_wav_duration 30 \
    --st_config conf/train.yaml \
    --inference_config conf/decode.yaml \
    --use_streaming true \
    --corpus csj \
    "$@"
