#!/usr/bin/env bash
# Killkan: a radio drama in Kichwa, Kichwa transcript and Spanish translation. The corpus is the user's own copy, the
# repository or a packed form of it (local/data.py says which):
#   KILLKAN=/path/of/killkan ./run.sh
#   KILLKAN=/path/of/killkan ./run.sh --st_config conf/tuning/train_pretrained.yaml \
#       --cache_frames true --st_args "--frontend_conf model=/models/whisper-base --frontend_conf layer=5"
# Parts: ./run.sh --stage 3 --stop_stage 5. All options: ./run.sh --help.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../path.sh

exec "$python" -m espnet_jst.bin.jst_recipe \
    --train_set train \
    --valid_set dev \
    --test_sets test \
    --src_lang qvi --src_case lc.rm \
    --tgt_lang es --tgt_case lc.rm \
    --token_joint true --nbpe 300 \
    --src_token_type char \
    --st_config conf/train.yaml \
    --inference_config conf/decode.yaml \
    --use_streaming both \
    --corpus killkan_qvi_es --license cc-by-4.0 --data_license local/DATA_LICENSE.md \
    "$@"
