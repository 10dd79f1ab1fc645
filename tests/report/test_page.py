from xopt.report import page


def test_a_title_is_text_and_a_body_is_html():
    shown = page.document("a < b & c", ["<h1>one</h1>", "<p>two</p>"], style="p { color: red; }")
    assert "<title>a &lt; b &amp; c</title>" in shown
    assert "<h1>one</h1>\n<p>two</p>\n</main>" in shown
    assert shown.index("p { color: red; }") < shown.index("</style>")


def test_a_page_refers_to_nothing_outside():
    shown = page.document("a", [])
    assert "script" not in shown
    assert "http" not in shown
    assert "@import" not in shown


def test_cards_hold_html():
    assert page.cards([("&lt;1", "a <i>b</i>")]) == (
        "<div class='cards'><div class='card'><b>&lt;1</b><span>a <i>b</i></span></div></div>"
    )


def test_headings_are_text_and_rows_are_html():
    shown = page.table(["a<b"], [page.row(["<b>1</b>"]), page.row(["2"], mark="reference")])
    assert "<th>a&lt;b</th>" in shown
    assert "<tr><td><b>1</b></td></tr><tr class='reference'><td>2</td></tr>" in shown


def test_a_caption_is_left_out_where_nothing_is_said():
    assert page.figure("<svg></svg>") == "<figure><svg></svg></figure>"
    assert page.figure("<svg></svg>", "a").endswith("<figcaption>a</figcaption></figure>")


def test_names_are_text_and_what_they_are_is_html():
    assert page.definitions([("<a>", "<i>b</i>")]) == "<dl><dt>&lt;a&gt;</dt><dd><i>b</i></dd></dl>"
