"""The report's page in a real browser: on a phone, on a desk, on paper, and whoever named a VM."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser_pages import NARROW, WIDE, opened

from report_samples import HOSTILE, SAMPLES, Story, hostile
from standfast.model.run import RunState
from standfast.report.html import report_html

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [NARROW, WIDE])
@pytest.mark.parametrize("name", SAMPLES)
def test_it_fits_any_screen_and_asks_nobody(
    browser: Browser, tmp_path: Path, name: str, width: int, scheme: str
) -> None:
    with opened(browser, report_html(*SAMPLES[name]()), tmp_path, width=width, scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width
        beyond = page.evaluate(
            """width => [...document.querySelectorAll('body *')]
                .filter(each => !each.closest('.scroll, svg'))
                .filter(each => each.getBoundingClientRect().right > width + 1)
                .map(each => each.outerHTML.slice(0, 90))""",
            width,
        )
        assert [each for each in beyond if 'class="scroll"' not in each] == []


def test_the_pictures_are_there_and_have_names(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, report_html(*SAMPLES["good"]()), tmp_path) as page:
        assert page.get_by_role("img").count() == 3
        for name in (
            "Timeline of hosts by phase",
            "Black-out of each move, with its budget",
            "Moves between hosts over time",
        ):
            box = page.get_by_role("img", name=name).bounding_box()
            assert box is not None
            assert box["width"] > 900
            assert box["height"] > 100
        bars = page.locator("rect.bar.ph-rebooting")
        assert bars.count() == 3
        lefts = [box["x"] for box in (bars.nth(place).bounding_box() for place in range(3)) if box]
        assert lefts == sorted(lefts)
        assert page.get_by_role("heading", level=1).inner_text() == (
            "All 3 hosts of east are patched and rebooted."
        )


def test_what_is_still_changed_stands_before_every_picture(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, report_html(*SAMPLES["abandoned"]()), tmp_path) as page:
        alert = page.get_by_role("region", name="Still changed: 2 things are not as before").bounding_box()
        picture = page.get_by_role("img").first.bounding_box()
        assert alert is not None
        assert picture is not None
        assert alert["y"] + alert["height"] <= picture["y"]


def test_text_has_contrast_in_both_themes(browser: Browser, tmp_path: Path) -> None:
    for scheme in ("light", "dark"):
        with opened(browser, report_html(*SAMPLES["abandoned"]()), tmp_path, scheme=scheme) as page:
            pairs = page.evaluate(_CONTRAST)
            assert len(pairs) > 30
            assert [text for text, ratio in pairs if ratio < 4.5] == []


def test_a_name_is_only_ever_text(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, report_html(*hostile()), tmp_path) as page:
        assert page.locator("script, img, iframe, object, embed, [onload], [onerror]").count() == 0
        assert HOSTILE[0] in page.get_by_role("heading", level=1).inner_text()
        shown = page.locator("body").inner_text()
        assert r"line\nbreak\x1b[31m\u202e\x00" in shown
        assert "\u202e" not in shown


def test_it_prints_on_pages_as_wide_as_paper(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, report_html(*SAMPLES["good"]()), tmp_path, scheme="dark") as page:
        page.emulate_media(media="print")
        page.set_viewport_size({"width": 718, "height": 1000})  # A4 less its margins, in CSS pixels
        assert page.evaluate("document.documentElement.scrollWidth") <= 718
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.pdf(format="A4").startswith(b"%PDF-")


def test_a_cluster_of_thousands_is_told_in_a_page_that_still_opens(browser: Browser, tmp_path: Path) -> None:
    story = Story()
    at = 0.0
    for number in range(1000):
        story.move(at + 5.0, f"vm{number}", (f"h{number}", f"h{(number + 7) % 1000}"), took=20.0)
        at = story.turn(f"h{number}", at) - 100.0
    run, events = story.end(RunState.COMPLETED, at + 200.0)
    html = report_html(replace(run, reason=None), events)
    assert len(html) < 8_000_000
    with opened(browser, html, tmp_path, width=NARROW) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == NARROW
        assert page.locator("rect.bar.ph-rebooting").count() == 1000
        assert page.get_by_role("heading", name="The busiest ways between hosts").count() == 1


_CONTRAST = """() => {
    const channel = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
    const parts = colour => colour.match(/[\\d.]+/g).map(Number)
    const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b)
    const ground = each => {
        for (; each; each = each.parentElement) {
            const found = parts(getComputedStyle(each).backgroundColor)
            if (found.length < 4 || found[3] > 0) return found
        }
        return [255, 255, 255]
    }
    return [...document.querySelectorAll('h1,h2,p,li,th,td,small,strong,span,code,footer,summary')]
        .filter(each => each.offsetParent)
        .filter(each => [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
        .map(each => {
            const [a, b] = [light(parts(getComputedStyle(each).color)), light(ground(each))]
            return [each.textContent.trim().slice(0, 60), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]
        })
}"""
