#!/usr/bin/env bash
# English of CoVoST 2 with its translations, and LibriSpeech beside it: tSOT (arXiv:2307.03354) from more speech.
#   LIBRISPEECH=... COMMON_VOICE=... COVOST2=... ./run.sh --ngpu 1             # LibriSpeech trains the transcript's CTC head
#   ... LIBRISPEECH_TRANSLATIONS=/file/of/translations ./run.sh --ngpu 1       # it trains all: utterance, translation a line
#   ... ./run.sh --tgt_lang ca --size paper
# Each target has its own folder below dump and exp. All other options: ./run.sh --help.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../path.sh

own_option tgt_lang de
own_option size small small paper
export LIBRISPEECH_COVOST2_TGT=$tgt_lang LIBRISPEECH_TRANSLATIONS=${LIBRISPEECH_TRANSLATIONS:-}
config=conf/train; where=$tgt_lang
case $size in paper) config=conf/train_paper ;; esac
if [ -n "$LIBRISPEECH_TRANSLATIONS" ]; then where=${tgt}_translated; else config+=_transcripts; fi

# data/transcripts is what conf/train_transcripts.yaml names.
exec "$python" -m espnet_jst.bin.jst_recipe \
    --datadir data --dumpdir "dump/$where" --expdir "exp/$where" \
    --train_set train \
    --valid_set dev \
    --test_sets test \
    --src_lang en --src_case lc.rm \
    --tgt_lang "$tgt_lang" --tgt_case tc \
    --token_joint true --nbpe 4000 \
    --st_config "$config.yaml" \
    --inference_config ../../covost2/jst1/conf/decode.yaml \
    --corpus librispeech_covost2 --license cc-by-4.0 \
    ${options[@]+"${options[@]}"}
