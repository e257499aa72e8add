#!/usr/bin/env bash
# MC-FLEURS: conversations of two talkers of two languages at five microphones, simulated from FLEURS; each is translated
# into the other's language (JSTAR, arXiv:2412.15415). The corpus is the user's own copy, unpacked (local/data.py):
#   FLEURS=/path/of/fleurs/data ./run.sh
#   FLEURS=/path/of/fleurs/data ./run.sh --local_data_opts "--langs de_de fr_fr"
# Parts: ./run.sh --stage 3 --stop_stage 5. All options: ./run.sh --help.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../path.sh

exec "$python" -m espnet_jst.bin.jst_recipe \
    --train_set train \
    --valid_set dev \
    --test_sets test \
    --src_lang mul --src_case lc.rm \
    --tgt_lang mul-x-tgt --tgt_case lc.rm \
    --token_joint true --nbpe 2000 \
    --max_wav_duration 90 --max_text_chars 3000 \
    --st_config conf/train.yaml \
    --inference_config conf/decode.yaml \
    --corpus mc_fleurs --license cc-by-4.0 \
    "$@"
