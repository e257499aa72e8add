#!/usr/bin/env bash
# CoVoST 2: read sentences of Common Voice 4, transcript and translation in one stream (tSOT, arXiv:2307.03354, arXiv:2310.14806).
#   COMMON_VOICE=/folder/with/de COVOST2=/folder/with/tsv ./run.sh --ngpu 1                    # de, es, it, fr to English
#   ... ./run.sh --langs en-de,ca,zh-CN     # one to many: the model is told the target; also en-all
#   ... ./run.sh --langs de-en              # one direction
#   ... ./run.sh --size paper               # 24 layers, chunks of 1 s with 18 before them
# Each choice of --langs has its own folders below data, dump and exp. All other options: ./run.sh --help.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../path.sh

own_option langs de,es,it,fr-en
own_option size small small paper
export COVOST2_LANGS=$langs
names=$("$python" local/data.py --names)
read -r src tgt tests <<< "$names"

config=conf/train; where=${langs//,/+} # ESPnet parts names of files at commas
case $size in paper) config=conf/train_paper ;; esac
case $src in mul) config+=_many_to_one ;; esac
case $tgt in mul*) config+=_one_to_many ;; esac

exec "$python" -m espnet_jst.bin.jst_recipe \
    --datadir "data/$where" --dumpdir "dump/$where" --expdir "exp/$where" \
    --train_set train \
    --valid_set dev \
    --test_sets "$tests" \
    --src_lang "$src" --src_case lc.rm \
    --tgt_lang "$tgt" --tgt_case tc \
    --token_joint true --nbpe 4000 \
    --st_config "$config.yaml" \
    --inference_config conf/decode.yaml \
    --corpus covost2 --license cc0-1.0 \
    ${options[@]+"${options[@]}"}
