#!/usr/bin/env bash
# Four spoken languages in one model: Spanish (Tatoeba, synthetic voices), Kichwa (Killkan), Mboshi and English (digits), each with
# the translation that its corpus has: English, Spanish, French, German. The corpora are the user's own copies:
#   TATOEBA_ES_EN=... KILLKAN=... MBOSHI_FRENCH=... ./run.sh
#   ... ./run.sh --langs es,mb              # fewer of them; one alone is a model for it
# Each choice of --langs has its own folders below data, dump and exp. All other options: ./run.sh --help.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../path.sh

own_option langs es,qvi,mb,en
export FOUR_LANGUAGES=$langs
config=conf/train_single.yaml; where=${langs//,/+} # ESPnet parts names of files at commas
case $langs in *,*) config=conf/train.yaml ;; esac

exec "$python" -m espnet_jst.bin.jst_recipe \
    --datadir "data/$where" --dumpdir "dump/$where" --expdir "exp/$where" \
    --train_set train \
    --valid_set valid \
    --test_sets "test_${langs//,/ test_}" \
    --src_lang mul --src_case lc.rm \
    --tgt_lang mul-x-tgt --tgt_case lc.rm \
    --token_joint true --nbpe 1000 \
    --src_token_type char \
    --st_config "$config" \
    --inference_config conf/decode.yaml \
    --corpus four_languages \
    ${options[@]+"${options[@]}"}
