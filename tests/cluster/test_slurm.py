"""The batch script under a real SLURM, where one is installed."""

import pytest

from tests.cluster import slurm_localhost
from tests.cluster.localhost import absent


@pytest.mark.skipif(bool(absent()), reason=f"not installed: {', '.join(absent())} (apt-get install slurm-wlm munge)")
def test_the_batch_script_under_the_real_daemons() -> None:
    slurm_localhost.demonstrate()
