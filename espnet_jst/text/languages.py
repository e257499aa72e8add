"""Language codes: one table and one function for scoring, subtitles, recipes and cards.

People write `zh`, `cmn`, `zho`, `zh-TW`, `zh_CN`, `ZH-Hant` and even `cn`; all are one language to a scorer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Canonical code (ISO 639-1 where there is one), then the other codes of the language: ISO 639-2, 639-3, the codes of
# its standard form, and codes of countries that no language has and that are written all the same.
_TABLE = """
af afr; am amh; ar ara arb ary arz apc ajp acm afb; as asm; az aze azj; be bel; bg bul; bn ben; br bre; bs bos; ca cat;
cs ces cze cz; cy cym wel; da dan dk; de deu ger; el ell gre gr; en eng; eo epo; es spa; et est ekk; eu eus baq;
fa fas per pes prs; fi fin; fil; fo fao; fr fra fre; fy fry; ga gle; gd gla; gl glg; gn grn; gu guj; ha hau; he heb iw;
hi hin; hr hrv; hsb; ht hat; hu hun; hy hye arm; ia ina; id ind in; ig ibo; is isl ice; it ita; ka kat geo; kab;
kk kaz; kn kan; ko kor; ku kur kmr ckb; ky kir; la lat; lb ltz; lg lug; ln lin; lt lit; lv lav lvs; mdw; mg mlg plt;
mi mri mao; mk mkd mac; ml mal; mn mon khk; mr mar; ms msa may zsm; mt mlt; nb nob; ne nep npi; nl nld dut; nn nno;
no nor; oc oci; om orm gaz; or ori ory; pa pan pnb; pl pol; ps pus pbt; pt por; qu que quy; rm roh; ro ron rum mo;
ru rus; rw kin; sa san; sd snd; si sin; sk slk slo; sl slv; sm smo; sn sna; so som; sq sqi alb als; sr srp; st sot;
su sun; sv swe; sw swa swh; ta tam; te tel; tg tgk; ti tir; tk tuk; tl tgl; tn tsn; to ton; tr tur; ts tso; tt tat;
ug uig; uk ukr; ur urd; uz uzb uzn; vi vie vn; wo wol; xh xho; yi yid ydd ji; yo yor; zu zul
"""
_WITHOUT_BLANKS = """
zh zho chi cmn cn; yue; wuu; nan; hak; gan; hsn; cdo; lzh; cjy; mnp; cpx; ja jpn jp; th tha; lo lao; km khm; my mya bur;
bo bod tib; dz dzo; shn; mnw; nod; khb; tdd; ryu; ii iii
"""
CHINESE = ("zh", "yue", "wuu", "nan", "hak", "gan", "hsn", "cdo", "lzh", "cjy", "mnp", "cpx")


def _codes(table: str) -> dict[str, str]:
    languages = [entry.split() for entry in table.split(";")]
    return {code: codes[0] for codes in languages for code in codes}


_BLANKS, _NO_BLANKS = _codes(_TABLE), _codes(_WITHOUT_BLANKS)
_PART = re.compile(r"[-_ .@]+")


@dataclass(frozen=True)
class Language:
    """A language as its code names it.

    Attributes:
        code: the canonical code of the language alone: "zh" for cmn, zho, zh_TW; of an unknown one its first part.
        tag: BCP 47 tag for `xml:lang` and `lang`: "zh-TW", "sr-Latn"; "und" where the code cannot be a tag.
        blanks: whether its words stand between blanks; None for a language that is not known here.
    """

    code: str
    tag: str
    blanks: bool | None

    @property
    def known(self) -> bool:
        """Whether it is in the table."""
        return self.blanks is not None


def language(code: str | None) -> Language:
    """What a language code of any form names: ISO 639-1, -2 or -3, with script, region or variant, in any case."""
    parts = [part for part in _PART.split((code or "").strip().lower()) if part]
    first = parts[0] if parts else "und"
    blanks = True if first in _BLANKS else False if first in _NO_BLANKS else None
    base = _BLANKS.get(first) or _NO_BLANKS.get(first) or first
    if base == "zh" and len(parts) > 1 and parts[1] in ("yue", "nan", "hak", "wuu", "gan", "hsn"):
        base, parts = parts[1], parts[1:]  # an extended language: zh-yue
    if not re.fullmatch(r"[a-z]{2,3}", base):
        return Language(base, "und", blanks)
    rest = [
        part.capitalize() if re.fullmatch("[a-z]{4}", part) else part.upper()
        for part in parts[1:]
        if re.fullmatch(r"[a-z]{4}|[a-z]{2}|[0-9]{3}", part) and part != "xx"
    ]
    return Language(base, "-".join([base, *rest[:2]]), blanks)


def unknown_note(code: str) -> str | None:
    """One line for a language that is not known here, None for a known one."""
    if language(code).known:
        return None
    return (
        f"language {code!r} is not known here: units of the text are told by its script; a code of ISO 639 such as "
        "'de', 'deu' or 'zh-TW' is"
    )
