"""No browser is a test that is skipped and says so; where one is required, it is a failure."""

import pytest

from tests.outputs.report import reader


@pytest.mark.parametrize(
    ("switch", "outcome"), [("", pytest.skip), ("0", pytest.skip), ("1", pytest.fail)], ids=["unset", "off", "on"]
)
def test_without_a_browser(switch: str, outcome: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "CHROMIUM", None)
    monkeypatch.setenv("SEEWHY_REQUIRE_BROWSER", switch)
    with pytest.raises(outcome.Exception, match="apt-get install chromium"):
        reader.need()
    monkeypatch.setattr(reader, "CHROMIUM", "/usr/bin/chromium")
    reader.need()
