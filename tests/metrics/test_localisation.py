"""Both profiles against slow readings of the rules, the slips one by one, and inputs at the edge."""

import math
from dataclasses import replace

import numpy as np
import pytest

from metrics.base import Sum
from metrics.entries import Entries, Object, sums
from metrics.localisation import PROFILES, score, score_all
from metrics.pixels import otsu, resize
from metrics.words import tagger
from tests.metrics.scenes import evidence, random_maps, slow_otsu, slow_overlap, square, word

DOG = square(40, 60, 10, 20, 30, 50)
CAT = square(40, 60, 0, 0, 20, 20)


def bump(mask: np.ndarray, rows: int, cols: int) -> np.ndarray:
    """A map that is bright where the mask is."""
    return (resize(mask.astype(np.float32), rows, cols) * 255).astype(np.uint8)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", range(3))
def test_one_caption_redone_by_hand(profile, seed):
    maps = random_maps(6, seed=seed)
    given = evidence(maps, {"dog": DOG, "cat": CAT}, ("dog", "cat", "car"))
    words = [word("the", (0,), "DT"), word("dogs", (1, 2), "NNS", "dog"), word("and", (3,), "CC")]
    words += [word("table", (4,)), word(".", (5,), ".")]
    placed = [resize(one, 40, 60) for one in maps]
    thresholds = [slow_otsu(one) for one in placed]
    figures = [slow_overlap(placed[token], DOG, thresholds[token]) for token in (1, 2)]
    best = max(range(2), key=lambda index: figures[index][0])
    foreground = (max(thresholds[1], thresholds[2]) + thresholds[4]) / 2
    peak = placed[1 + best] == placed[1 + best].max()

    entries = score(given, words, profile)
    (found,) = entries.objects
    assert found[:2] == (1, "dog")
    assert found[2:] == pytest.approx((*figures[best], (peak & DOG).sum() / peak.sum()), abs=1e-12)
    assert entries.threshold == pytest.approx(foreground, abs=1e-12)
    below = {token: (maps[token] < foreground).sum() / maps[token].size for token in (0, 3, 5)}
    assert dict(entries.functions) == pytest.approx({0: below[0], 2: below[3]}, abs=1e-12)
    punctuation = {} if profile == "reference" else {4: below[5]}
    assert dict(entries.punctuation) == pytest.approx(punctuation, abs=1e-12)


def test_both_profiles_at_once_are_the_two_alone():
    given = evidence(random_maps(4), {"dog": DOG, "cat": CAT}, box=(0.0, 0.1, 1.0, 0.9))
    words = [word("the", (0,), "DT"), word("dog", (1,)), word("cat", (2,)), word("it", (3,), "PRP")]
    both = score_all(given, words)
    assert both == {profile: score(given, words, profile) for profile in PROFILES}
    assert both["corrected"].objects != both["reference"].objects


# -- corrected -------------------------------------------------------------------------------------------------------


def test_a_phrase_is_one_entry_the_best_token_of_all_its_words():
    maps = np.stack([bump(CAT, 8, 12), bump(DOG, 8, 12), random_maps(1, 8, 12)[0]])
    given = evidence(maps, {"teddy bear": DOG})
    words = [word("teddy", (0,)), word("bears", (1, 2), "NNS", "bear")]
    (entry,) = score(given, words, "corrected").objects
    alone = score(given, [word("bear", (1,))], "corrected").objects[0]
    assert entry == alone._replace(first=0)
    assert entry.iou > 0.5


def test_neighbours_of_one_category_stay_two_entries():
    given = evidence(random_maps(2), {"dog": DOG})
    assert len(score(given, [word("dog", (0,)), word("dog", (1,))], "corrected").objects) == 2


@pytest.mark.parametrize("masks", [{"cat": CAT}, {"cat": CAT, "dog": np.zeros_like(CAT)}])
@pytest.mark.parametrize("profile", PROFILES)
def test_a_match_without_a_mask_is_absent_and_no_entry(masks, profile):
    given = evidence(random_maps(1), masks, ("dog", "cat"))
    entries = score(given, [word("dog", (0,))], profile)
    assert (entries.objects, entries.absent) == ((), ((0, "dog"),))
    assert entries.threshold is not None


def test_outside_the_box_nothing_is_predicted_and_otsu_is_taken_inside():
    maps = random_maps(1, 6, 6)
    mask = square(40, 60, 5, 5, 35, 55)
    given = evidence(maps, {"dog": mask}, box=(0.0, 1 / 6, 1.0, 5 / 6))
    placed = np.zeros((40, 60))
    placed[:, 10:50] = resize(maps[0], 40, 40)
    threshold = slow_otsu(placed[:, 10:50].astype(np.uint8))
    entries = score(given, [word("dog", (0,))], "corrected")
    assert entries.objects[0][2:5] == pytest.approx(slow_overlap(placed, mask, threshold), abs=1e-12)
    assert entries.threshold == threshold


def test_a_box_beyond_the_image_is_cut_to_it():
    maps = random_maps(1, 6, 6)
    given = evidence(maps, {"dog": DOG}, box=(-0.25, 0.0, 1.25, 1.0))
    visible = resize(maps[0], 60, 60)[10:50]
    threshold = slow_otsu(visible)
    entries = score(given, [word("dog", (0,))], "corrected")
    assert entries.objects[0][2:5] == pytest.approx(slow_overlap(visible, DOG, threshold), abs=1e-12)


def test_overlapping_masks_are_both_kept():
    whole = np.ones_like(DOG)
    given = evidence(np.stack([bump(DOG, 8, 12)]), {"dog": DOG, "person": whole})
    both = score_all(given, [word("dog", (0,))])
    alone = score(evidence(given.maps, {"dog": DOG}), [word("dog", (0,))], "corrected")
    assert both["corrected"].objects == alone.objects
    assert both["reference"].objects == ()  # painted over
    assert (both["reference"].lost, both["corrected"].lost) == (DOG.sum(), 0)


def test_the_tagger_reads_category_names_as_it_read_the_words():
    hanta = tagger("hanta")
    given = evidence(random_maps(1), {"skis": DOG})
    words = [word("skis", (0,), "NNS", hanta.tag("skis")[1])]
    assert score(given, words, "corrected").objects == ()
    assert len(score(given, words, "corrected", hanta).objects) == 1


# -- the slips of `reference` ----------------------------------------------------------------------------------------


def test_slip_2_the_last_category_with_the_word_wins():
    given = evidence(random_maps(1), {"dog": DOG, "hot dog": CAT})
    assert [one.category for one in score(given, [word("dog", (0,))], "reference").objects] == ["hot dog"]
    assert [one.category for one in score(given, [word("dog", (0,))], "corrected").objects] == ["dog"]


def test_slip_3_words_without_a_mask_merge_two_other_entries():
    given = evidence(random_maps(5), {"dog": DOG, "cat": CAT}, ("dog", "cat", "traffic light"))
    words = [word(text, (index,)) for index, text in enumerate(["dog", "of", "cat", "traffic", "light"])]
    words[1] = word("of", (1,), "IN")
    corrected = score(given, words, "corrected").objects
    best = max(corrected, key=lambda one: one.iou)
    assert len(corrected) == 2
    assert score(given, words, "reference").objects == (best._replace(first=0),)


def test_neighbours_of_one_category_merge_into_the_better_in_reference():
    given = evidence(random_maps(2), {"traffic light": DOG})
    words = [word("traffic", (0,)), word("light", (1,))]
    (found,) = score(given, words, "reference").objects
    assert found == score(given, words, "corrected").objects[0]


@pytest.mark.parametrize("tokens", [(0,), (0, 1, 2, 3)])
def test_slip_4_a_sample_whose_words_do_not_end_with_its_maps_is_dropped(tokens):
    given = evidence(random_maps(3), {"dog": DOG})
    words = [word("dog", tokens)]
    assert score(given, words, "reference") == Entries()
    assert score(replace(given, maps=random_maps(len(tokens))), words, "reference").objects


def test_slip_5_an_empty_prediction_has_precision_nan_and_poisons_the_mean():
    given = evidence(np.zeros((1, 6, 9), np.uint8), {"dog": DOG})
    both = score_all(given, [word("dog", (0,))])
    assert both["corrected"].objects[0][2:5] == (0, 0, 0)
    assert math.isnan(both["reference"].objects[0].precision)
    assert math.isnan((sums(both["reference"])["precision"] + Sum(1.0, 1)).mean)


def test_slip_6_the_map_is_stretched_over_the_whole_mask():
    given = evidence(random_maps(1), {"dog": DOG}, box=(0.0, 0.2, 1.0, 0.8))
    whole = replace(given, box=(0.0, 0.0, 1.0, 1.0))
    words = [word("dog", (0,))]
    assert score(given, words, "reference") == score(whole, words, "reference")
    assert score(given, words, "corrected") != score(whole, words, "corrected")


@pytest.mark.parametrize("end", ["<|im_end|>", "</s>", "<end_of_utterance>"])
@pytest.mark.parametrize("last", ["dog", "."])
def test_slip_10_the_end_token_spoils_the_last_word(end, last):
    hanta = tagger("hanta")
    maps = random_maps(2)
    words = [word("cat", (0,)), word(last, (1,), *hanta.tag(last))]
    given = evidence(maps, {"dog": DOG, "cat": CAT})
    spoiled = score(replace(given, end=end), words, "reference", hanta)
    assert [one.category for one in spoiled.objects] == ["cat"]
    assert spoiled.functions == spoiled.punctuation == ()
    assert score(replace(given, end=end), words, "corrected", hanta) == score(given, words, "corrected", hanta)


def test_slip_10_tags_the_glued_word_anew():
    given = evidence(random_maps(2), {"cat": CAT}, end="<end>")
    words = [word("cat", (0,)), word(".", (1,), ".")]
    thresholds = [otsu(resize(one, 40, 60)) for one in given.maps]
    assert score(given, words, "reference").threshold == sum(thresholds) / 2
    assert score(replace(given, end=""), words, "reference").threshold == thresholds[0]


# -- the edge --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
def test_an_empty_answer_has_no_entry(profile):
    entries = score(evidence(np.zeros((0, 6, 9), np.uint8), {"dog": DOG}), [], profile)
    assert entries == Entries()
    assert all(one.count == 0 and math.isnan(one.mean) for one in sums(entries).values())


@pytest.mark.parametrize("profile", PROFILES)
def test_without_a_noun_no_function_word_counts(profile):
    entries = score(evidence(random_maps(2), {"dog": DOG}), [word("the", (0,), "DT"), word(".", (1,), ".")], profile)
    assert entries == Entries()


@pytest.mark.parametrize("profile", PROFILES)
def test_without_masks_thresholds_are_taken_at_the_grid(profile):
    maps = random_maps(2)
    entries = score(evidence(maps, {}, ("dog",)), [word("dog", (0,)), word("the", (1,), "DT")], profile)
    assert entries.threshold == otsu(maps[0])
    assert entries.absent == ((0, "dog"),)
    assert entries.functions == ((1, (maps[1] < otsu(maps[0])).mean()),)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("level", [1, 255])
def test_a_constant_map_predicts_everything(profile, level):
    given = evidence(np.full((1, 6, 9), level, np.uint8), {"dog": DOG})
    share = DOG.mean()
    assert score(given, [word("dog", (0,))], profile).objects == (Object(0, "dog", share, share, 1.0, share),)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("rows", "cols"), [(1, 5), (5, 1), (1, 1)])
def test_thin_grids_and_a_word_of_five_pieces(profile, rows, cols):
    maps = random_maps(5, rows, cols)
    given = evidence(maps, {"dog": DOG})
    placed = [resize(one, 40, 60) for one in maps]
    best = max(slow_overlap(one, DOG, otsu(one)) for one in placed)
    (found,) = score(given, [word("dog", (0, 1, 2, 3, 4))], profile).objects
    assert found[2:5] == pytest.approx(best, abs=1e-12)


def test_a_function_word_is_the_mean_over_its_tokens():
    maps = np.stack([bump(DOG, 4, 4), np.zeros((4, 4), np.uint8), np.full((4, 4), 255, np.uint8)])
    entries = score(evidence(maps, {"dog": DOG}), [word("dog", (0,)), word("the", (1, 2), "DT")], "corrected")
    assert entries.functions == ((1, 0.5),)


def test_masks_of_different_size_are_refused():
    given = evidence(random_maps(1), {"dog": DOG, "cat": CAT[:, :30]})
    with pytest.raises(ValueError, match="differ in size"):
        score(given, [word("dog", (0,))], "corrected")
