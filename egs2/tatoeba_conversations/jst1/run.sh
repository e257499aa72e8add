#!/usr/bin/env bash
# Conversations of two voices at five microphones, simulated from the sentences of ../../tatoeba_es_en: Spanish transcript
# and English translation of both, each word under the tag of who says it (JSTAR, arXiv:2412.15415):
#   TATOEBA_ES_EN=/path/of/tatoeba_es_en_speech ./run.sh
# Parts: ./run.sh --stage 3 --stop_stage 5. All options: ./run.sh --help.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../path.sh

exec "$python" -m espnet_jst.bin.jst_recipe \
    --train_set train \
    --valid_set dev \
    --test_sets test \
    --src_lang es --src_case lc.rm \
    --tgt_lang en --tgt_case lc.rm \
    --token_joint false --nbpe 500 --src_nbpe 150 \
    --max_wav_duration 60 \
    --st_config conf/train.yaml \
    --inference_config conf/decode.yaml \
    --corpus tatoeba_conversations --license cc-by-2.0 \
    "$@"
