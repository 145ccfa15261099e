"""What do more explainers and larger batches cost? The whole path of a run on the embedded model, without pictures.

python benchmarks/bench_run.py
"""

from common import compare, demo_samples, demo_vlm, predict, report

from pipeline.explainers.cam import CAM
from pipeline.explainers.msea_arc import MSEAARC
from pipeline.explainers.tam import TAM

SCENES = 16
ROUNDS = 7


def main() -> None:
    """One line a question."""
    vlm, samples, one = demo_vlm(), demo_samples(SCENES), {"msea_arc": MSEAARC()}
    three = {"cam": CAM(), "tam": TAM(), **one}
    found = compare(lambda: predict(vlm, three, samples, 8), lambda: predict(vlm, one, samples, 8), ROUNDS)
    report("cam,tam,msea_arc / msea_arc, batch 8, 16 scenes", found[0], 1.1, *found[1:])
    found = compare(lambda: predict(vlm, three, samples, 8), lambda: predict(vlm, three, samples, 1), ROUNDS)
    report("an image in a batch of 8 / alone, three explainers", found[0], 0.6, *found[1:])


if __name__ == "__main__":
    main()
