"""The gallery in a browser: words, maps, masks, tokens, filters, order, keys."""

from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from pipeline.outputs.report import gallery
from pipeline.outputs.report.read import read_runs
from tests.outputs.report.built import EXPLAINERS, SCENES
from tests.outputs.report.reader import Watched


def maps(read: Any) -> list[str]:
    return read.eval_on_selector_all("#tiles canvas", "(all) => all.map((canvas) => canvas.toDataURL())")


def words(read: Any) -> list[str]:
    """The words that are chosen."""
    return read.locator("#caption button[aria-pressed=true]").all_text_contents()


def listed(read: Any) -> list[str]:
    """Captions in the order of the list."""
    return read.locator("#list .said").all_text_contents()


def test_a_click_on_a_word_changes_the_map_of_every_explainer(watched: Watched, runs: list[Path]) -> None:
    read = watched.ready()
    assert words(read) == ["dog"], "the first object"
    names = [name.removesuffix(" ★") for name in read.locator("#tiles strong").all_text_contents()]
    assert names == list(EXPLAINERS)
    before = maps(read)
    assert len(set(before)) == len(EXPLAINERS)
    row = read_runs(runs)[0].rows["a"]
    for at, name in enumerate(EXPLAINERS):
        entry = row.explainers[name]["corrected"].objects[0]
        told = read.locator("#tiles .figures").nth(at).inner_text()
        assert told == f"IoU {100 * entry.iou:.2f} · P {100 * entry.precision:.2f} · R {100 * entry.recall:.2f}"
    read.get_by_role("button", name="A", exact=True).click()
    assert words(read) == ["A"]
    after = maps(read)
    assert all(one != other for one, other in zip(before, after, strict=True))
    share = row.explainers["cam"]["corrected"].functions[0].share
    assert read.locator("#tiles .figures").first.inner_text() == f"{100 * share:.2f} % below the threshold"


def test_maps_stand_at_their_grid_on_the_box_and_are_smooth_on_demand(watched: Watched) -> None:
    read = watched.ready()
    canvas = read.locator("#tiles canvas").first
    placed = "(node) => [node.width, node.height, node.style.left, node.style.width, node.style.height]"
    assert canvas.evaluate(placed) == [8, 6, "0%", "75%", "100%"]
    assert canvas.evaluate("(node) => getComputedStyle(node).imageRendering") == "pixelated"
    read.get_by_label("smooth").check()
    assert canvas.evaluate("(node) => getComputedStyle(node).imageRendering") == "auto"
    read.get_by_label("map over image").fill("50")
    assert canvas.evaluate("(node) => getComputedStyle(node).opacity") == "0.5"
    whole = maps(read)
    read.get_by_label("cut at the threshold").check()
    assert all(one != other for one, other in zip(whole, maps(read), strict=True))
    bar = read.locator("#bar").evaluate("(node) => [...node.getContext('2d').getImageData(0, 0, 256, 1).data]")
    assert bytes(bar[:3] + bar[-4:-1]).hex() == gallery.colours()[:6] + gallery.colours()[-6:]


def test_the_outline_of_the_mask_comes_and_goes(watched: Watched) -> None:
    read = watched.ready()
    outline = read.locator("#tiles path").first
    assert outline.is_visible()
    assert read.locator("#whole figcaption").inner_text() == "masks: dog, traffic light"
    assert read.locator("#whole path.its").count() == 1, "that of the word's own category stands out"
    read.get_by_label("mask outline").uncheck()
    assert not outline.is_visible()
    read.get_by_label("mask outline").check()
    assert outline.is_visible()


def test_a_word_of_several_tokens_shows_the_one_that_counts_and_any_other(watched: Watched) -> None:
    read = watched.ready()
    read.get_by_role("button", name="light", exact=True).click()
    assert words(read) == ["traffic", "light"], "a phrase is one object"
    tokens = read.locator("#tokens button")
    assert tokens.all_text_contents() == ["the one that counts", "token 1", "token 2", "token 3"]
    best = read.locator("#tiles .figures").first.inner_text()
    found = []
    for at in (1, 2, 3):
        tokens.nth(at).click()
        found.append(read.locator("#tiles .figures").first.inner_text())
        assert read.evaluate("document.activeElement.textContent") == f"token {at}", "the focus stays"
        assert tokens.nth(at).get_attribute("aria-pressed") == "true"
    assert read.locator("#tokens [aria-pressed=true]").count() == 1
    assert len(set(found)) == 3
    assert best == max(found, key=lambda told: float(told.split()[1]))


def test_the_list_is_filtered_and_sorted(watched: Watched, runs: list[Path]) -> None:
    read = watched.ready()
    rows = read_runs(runs)[0].rows
    iou = {}
    for scene in SCENES:
        objects = [rows[scene.key].explainers[name]["corrected"].objects for name in EXPLAINERS]
        values = [entry.iou for of in objects for entry in of]
        iou[scene.said] = sum(values) / len(values) if values else 2.0
    assert listed(read) == [scene.said for scene in SCENES]
    read.get_by_label("order", exact=True).select_option("worst")
    assert listed(read) == sorted(iou, key=lambda said: iou[said]), "one without objects comes last"
    read.get_by_label("order", exact=True).select_option("best")
    assert listed(read)[:-1] == sorted(set(iou) - {"Green and blue."}, key=lambda said: -iou[said])
    assert listed(read)[-1] == "Green and blue."
    read.get_by_label("category", exact=True).select_option(label="skateboard")
    assert set(listed(read)) == {SCENES[1].said, SCENES[4].said}
    assert read.locator("#count").inner_text() == "2 of 5"
    read.get_by_label("category", exact=True).select_option("")
    read.get_by_label("names an absent object").check()
    assert listed(read) == [SCENES[2].said]
    read.get_by_label("names an absent object").uncheck()
    read.get_by_label("find").fill("dog TRAFFIC")
    expect(read.locator("#list .said")).to_have_text([SCENES[0].said])
    read.get_by_label("find").fill("whole picture")
    expect(read.locator("#key")).to_have_text("b")
    expect(read.locator("#where")).to_contain_text("sample 1, b.jpg, asked")
    read.get_by_label("find").fill("C.JPG")
    expect(read.locator("#list .said")).to_have_text([SCENES[2].said])
    read.get_by_label("find").fill("nowhere")
    expect(read.locator("#count")).to_have_text("0 of 5")
    assert listed(read) == []
    assert not read.locator("#sample").is_visible(), "no picture stands under what it is not of"
    assert read.locator("#none").is_visible()
    read.get_by_role("button", name="Clear them").click()
    expect(read.locator("#count")).to_have_text("5 of 5")
    assert read.locator("#sample").is_visible()
    assert not read.locator("#none").is_visible()


def test_what_is_not_in_another_run_is_not_shown_of_the_first(watched: Watched) -> None:
    read = watched.ready()
    read.get_by_label("run", exact=True).select_option(label="y")
    expect(read.locator("#count")).to_have_text("6 of 6")
    read.get_by_label("find").fill("A tv.")
    expect(read.locator("#key")).to_have_text("f")
    read.get_by_label("run", exact=True).select_option(label="x")
    expect(read.locator("#count")).to_have_text("0 of 5")
    assert not read.locator("#sample").is_visible()
    read.get_by_label("run", exact=True).select_option(label="y")
    expect(read.locator("#whole img")).to_have_attribute("src", "runs/1/5.jpg")
    assert read.locator("#sample").is_visible()


def held_back(read: Any, name: str) -> None:
    """What the page loads by that name comes when `release()` is called."""
    read.evaluate(
        """(name) => {
            const append = document.head.append.bind(document.head);
            document.head.append = (node) => {
                if (node.src.endsWith(name)) window.release = () => append(node);
                else append(node);
            };
        }""",
        name,
    )


def test_what_was_typed_last_counts(watched: Watched) -> None:
    read = watched.ready()
    held_back(read, "runs/0/texts.js")
    read.get_by_label("find").fill("nowhere to be found")
    read.get_by_label("find").fill("")
    expect(read.locator("#count")).to_have_text("5 of 5")
    read.evaluate("release()")
    read.evaluate("load('0/texts').then(() => null)")
    expect(read.locator("#count")).to_have_text("5 of 5")


def test_until_a_sample_of_another_run_is_there_none_is_shown(watched: Watched) -> None:
    read = watched.ready()
    held_back(read, "runs/1/0.js")
    read.get_by_label("run", exact=True).select_option(label="y")
    expect(read.locator("#count")).to_have_text("6 of 6")
    assert not read.locator("#sample").is_visible()
    read.evaluate("release()")
    expect(read.locator("#whole img")).to_have_attribute("src", "runs/1/0.jpg")
    assert read.locator("#sample").is_visible()


def test_a_category_stays_chosen_in_another_run_that_has_it(watched: Watched) -> None:
    read = watched.ready()
    read.get_by_label("run", exact=True).select_option(label="y")
    read.get_by_label("category", exact=True).select_option(label="traffic light")
    read.get_by_label("IoU of").select_option(label="tam")
    read.get_by_label("run", exact=True).select_option(label="x")
    expect(read.locator("#count")).to_have_text("1 of 5")
    assert read.locator("#category option:checked").inner_text() == "traffic light"
    assert read.locator("#by option:checked").inner_text() == "tam"
    read.get_by_label("run", exact=True).select_option(label="y")
    read.get_by_label("category", exact=True).select_option(label="tv")
    read.get_by_label("run", exact=True).select_option(label="x")
    expect(read.locator("#count")).to_have_text("5 of 5")
    assert read.locator("#category option:checked").inner_text() == "any"


def test_of_a_word_of_several_tokens_each_map_has_its_own_share(watched: Watched, runs: list[Path]) -> None:
    """What stands under a map is counted in that map: cells that are faint when it is cut."""
    read = watched.ready()
    read.locator("#list button").nth(2).click()
    expect(read.locator("#key")).to_have_text("c")
    read.get_by_role("button", name="another", exact=True).click()
    tokens = read.locator("#tokens button")
    assert tokens.all_text_contents() == ["the first", "token 1", "token 2"]
    read.get_by_label("cut at the threshold").check()
    row = read_runs(runs)[0].rows["c"]
    at = next(at for at, spoken in enumerate(row.spoken) if spoken.text.strip() == "another")
    told = []
    for number in (0, 1, 2):
        tokens.nth(number).click()
        figures = read.locator("#tiles .figures").all_text_contents()
        told.append(figures)
        faint = read.eval_on_selector_all(
            "#tiles canvas",
            """(all) => all.map((canvas) => {
                const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                return data.filter((value, place) => place % 4 === 3 && value === 40).length / (data.length / 4);
            })""",
        )
        for name, text, below in zip(EXPLAINERS, figures, faint, strict=True):
            entries = row.explainers[name]["corrected"]
            whole = next(share.share for share in (*entries.functions, *entries.punctuation) if share.first == at)
            assert text == f"{100 * below:.2f} % below the threshold, {100 * whole:.2f} % over the word's tokens"
    assert told[0] == told[1]
    assert told[1] != told[2]


def test_a_word_that_names_an_absent_object_is_marked(watched: Watched) -> None:
    read = watched.ready()
    read.locator("#list button").nth(2).click()
    absent = read.locator("#caption button.absent")
    absent.click()
    assert absent.inner_text() == "dog"
    assert absent.evaluate("(node) => getComputedStyle(node, '::before').content").startswith('"⊘')
    assert set(read.locator("#tiles .figures").all_text_contents()) == {"⊘ not in the image: dog"}
    assert read.locator("#list .marks").nth(2).inner_text().endswith("⊘ absent object")


def test_the_keyboard_moves_between_words_and_samples(watched: Watched) -> None:
    read = watched.ready()
    read.get_by_role("button", name="dog", exact=True).focus()
    for key, wanted in [
        ("ArrowRight", "sits"),
        ("ArrowRight", "by"),
        ("ArrowLeft", "sits"),
        ("Home", "A"),
        ("End", "."),
    ]:
        read.keyboard.press(key)
        assert words(read) == [wanted]
        assert read.evaluate("document.activeElement.textContent") == wanted, "the focus goes along"
    assert read.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    before = maps(read)
    read.keyboard.press("ArrowDown")
    expect(read.locator("#key")).to_have_text("b")
    expect(read.locator("#caption button[aria-pressed=true]").first).to_be_focused()
    assert maps(read) != before
    read.locator("#list button[aria-current=true]").focus()
    read.keyboard.press("ArrowUp")
    expect(read.locator("#key")).to_have_text("a")
    assert read.evaluate("document.activeElement.getAttribute('aria-current')") == "true"


def test_another_run_shows_the_same_sample(watched: Watched) -> None:
    read = watched.ready()
    read.locator("#list button").nth(1).click()
    expect(read.locator("#key")).to_have_text("b")
    before = maps(read)
    read.get_by_label("run", exact=True).select_option(label="y")
    expect(read.locator("#count")).to_have_text("6 of 6")
    expect(read.locator("#whole img")).to_have_attribute("src", "runs/1/1.jpg")
    assert read.locator("#key").inner_text() == "b"
    assert maps(read) != before


def test_the_list_shows_the_sample_that_was_stepped_to_and_the_page_stays(browser: Any, many: Path) -> None:
    for size in ({"width": 1400, "height": 700}, {"width": 400, "height": 800}):
        opened = Watched(browser, many, viewport=size)
        read = opened.ready()
        read.locator("#next").scroll_into_view_if_needed()
        before = read.evaluate("scrollY")
        for _ in range(12):
            read.locator("#next").click()
        expect(read.locator("#where")).to_contain_text("sample 12")
        assert read.evaluate("scrollY") == before
        box, row = (read.locator(one).bounding_box() for one in ("#list", "#list [aria-current=true]"))
        for side, length in (("x", "width"), ("y", "height")):
            assert box[side] <= row[side] + 1
            assert row[side] + row[length] <= box[side] + box[length] + 1
        opened.close()
