#!/usr/bin/env bash
# Telephone calls in Mandarin, Spanish and Tunisian Arabic: transcript and English translation from one model, which is
# not told the language, as in HENT-SRT (arXiv:2506.02157). The folders are those of the three corpora's own recipes:
#   IWSLT22_DIALECT=... IWSLT22_SPLITS=... FISHER_CALLHOME_SPANISH=... FISHER_CALLHOME_TRANSLATIONS=... \
#       HKUST1=... HKUST2=... HKUST_ENGLISH=... ./run.sh --ngpu 4
# Parts: ./run.sh --stage 3 --stop_stage 5. All options: ./run.sh --help.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../path.sh

exec "$python" -m espnet_jst.bin.jst_recipe \
    --train_set train \
    --valid_set dev \
    --test_sets "test_iwslt22_ta test_hkust test_fisher_sp" \
    --src_lang mul --src_case lc.rm \
    --tgt_lang en --tgt_case lc.rm \
    --token_joint false \
    --src_token_type bpe --src_nbpe 5000 \
    --tgt_token_type bpe --tgt_nbpe 4000 \
    --min_wav_duration 0.2 --max_wav_duration 30 \
    --st_config conf/train.yaml \
    --inference_config conf/decode.yaml \
    --corpus multi_conv_zh_es_ta \
    "$@"
