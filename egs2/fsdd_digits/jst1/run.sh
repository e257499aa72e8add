#!/usr/bin/env bash
# Digit strings of the Free Spoken Digit Dataset: English transcript and German translation from one streaming model.
# Everything: ./run.sh. Parts: ./run.sh --stage 3 --stop_stage 5. A demonstration: tools/demo. All: --help.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../path.sh

exec "$python" -m espnet_jst.bin.jst_recipe \
    --train_set train \
    --valid_set valid \
    --test_sets "test test_unheard test_noisy" \
    --src_lang en --src_case lc \
    --tgt_lang de --tgt_case lc \
    --token_joint true --token_type word \
    --st_config conf/train.yaml \
    --inference_config conf/decode.yaml \
    --corpus fsdd_digits --license cc-by-sa-4.0 --data_license corpus/LICENSE \
    "$@"
