#!/usr/bin/env bash
# CoVoST 2: read sentences of Common Voice 4 as discrete units, translated by parameters that text goes through as well
# (arXiv:2309.15826). Corpora and the encoder that units are made with are the user's own:
#   COMMON_VOICE=/folder/with/en COVOST2=/folder/with/tsv ./run.sh --kmeans_feature /models/wavlm-large/21 --ngpu 1
#   ... ./run.sh --src_lang fr --tgt_lang en --kmeans_feature /models/mhubert-147/9 --ngpu 1
# Single-task: --text_share 0 --st_config conf/train_single.yaml. All options: ./run.sh --help.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../path.sh

own_option src_lang en
own_option tgt_lang de
export COVOST2_LANGS=$src_lang-$tgt_lang

exec "$python" -m espnet_jst.bin.jst_recipe \
    --datadir "data/$src_lang-$tgt_lang" --dumpdir "dump/$src_lang-$tgt_lang" --expdir "exp/$src_lang-$tgt_lang" \
    --train_set train \
    --valid_set dev \
    --test_sets test \
    --src_lang "$src_lang" --src_case lc.rm \
    --tgt_lang "$tgt_lang" --tgt_case tc \
    --token_joint false --src_token_type bpe --src_nbpe 4000 --nbpe 4000 \
    --kmeans_feature microsoft/wavlm-large/21 --nclusters 2000 --unit_case rm --unit_nbpe 4000 \
    --text_share 0.5 --upsample 4 \
    --st_config conf/train.yaml \
    --inference_config conf/decode.yaml \
    --use_streaming false \
    --corpus covost2 --license cc0-1.0 \
    ${options[@]+"${options[@]}"}
