"""Language codes: one table and one function for scoring, subtitles, recipes and cards.

People write `zh`, `cmn`, `zho`, `zh-TW`, `zh_CN`, `ZH-Hant` and even `cn`; all are one language to a scorer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Canonical code (ISO 639-1 where there is one), then the other codes of the language: ISO 639-2, 639-3, the codes of
# its standard form, and codes of countries that no language has and that are written all the same.
_TABLE = """
ab abk; ace; af afr; ak aka; am amh; an arg; ar ara arb ary arz apc ajp acm afb aeb;
as asm; ast; ay aym ayr; az aze azj;
ba bak; be bel; bem; bg bul; bho; bm bam; bn ben; br bre; bs bos; ca cat; ceb; co cos; crh; cs ces cze cz; csb;
cv chv; cy cym wel; da dan dk; de deu ger; dsb; dv div; dyu; ee ewe; el ell gre gr; en eng; eo epo; es spa;
et est ekk; eu eus baq; fa fas per pes prs; ff ful fuv; fi fin; fil; fo fao; fon; fr fra fre; fur; fy fry; ga gle;
gd gla; gl glg; gn grn; gsw; gu guj; ha hau; haw; he heb iw; hi hin; hr hrv; hsb; ht hat; hu hun; hy hye arm; ia ina;
id ind in; ig ibo; ilo; is isl ice; it ita; jv jav jw; ka kat geo; kab; kam; kea; kk kaz; kn kan; ko kor; kok;
ku kur kmr ckb; ky kir; la lat; lb ltz; lg lug; lij; lmo; ln lin; lt lit; ltg; luo; lus; lv lav lvs; mai; mdf; mdw;
mg mlg plt; mhr; mi mri mao; mk mkd mac; ml mal; mn mon khk; mos; mr mar; mrj; ms msa may zsm; mt mlt; myv; nb nob;
nds; ne nep npi; nl nld dut; nn nno; no nor; nso; ny nya; oc oci; om orm gaz; or ori ory; os oss; pa pan pnb; pap;
pl pol; ps pus pbt; pt por; qu que quy; rm roh; ro ron rum mo; ru rus; rw kin; sa san; sah; sat; sc srd; scn; sco;
sd snd; sg sag; si sin; sk slk slo; sl slv; sm smo; sn sna; so som; sq sqi alb als; sr srp; ss ssw; st sot; su sun;
sv swe; sw swa swh; szl; ta tam; te tel; tg tgk; ti tir; tig; tk tuk; tl tgl; tn tsn; to ton; tok; tpi; tr tur;
ts tso; tt tat; tum; tw twi; ug uig; uk ukr; umb; ur urd; uz uzb uzn; ve ven; vec; vi vie vn; wa wln; war; wo wol;
xh xho; yi yid ydd ji; yo yor; zu zul
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
# Extended language, script, region; what follows ("-x-...", "-u-ca-...", "@euro") may look like one and is none.
_REST = re.compile(r"(?:-[a-z]{3}(?![^-]))*(?:-([a-z]{4})(?![^-]))?(?:-([a-z]{2}|[0-9]{3})(?![^-]))?")


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
    found = _REST.match("".join(f"-{part}" for part in parts[1:]))
    script, region = found.groups("") if found else ("", "")
    rest = (script.capitalize(), region.upper() if region != "xx" else "")
    return Language(base, "-".join(filter(None, [base, *rest])), blanks)


def unknown_note(code: str) -> str | None:
    """One line for a language that is not known here, None for a known one."""
    if language(code).known:
        return None
    return (
        f"language {code!r} is not known here: units of the text are told by its script; a code of ISO 639 such as "
        "'de', 'deu' or 'zh-TW' is"
    )
