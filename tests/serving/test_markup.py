from __future__ import annotations

from xml.etree.ElementTree import tostring

from churnml.serving.markup import document, facts, table, tag


def test_what_is_put_in_is_text() -> None:
    made = tag("p", "a <b> & ", tag("em", "c"), " d", kind="x y", title='"q"&')
    assert tostring(made, encoding="unicode", method="html") == (
        '<p title="&quot;q&quot;&amp;" class="x y">a &lt;b&gt; &amp; <em>c</em> d</p>'
    )


def test_what_no_page_may_hold_is_replaced() -> None:
    assert tag("p", "a\x00b\x1b[1m\tc").text == "a�b�[1m\tc"


def test_the_first_cell_of_a_row_is_its_heading() -> None:
    made = table("It", [("of", None), ("number", "n")], [("a", "1")], kind="k")
    assert tostring(made, encoding="unicode", method="html") == (
        '<table class="k"><caption>It</caption>'
        '<thead><tr><th scope="col">of</th><th scope="col" class="n">number</th></tr></thead>'
        '<tbody><tr><th scope="row">a</th><td class="n">1</td></tr></tbody></table>'
    )


def test_facts_are_names_and_what_they_are() -> None:
    made = facts([("as of", "now"), ("by", "it")])
    assert [(part.tag, part.text) for part in made] == [
        ("dt", "as of"),
        ("dd", "now"),
        ("dt", "by"),
        ("dd", "it"),
    ]


def test_a_document_is_whole_and_keeps_its_style() -> None:
    text = document("a < b", "a > b {}", tag("img", src="data:x"))
    assert text.startswith('<!doctype html>\n<html lang="en"><head><meta charset="utf-8">')
    assert "<title>a &lt; b</title><style>a > b {}</style>" in text
    assert text.endswith('<body><main><img src="data:x"></main></body></html>\n')
    assert "default-src 'none'" in text
