#!/usr/bin/env bash
# Conversations of two talkers at five microphones, simulated from the digit recordings of ../../fsdd_digits: transcript
# and German translation of both, each word under the tag of who says it (JSTAR, arXiv:2412.15415).
# Everything: ./run.sh. Parts: ./run.sh --stage 1 --stop_stage 5. All options: ./run.sh --help.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../path.sh

exec "$python" -m espnet_jst.bin.jst_recipe \
    --train_set train \
    --valid_set dev \
    --test_sets "test test_unheard test_overlap_0 test_overlap_40 test_snr_0 test_snr_10" \
    --src_lang en --src_case lc \
    --tgt_lang de --tgt_case lc \
    --token_joint true --token_type word \
    --max_wav_duration 60 \
    --st_config conf/train.yaml \
    --inference_config conf/decode.yaml \
    --corpus fsdd_conversations --license cc-by-sa-4.0 --data_license ../../fsdd_digits/jst1/corpus/LICENSE \
    "$@"
