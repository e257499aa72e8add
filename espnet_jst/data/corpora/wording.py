"""Texts of the telephone corpora as they are trained and scored: "lc.rm", lower case without punctuation.

The form is that of the results which HENT-SRT (arXiv:2506.02157) publishes: ASCII punctuation and Spanish inverted
marks are deleted, apostrophes stay, Arabic and Chinese marks stay. What only marks an annotation is taken out first, by
the rules of each corpus.
"""

from __future__ import annotations

import re
import string

from espnet_jst.text.units import canonical

CASE = "lc.rm"
_DELETED = str.maketrans(dict.fromkeys(string.punctuation.replace("'", "") + "¿¡", ""))
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘`´", "'"))
_QUOTES = str.maketrans(dict.fromkeys("“”„«»", ""))
# Letters of fisher_test.en.0 that were encoded twice: "MÃ©xico".
_TWICE_ENCODED = re.compile("[\xc2\xc3][\x80-\xbf]")
_DASHES = re.compile("[–—…_]|-")

# LDC2022E01: O/ foreign, U/ uncertain, M/ Modern Standard Arabic, and pairs of them; their slash may be missing.
_TUNISIAN_MARKS = re.compile("[OUM]+/*")
_ARABIC_STOPS = re.compile("[\N{ARABIC QUESTION MARK}?!.]")
# IWSLT 2022's further normalization (2022.iwslt-1.29): letters that dialect writers use for one another.
_FOLDED = str.maketrans("إأٱآةىڤ٠١٢٣٤٥٦٧٨٩", "ااااهيف0123456789")
_DIACRITICS = re.compile("[\u064b-\u0652\u0670\u0674\u06d4-\u06ed]")
_ARABIC_MARKS = re.compile("[÷×؛،ـ؟٪]")
_LENGTHENED = re.compile("([اصو])\\1+")

# LDC2010T04 and LDC96T17: signs of doubt and of asides, tags, events of the speaker and of the line.
_SPANISH_MARKS = re.compile(r"<[^>]*>|\{[^}]*\}|\[[^\]]*\]|[()+*/#]")

# LDC2005T32: tags, whose contents were said, and events; ~ before a spelt letter, % before a hesitation.
_MANDARIN_MARKS = re.compile(r"<[^>]*>|\{[^}]*\}|\[[^\]]*\]|[()~%]")
_FULL_WIDTH = re.compile("[\u3000-\u3002\uff01\uff08-\uff09\uff0c\uff0e\uff1a\uff1b\uff1f·]")


def plain(text: str) -> str:
    """A text in the form of the published results."""
    text = text.lower().translate(_APOSTROPHES).translate(_QUOTES)
    return " ".join(text.translate(_DELETED).split())


def english(text: str) -> str:
    """A translation in which a hyphen or dash parts words, as HENT-SRT has Fisher's; IWSLT's are `plain`."""
    text = _TWICE_ENCODED.sub(lambda found: found[0].encode("latin-1").decode("utf-8"), text)
    return plain(_DASHES.sub(" ", text))


def tunisian(text: str) -> str:
    """A Tunisian transcript without annotation marks."""
    return plain(_ARABIC_STOPS.sub("", _TUNISIAN_MARKS.sub("", text)))


def tunisian_folded(text: str) -> str:
    """The same with variants of letters folded, without diacritics, doubled letters and Arabic punctuation."""
    text = _DIACRITICS.sub("", _ARABIC_MARKS.sub(" ", tunisian(text))).translate(_FOLDED)
    return " ".join(_LENGTHENED.sub(r"\1", text).split())


def spanish(text: str) -> str:
    """A Spanish transcript without markup."""
    return plain(_DASHES.sub(" ", _SPANISH_MARKS.sub("", text)))


def mandarin(text: str) -> str:
    """A Mandarin transcript without markup; no blank stands between characters, words of other scripts stay words."""
    return canonical(plain(_FULL_WIDTH.sub(" ", _DASHES.sub(" ", _MANDARIN_MARKS.sub(" ", text)))), "zh")
