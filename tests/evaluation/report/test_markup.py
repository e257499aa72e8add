import pytest

from espnet_jst.evaluation.report.markup import Html, cut, join, pack_rows, table, tag, text_width


def test_text_and_attributes_are_escaped_and_markup_is_not_escaped_twice():
    inner = tag("b", "<&>")
    assert tag("p", inner, '"', title='"><i>') == '<p title="&quot;&gt;&lt;i&gt;"><b>&lt;&amp;&gt;</b>&quot;</p>'
    assert isinstance(join([inner, "<"]), Html) and join([inner, "<"]) == "<b>&lt;&amp;&gt;</b>&lt;"


def test_attributes_without_a_value_are_left_out():
    assert tag("a", None, class_="x", aria_label="y", open=True, id=None) == '<a class="x" aria-label="y" open></a>'


def test_cells_of_a_table_carry_the_name_of_their_column():
    found = table("t", ["name", "a<b"], [["x", "1"]])
    assert '<td role="cell" data-label="a&lt;b">1</td>' in found
    with pytest.raises(ValueError, match="shorter"):
        table("t", ["name", "a", "b"], [["x", "1"]])


def test_a_text_is_cut_to_the_width_that_there_is():
    assert cut("vierzig", 12, 100) == "vierzig"
    short = cut("einundzwanzig", 12, 50)
    assert short.endswith("…") and text_width(short, 12) <= 50
    assert cut("einundzwanzig", 12, 5) == ""
    assert text_width("零七", 12) > text_width("ab", 12)


def test_spans_that_overlap_are_put_into_different_rows():
    assert pack_rows([(0, 2), (1, 3), (2, 4), (3, 5), (2.5, 3)]) == [0, 1, 0, 1, 2]
