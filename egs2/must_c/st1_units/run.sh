#!/usr/bin/env bash
# MuST-C v1 or v2: English talks as discrete units, translated by parameters that text goes through as well
# (arXiv:2309.15826). The corpus is the user's own copy, and so is the encoder that units are made with:
#   MUST_C=/folder/with/en-de ./run.sh --kmeans_feature /models/wavlm-large/21 --ngpu 1
#   MUST_C=/folder/with/en-es ./run.sh --tgt_lang es --kmeans_feature /models/wavlm-large/21 --ngpu 1
# Single-task: --text_share 0 --st_config conf/train_single.yaml. All options: ./run.sh --help.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../path.sh

own_option tgt_lang de
export MUST_C_TGT=$tgt_lang

exec "$python" -m espnet_jst.bin.jst_recipe \
    --datadir "data/en-$tgt_lang" --dumpdir "dump/en-$tgt_lang" --expdir "exp/en-$tgt_lang" \
    --train_set train \
    --valid_set dev \
    --test_sets "tst-COMMON tst-HE" \
    --src_lang en --src_case lc.rm \
    --tgt_lang "$tgt_lang" --tgt_case tc \
    --token_joint false --src_token_type bpe --src_nbpe 4000 --nbpe 4000 \
    --kmeans_feature microsoft/wavlm-large/21 --nclusters 2000 --unit_case rm --unit_nbpe 4000 \
    --text_share 0.5 --upsample 4 \
    --min_wav_duration 0.2 --max_wav_duration 30 \
    --st_config conf/train.yaml \
    --inference_config conf/decode.yaml \
    --use_streaming false \
    --corpus must_c \
    ${options[@]+"${options[@]}"}
