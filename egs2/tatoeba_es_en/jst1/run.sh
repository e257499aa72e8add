#!/usr/bin/env bash
# Spanish sentences of Tatoeba, spoken by synthetic voices: Spanish transcript and English translation. The corpus is a
# folder with {train,dev,test}.tsv and recordings (local/data.py says in which form):
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
    --token_joint true --nbpe 500 \
    --src_token_type bpe --src_nbpe 150 \
    --st_config conf/train.yaml \
    --inference_config conf/decode.yaml \
    --use_streaming both \
    --corpus tatoeba_es_en --license cc-by-2.0 --data_license local/DATA_LICENSE.md \
    "$@"
