"""Evaluate explainers: a model, explainers and data in; a run folder with rows, figures and a summary out.

    python run_eval.py
    python run_eval.py --vlm configs/vlm/qwen2_vl_2b.yaml --data my_shards.yaml --explainers cam,msea_arc \\
                       --explainer.msea_arc.k=20 --limit 100 --trainer.devices 2

Exit status: 0 complete; 2 the command is wrong; 3 samples are missing; 4 more samples quarantined than --max_bad.
"""

import os
import sys
from pathlib import Path

from pipeline import cli


def main(args: list[str] | None = None) -> int:
    """Run the evaluation that `args` (default: the command line) describes; returns the exit status."""
    job = cli.parse(sys.argv[1:] if args is None else args)
    os.environ["OMP_NUM_THREADS"] = str(job.config.threads)  # else Lightning divides the cores among its processes
    from pipeline.evaluation import Evaluation

    return Evaluation(job).run()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    sys.exit(main())
