"""The page in a browser: nothing is run that was only said, nothing leaves, and everybody can read it."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.outputs.report.built import HOSTILE
from tests.outputs.report.reader import Watched


def test_the_profile_is_switched_without_scripts_too(browser: Any, two: Path) -> None:
    opened = Watched(browser, two, java_script_enabled=False)
    read = opened.page
    assert read.locator(".corrected .standings").first.is_visible()
    assert not read.locator(".reference .standings").first.is_visible()
    read.get_by_label("reference", exact=True).check()
    assert read.locator(".reference .standings").first.is_visible()
    plot = read.locator(".reference .plots img, .plots.reference img").first
    plot.scroll_into_view_if_needed()
    assert plot.bounding_box()["height"] > 100
    assert read.locator("noscript .notice").is_visible()
    assert not read.locator("#samples").is_visible()
    opened.context.close()
    assert opened.said == []


TEXT = "(node) => node.textContent.replace(/[\\ud800-\\udfff]/gu, '')"
"""What a node says, without halves of characters."""


@pytest.mark.parametrize("watched", [("hostile", {})], indirect=True)
def test_hostile_text_is_shown_and_not_run(watched: Watched) -> None:
    read = watched.ready()
    title = read.title()
    assert read.locator("#list li").count() == len(HOSTILE)
    for at, text in enumerate(HOSTILE):
        read.locator("#list button").nth(at).click()
        expect(read.locator("#whole img")).to_have_attribute("src", f"runs/0/{at}.jpg")
        key, where, caption = (read.locator(f"#{name}").evaluate(TEXT) for name in ("key", "where", "caption"))
        wanted = text.replace("\ud83d", "")
        assert key == wanted
        assert wanted in where
        assert "".join(caption.split()) == "".join(f"{wanted} a dog".split())
        assert read.evaluate("document.documentElement.scrollWidth <= innerWidth"), "a word of 2,000 letters is broken"
        top, maps = (read.locator(f"#{name}").bounding_box()["y"] for name in ("sample", "tiles"))
        assert maps - top < 700, "long texts scroll, and do not push the maps away"
        for one in range(read.locator("#caption button").count()):
            read.locator("#caption button").nth(one).click(timeout=2000)
            if one > 8:
                break
    assert read.title() == title
    assert read.locator("img[src=x]").count() == 0
    assert read.locator("script:not([src])").count() == 0


@pytest.mark.parametrize("watched", [("hostile", {})], indirect=True)
def test_a_caption_from_right_to_left_runs_so_and_its_arrows_too(watched: Watched) -> None:
    read = watched.ready()
    read.locator("#list button").nth(2).click()
    expect(read.locator("#whole img")).to_have_attribute("src", "runs/0/2.jpg")
    caption = read.locator("#caption")
    assert caption.evaluate("(node) => getComputedStyle(node).direction") == "rtl"
    places = [read.locator("#caption button").nth(at).bounding_box()["x"] for at in (0, 1)]
    assert places[0] > places[1]
    read.locator("#caption button").first.click()
    read.keyboard.press("ArrowLeft")
    assert read.evaluate("[...document.querySelector('#caption').children].indexOf(document.activeElement)") > 0


def test_the_policy_stops_what_the_page_does_not_do(browser: Any, two: Path) -> None:
    """Were there a hole for markup or scripts, they still could not call home."""
    opened = Watched(browser, two)
    read = opened.ready()
    stopped = """async () => {
      const seen = [];
      document.addEventListener("securitypolicyviolation", (event) => seen.push(event.effectiveDirective));
      await fetch("http://127.0.0.1:9/").catch(() => {});
      document.body.append(Object.assign(new Image(), { src: "http://127.0.0.1:9/x.png" }));
      const script = document.createElement("script");
      script.textContent = "document.title = 'owned'";
      document.body.append(script);
      document.body.setAttribute("style", "color: red");
      await new Promise((resolve) => setTimeout(resolve, 200));
      return [...seen, document.title.includes("owned")];
    }"""
    assert set(read.evaluate(stopped)) == {"connect-src", "img-src", "script-src-elem", "style-src-attr", False}
    opened.context.close()


NARROW = [
    ("two", {"viewport": {"width": 400, "height": 800}}),
    ("hostile", {"viewport": {"width": 400, "height": 800}}),
]


@pytest.mark.parametrize("watched", NARROW, indirect=True, ids=["two", "hostile"])
def test_a_narrow_screen_scrolls_down_only(watched: Watched) -> None:
    read = watched.ready()
    assert read.evaluate("document.documentElement.scrollWidth") <= 400
    assert read.locator("#tiles figure").first.bounding_box()["width"] > 140


@pytest.mark.parametrize("watched", [("sweep", NARROW[0][1])], indirect=True, ids=["sweep"])
def test_a_table_of_many_runs_breaks_no_value(watched: Watched) -> None:
    read = watched.ready()
    lines = read.eval_on_selector_all("#runs .scroll bdi", "(all) => all.map((node) => node.getClientRects().length)")
    assert set(lines) == {1}
    assert len(lines) >= 18
    assert read.evaluate("document.documentElement.scrollWidth") <= 400


CONTRAST = """() => {
  const parsed = (text) => {
    const parts = text.match(/[\\d.]+/g).map(Number);
    return { rgb: parts.slice(0, 3).map((part) => part / (text.startsWith("color(") ? 1 : 255)), alpha: parts[3] ?? 1 };
  };
  const over = (top, below) => top.rgb.map((part, at) => top.alpha * part + (1 - top.alpha) * below[at]);
  const ground = (node) =>
    node ? over(parsed(getComputedStyle(node).backgroundColor), ground(node.parentElement)) : [1, 1, 1];
  const light = (rgb) => rgb
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const [texts, found] = [document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), []];
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    if (!texts.currentNode.textContent.trim() || !node.checkVisibility() || node.closest("option")) continue;
    const [ink, paper] = [over(parsed(getComputedStyle(node).color), ground(node)), ground(node)].map(light);
    found.push((Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05));
  }
  return found;
}"""
"""Of every piece of text that is seen, with its ground."""
SCHEMES = [("two", {"color_scheme": "light"}), ("two", {"color_scheme": "dark"})]


@pytest.mark.parametrize("watched", SCHEMES, indirect=True, ids=["light", "dark"])
def test_words_can_be_read_on_both_grounds(watched: Watched) -> None:
    read = watched.ready()
    for details in read.locator("details > summary:visible").all():
        details.click()
    contrasts = read.evaluate(CONTRAST)
    assert len(contrasts) > 300
    assert min(contrasts) >= 4.5
    colours = read.eval_on_selector_all(".legend span", "(all) => all.map((node) => getComputedStyle(node).color)")
    assert len(set(colours)) == 5, "an object and another noun are told apart by their underline"
    kinds = read.eval_on_selector_all(
        ".legend .object, .legend .noun, .legend .absent",
        "(all) => all.map((node) => getComputedStyle(node).textDecorationStyle)",
    )
    assert len(set(kinds)) == 3
    dark = read.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    plot = read.locator(".plots img").first
    plot.scroll_into_view_if_needed()
    assert plot.evaluate("(node) => node.currentSrc").endswith("-dark.svg") == dark


NAMED = ("button", "checkbox", "combobox", "searchbox", "slider", "radio", "link", "image")
"""Roles of what a reader who does not see must be told the names of."""


@pytest.mark.parametrize("watched", [("two", {}), NARROW[1]], indirect=True, ids=["two", "hostile"])
def test_whatever_can_be_used_has_a_name(watched: Watched) -> None:
    read = watched.ready()
    read.get_by_role("button", name="light", exact=True).or_(read.locator("#caption button")).first.click()
    tree = watched.context.new_cdp_session(read).send("Accessibility.getFullAXTree")["nodes"]
    nodes = [node for node in tree if not node["ignored"]]
    names = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes]
    found = {role: [name for its, name in names if its == role] for role in NAMED}
    assert [role for role in NAMED if not found[role]] == [], "there are some of each"
    assert [role for role in NAMED if not all(found[role])] == []


def test_keys_alone_reach_every_control_and_show_where_they_are(watched: Watched) -> None:
    """Tab goes through the page once; in list and caption it stops once, arrows do the rest."""
    read = watched.ready()
    seen = []
    for _ in range(80):
        read.keyboard.press("Tab")
        seen.append(
            read.evaluate(
                """() => {
                    const node = document.activeElement;
                    const [style, box] = [getComputedStyle(node), node.getBoundingClientRect()];
                    const lit = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
                    const there = box.bottom > 0 && box.top < innerHeight;
                    return [node === document.body ? null : node.closest("[id]")?.id ?? "", lit && there];
                }"""
            )
        )
        if seen[-1][0] is None:
            seen.pop()
            break
    names = [name for name, _ in seen]
    for wanted in ("run", "find", "category", "sort", "by", "absent", "list", "back", "next", "caption"):
        assert names.count(wanted) == 1, wanted
    assert {"outline", "smooth", "cut", "blend", "profile-corrected"} <= set(names)
    assert [name for name, lit in seen if not lit] == []


def test_no_button_of_a_token_is_cut_on_a_narrow_screen_or_under_a_finger(browser: Any, two: Path) -> None:
    narrow = {"viewport": {"width": 400, "height": 800}}
    for options in (narrow, {**narrow, "has_touch": True, "is_mobile": True}, {"has_touch": True}):
        opened = Watched(browser, two, **options)
        read = opened.ready()
        read.get_by_role("button", name="light", exact=True).click()
        box = read.locator("#tokens")
        assert len({button.bounding_box()["y"] for button in box.locator("button").all()}) >= (
            2 if "viewport" in options else 1
        )
        assert box.evaluate("(node) => node.scrollHeight - node.clientHeight") == 0
        bottom = box.bounding_box()["y"] + box.bounding_box()["height"]
        for button in box.locator("button").all():
            assert button.bounding_box()["y"] + button.bounding_box()["height"] <= bottom + 0.5
        opened.close()
