"""ROUGE-L as the package `rouge` 1.0.1 has it (https://github.com/pltrdy/rouge), which the public code of TAM calls.

It differs from the usual ROUGE-L: a text is cut into sentences at every full stop, words are what spaces part (case and
punctuation kept), and a word that occurs twice counts once. Of each sentence of the reference the longest common
subsequence with every sentence of the answer is looked for; the *set* of all words found this way is set against the
sets of words of both texts.
"""

from collections.abc import Iterable, Sequence


def rouge_l(answer: str, captions: Sequence[str]) -> float | None:
    """Return the best F1 over the captions, in [0, 1]; None without a caption that has a sentence.

    An answer without a sentence ("", "...") scores 0; the package raises an error there.
    """
    said = sentences(answer)
    references = [found for caption in captions if (found := sentences(caption))]
    if not references:
        return None
    return max(f1(said, reference) for reference in references) if said else 0.0


def sentences(text: str) -> list[list[str]]:
    """Return the words of each sentence. A sentence of nothing but spaces has one word, the empty one."""
    return [" ".join(sentence.split()).split(" ") for sentence in text.split(".") if sentence]


def f1(answer: Sequence[Sequence[str]], reference: Sequence[Sequence[str]]) -> float:
    """Return F1 with the package's 1e-8 in the denominator, by which equal texts have a little less than 1."""
    common = {word for one in reference for other in answer for word in subsequence(one, other)}
    recall, precision = (len(common) / len(_words(of)) for of in (reference, answer))
    return 2.0 * ((precision * recall) / (precision + recall + 1e-8))


def _words(text: Iterable[Sequence[str]]) -> set[str]:
    return {word for sentence in text for word in sentence}


def subsequence(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """Return a longest common subsequence, of several the one that the package takes; its last word first."""
    lengths = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, word in enumerate(one, 1):
        for j, against in enumerate(other, 1):
            longest = max(lengths[i - 1][j], lengths[i][j - 1])
            lengths[i][j] = lengths[i - 1][j - 1] + 1 if word == against else longest
    found = []
    i, j = len(one), len(other)
    while i and j:
        if one[i - 1] == other[j - 1]:
            found.append(one[i - 1])
            i, j = i - 1, j - 1
        elif lengths[i - 1][j] > lengths[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return found
