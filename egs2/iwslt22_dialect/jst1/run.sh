#!/usr/bin/env bash
# Tunisian Arabic telephone calls (IWSLT 2022, LDC2022E01): Tunisian transcript and English translation.
#   IWSLT22_DIALECT=/path/of/LDC2022E01 IWSLT22_SPLITS=/path/of/iwslt22-dialect ./run.sh --ngpu 1
# Parts: ./run.sh --stage 3 --stop_stage 5. All options: ./run.sh --help.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../path.sh

exec "$python" -m espnet_jst.bin.jst_recipe \
    --train_set train \
    --valid_set dev \
    --test_sets test1 \
    --src_lang aeb --src_case lc.rm \
    --tgt_lang en --tgt_case lc.rm \
    --token_joint false \
    --src_token_type bpe --src_nbpe 1000 \
    --tgt_token_type bpe --tgt_nbpe 1000 \
    --min_wav_duration 0.2 --max_wav_duration 30 \
    --st_config conf/train.yaml \
    --inference_config conf/decode.yaml \
    --corpus iwslt22_dialect \
    "$@"
