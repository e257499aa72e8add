#!/usr/bin/env bash
# Spanish telephone calls (Fisher, LDC2010S01 and LDC2010T04): Spanish transcript and English translation.
#   FISHER_CALLHOME_SPANISH=/folder/with/LDC2010S01/and/LDC2010T04 \
#       FISHER_CALLHOME_TRANSLATIONS=/path/of/fisher-callhome-corpus ./run.sh --ngpu 1
# Parts: ./run.sh --stage 3 --stop_stage 5. All options: ./run.sh --help.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../path.sh

exec "$python" -m espnet_jst.bin.jst_recipe \
    --train_set fisher_train \
    --valid_set fisher_dev \
    --test_sets "fisher_dev2 fisher_test" \
    --src_lang es --src_case lc.rm \
    --tgt_lang en --tgt_case lc.rm \
    --token_joint false \
    --src_token_type bpe --src_nbpe 1000 \
    --tgt_token_type bpe --tgt_nbpe 1000 \
    --min_wav_duration 0.2 --max_wav_duration 30 \
    --st_config conf/train.yaml \
    --inference_config conf/decode.yaml \
    --corpus fisher_callhome_spanish \
    "$@"
