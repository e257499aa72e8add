#!/usr/bin/env bash
# Mandarin telephone calls (HKUST, LDC2005S15 and LDC2005T32): Mandarin transcript and English translation.
#   HKUST1=/path/of/LDC2005S15 HKUST2=/path/of/LDC2005T32 HKUST_ENGLISH=/folder/with/train.tsv ./run.sh --ngpu 1
# Parts: ./run.sh --stage 3 --stop_stage 5. All options: ./run.sh --help.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../path.sh

# The transcript is characters: no segmentation into words is published for it.
exec "$python" -m espnet_jst.bin.jst_recipe \
    --train_set train \
    --valid_set dev \
    --test_sets test \
    --src_lang zh --src_case lc.rm \
    --tgt_lang en --tgt_case lc.rm \
    --token_joint false \
    --src_token_type char \
    --tgt_token_type bpe --tgt_nbpe 1000 \
    --min_wav_duration 0.2 --max_wav_duration 30 \
    --st_config conf/train.yaml \
    --inference_config conf/decode.yaml \
    --corpus hkust_english \
    "$@"
