import re
from importlib import resources

import pytest

FILES = resources.files("espnet_jst.evaluation.report")
STYLE = "".join((FILES / name).read_text(encoding="utf-8") for name in ("palette.css", "style.css"))
LIGHT, DARK = STYLE.split("@media (prefers-color-scheme: dark)")
TEXT = [
    *(("ink", back) for back in ("page", "card", "transcript-tint", "translation-tint")),
    *((front, back) for front in ("soft", "transcript", "translation") for back in ("page", "card")),
    *(("lost", "lost-tint"), ("came", "came-tint")),
    *(("lost", "page"), ("page", "transcript"), ("page", "ink")),  # of the server's page alone
]


def colours(text):
    found = re.findall(r"--([\w-]+): #(\w{6});", text.split("* { box-sizing")[0])
    return {name: [int(value[k : k + 2], 16) / 255 for k in (0, 2, 4)] for name, value in found}


def luminance(colour):
    """Relative luminance as WCAG 2 defines it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back"), TEXT)
def test_text_has_the_contrast_that_wcag_asks_for(scheme, front, back):
    values = sorted(luminance(colours(scheme)[name]) for name in (front, back))
    assert (values[1] + 0.05) / (values[0] + 0.05) >= 4.5


def test_both_schemes_define_every_colour_that_is_used():
    page = (resources.files("espnet_jst.serving.page") / "style.css").read_text(encoding="utf-8")
    used = set(re.findall(r"var\(--([\w-]+)\)", STYLE + page)) - {"lane", "tint"}
    assert used <= set(colours(LIGHT)) and set(colours(LIGHT)) == set(colours(DARK))
