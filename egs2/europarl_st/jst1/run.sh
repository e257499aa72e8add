#!/usr/bin/env bash
# Europarl-ST: speeches in nine languages and their translations into the eight others. The corpus is the user's own copy:
#   EUROPARL_ST=/path/of/v1.1 ./run.sh                      # English to German
#   EUROPARL_ST=/path/of/v1.1 ./run.sh --langs all-en       # many to one; also en-all, de,fr-en
#   EUROPARL_ST=/path/of/v1.1 ./run.sh --langs all-all      # many to many, 72 directions: the model is told the target
# Each choice of --langs has its own folders below data, dump and exp. All other options: ./run.sh --help.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../path.sh

own_option langs en-de
export EUROPARL_ST_LANGS=$langs
names=$("$python" local/data.py --names)
read -r src tgt tests <<< "$names"

# Of 72 directions 100 utterances each are enough to choose an epoch by.
dev=0; config=conf/train.yaml; where=${langs//,/+} # ESPnet parts names of files at commas
case $tests in *" "*) dev=100 ;; esac
case $tgt in mul*) config=conf/train_several.yaml ;; esac

exec "$python" -m espnet_jst.bin.jst_recipe \
    --datadir "data/$where" --dumpdir "dump/$where" --expdir "exp/$where" \
    --local_data_opts "--dev $dev" \
    --train_set train \
    --valid_set dev \
    --test_sets "$tests" \
    --src_lang "$src" --src_case lc.rm \
    --tgt_lang "$tgt" --tgt_case lc.rm \
    --token_joint false --src_nbpe 1000 --nbpe 1000 \
    --st_config "$config" \
    --inference_config conf/decode.yaml \
    --use_streaming both \
    --corpus europarl_st --license cc-by-nc-4.0 \
    ${options[@]+"${options[@]}"}
