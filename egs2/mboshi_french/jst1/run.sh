#!/usr/bin/env bash
# Mboshi speech: Mboshi transcript and French translation from one streaming model. The corpus is the user's own copy:
#   MBOSHI_FRENCH=/path/of/mboshi-french-parallel-corpus ./run.sh
# Parts: ./run.sh --stage 3 --stop_stage 5. All options: ./run.sh --help.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../path.sh

# Sets and text form are those of ESPnet's egs2/mboshi_french/st1: lower case, no punctuation, one test set called dev.
exec "$python" -m espnet_jst.bin.jst_recipe \
    --train_set train_nodev \
    --valid_set dev100 \
    --test_sets dev \
    --src_lang mb --src_case lc.rm \
    --tgt_lang fr --tgt_case lc.rm \
    --token_joint true --nbpe 300 \
    --src_token_type char \
    --st_config conf/train.yaml \
    --inference_config conf/decode.yaml \
    --use_streaming both \
    --corpus mboshi_french \
    "$@"
