"""One pass over the rows, in which all is added up that a summary says."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from metrics import entries as scores
from metrics import text
from metrics.entries import Entries
from metrics.interval import Table
from pipeline.outputs.records import Row

LENGTHS = (10, 20, 40, 80)
"""Upper bounds, in words, of the classes of caption length; the last class has none."""


class LengthClass:
    """Captions of about one length: how many, and every entry."""

    def __init__(self) -> None:
        self.images = 0
        self.obj_iou, self.func_iou = array("d"), array("d")


class Scores:
    """What one explainer scored in one profile: the sums of each image, and every entry by category and by length."""

    def __init__(self) -> None:
        self.images = Table(scores.METRICS)
        self.categories: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))
        self.lengths: defaultdict[str, LengthClass] = defaultdict(LengthClass)

    def skip(self) -> None:
        """Leave a line for an image that the explainer failed on."""
        self.images.append({})

    def add(self, entries: Entries, words: int) -> None:
        """One more image and the number of its caption's words."""
        self.images.append(scores.sums(entries))
        of = self.lengths[length(words)]
        of.images += 1
        for entry in entries.objects:
            self.categories[entry.category].append(entry.iou)
            of.obj_iou.append(entry.iou)
        of.func_iou.extend(entry.share for entry in entries.functions)


class Tally:
    """Rows added up. `scores` has an entry for each explainer and profile; an image without masks has none to add.

    missing: explainer -> places, among the scored images, of those that it failed on. failed: explainer -> kind of
    error -> how often. mentions: profile -> what the captions mention, the same for every explainer: matches are made
    on words, not on maps.
    """

    def __init__(self, explainers: Sequence[str], profiles: Sequence[str]) -> None:
        self.scores = {(name, profile): Scores() for name in explainers for profile in profiles}
        self.missing: dict[str, set[int]] = {name: set() for name in explainers}
        self.failed: dict[str, Counter[str]] = {name: Counter() for name in explainers}
        kinds = ("captions_without_object", "present", "absent", "lost_pixels")
        self.mentions = {profile: dict.fromkeys(kinds, 0) for profile in profiles}
        self.captions = Table(text.METRICS)
        self.metrics: set[str] = set()
        self.scored = self.with_masks = self.words = self.tokens = self.unfinished = 0
        self.labels: Counter[str] = Counter()
        self.redone: Counter[str] = Counter()
        self.quarantine: Counter[str] = Counter()

    def add(self, row: Row) -> None:
        """One more row. The order of scored rows is that of the images."""
        if row.error is not None:
            self.quarantine[reason(row.error)] += 1
            return
        for name in self.missing.keys() & row.failed.keys():
            self.missing[name].add(self.scored)
            self.failed[name][reason(row.failed[name])] += 1
        self.scored += 1
        self.with_masks += bool(row.explainers or row.captions)
        for (name, profile), of in self.scores.items():
            if name in row.failed:
                of.skip()
            else:
                of.add(row.explainers.get(name, {}).get(profile, Entries()), len(row.words))
        if row.explainers or not row.failed:
            self._mention(next(iter(row.explainers.values()), {}))
        self.captions.append(row.captions)
        self.metrics.update(row.captions)
        self.words += len(row.words)
        for word in row.spoken:
            self.labels[word.label] += 1
        if row.redone:
            self.redone[row.redone] += 1
        if row.answer:
            self.tokens += len(row.answer["ids"])
            self.unfinished += not row.answer["ended"]

    def _mention(self, profiles: Mapping[str, Entries]) -> None:
        """Count what one caption mentions, by the entries of any explainer."""
        for profile, counts in self.mentions.items():
            entries = profiles.get(profile, Entries())
            counts["captions_without_object"] += not entries.objects and not entries.absent
            counts["present"] += len(entries.objects)
            counts["absent"] += len(entries.absent)
            counts["lost_pixels"] += entries.lost


def length(words: int) -> str:
    """The class of a caption's length: "0-10", "11-20", …, "81-"; an answer may have no word at all."""
    lower = 0
    for upper in LENGTHS:
        if words <= upper:
            return f"{lower}-{upper}"
        lower = upper + 1
    return f"{lower}-"


def reason(error: str) -> str:
    """The kind of an error; its text may hold names of files and hosts, which stay in the rows."""
    kind = error.split(":")[0]
    return kind if kind.isidentifier() and kind.endswith(("Error", "Exception")) else "unreadable"
