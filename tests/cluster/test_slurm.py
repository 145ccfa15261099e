"""The batch script under a real SLURM, where one is installed."""

from collections.abc import Iterator

import pytest

from tests.cluster.localhost import absent
from tests.cluster.slurm_localhost import PARTS, Demonstration, demonstration

pytestmark = pytest.mark.skipif(
    bool(absent()), reason=f"not installed: {', '.join(absent())} (apt-get install slurm-wlm munge)"
)


@pytest.fixture(scope="module")
def shown() -> Iterator[Demonstration]:
    with demonstration() as cluster:
        yield cluster


@pytest.mark.parametrize("part", PARTS)
def test_under_the_real_daemons(shown: Demonstration, part: str) -> None:
    getattr(shown, part)()
