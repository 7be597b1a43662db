"""Formulas of web posts become the TeX that they were made of, once, and nothing else does."""

import html

import pytest

from weitiao.prepare.formulas import with_tex
from weitiao.prepare.strip_html import StripHtml

DRAWN = '<span class="katex-html" aria-hidden="true"><span class="base"><span class="mord">x</span></span></span>'
NOTED = '<semantics><mi>x</mi><annotation encoding="application/x-tex">x&lt;1</annotation></semantics>'


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        # Zhihu
        ('<p>设 <span class="ztext-math" data-tex="x^2&lt;1">x^2</span> 成立</p>', "设 $x^2<1$ 成立"),
        ('<p>设 <img src="https://www.zhihu.com/equation?tex=x" alt="x^2" eeimg="1"> 成立</p>', "设 $x^2$ 成立"),
        ('<p>设<img alt="x^2\\\\" class="ee_img" eeimg="1">成立</p>', "设$$x^2$$成立"),
        # MathJax 2
        (
            '<p>a <span class="MathJax_Preview">x</span><span class="MathJax"><nobr><span>x</span></nobr></span>'
            '<script type="math/tex">a<b</script> c</p>',
            "a $a<b$ c",
        ),
        ('<p>a <script type="math/tex; mode=display">a^2</script> c</p>', "a $$a^2$$ c"),
        # KaTeX and MathML
        (f'<p>a <span class="katex"><span><math>{NOTED}</math></span>{DRAWN}</span> c</p>', "a $x<1$ c"),
        ('<p>a <math alttext="x" display="block"><mi>x</mi></math> c</p>', "a $$x$$ c"),
        # MediaWiki
        (
            f'<p>a <span><math alttext="x">{NOTED}</math></span><img class="mwe-math-fallback" alt="x"> c</p>',
            "a $x<1$ c",
        ),
        # None of these is one.
        ("`<math alttext='x'><mi>x</mi></math>` 怎么用？", "`<math alttext='x'><mi>x</mi></math>` 怎么用？"),
        ("用 <math><mi>x</mi></math> 还是 alttext？", "用 <math><mi>x</mi></math> 还是 alttext？"),
        ('<p>a <img alt="x^2"> b</p>', "a b"),
        ('<p>a <span class="katex-html">b</p><p>c</p>', "a b\n\nc"),  # never closed
    ],
)  # fmt: skip
def test_a_formula_is_its_source(markup: str, text: str) -> None:
    assert StripHtml().rewrite_one(markup) == text
    assert StripHtml().rewrite_one(text) == text


def test_in_a_page_the_source_is_written_as_a_parser_reads_it() -> None:
    page = '<!doctype html><html><body><p>a <script type="math/tex">x<y</script> c</p></body></html>'
    assert "<script" not in with_tex(page, html.escape)
    assert StripHtml().rewrite_one(page) == "a $x<y$ c"


@pytest.mark.parametrize(
    "unit", ["<span data-tex='x'>", "<math alttext='x'>", "<script type='math/tex'>", "<img eeimg "]
)
def test_markup_that_never_ends_takes_no_longer_than_its_length(unit: str) -> None:
    text = "data-tex alttext math/tex eeimg " + unit * 20_000
    assert with_tex(text, str) == text
