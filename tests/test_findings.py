"""What attacks found out on their way: kept, read back, told."""

from pathlib import Path

from crossattack.findings import findings, keep
from crossattack.report._rows import asked_rows

AUDITION = {
    "pictures": 25,
    "bits_turned": {"straight": 0.113, "resized": 0.208},
    "taken": "resized",
    "trust": {"surrogate-convnet": 0.2209, "surrogate-mobilenet_v2": 1e-06},
}


def test_what_is_kept_is_read_back_and_a_broken_file_is_left_out(tmp_path: Path) -> None:
    assert findings(tmp_path) == {}
    keep(tmp_path, "audition", AUDITION)
    keep(tmp_path, "another", {"found": None})
    (tmp_path / "broken.finding.json").write_text('{"cut": ', encoding="utf-8")
    (tmp_path / "listed.finding.json").write_text("[1]", encoding="utf-8")
    assert findings(tmp_path) == {"another": {"found": None}, "audition": AUDITION}


def test_an_audition_is_told_in_a_line() -> None:
    told = "of 25 own pictures, bits turned: straight 11 %, resized 21 %; resized was taken; trusted: convnet 0.221, mobilenet_v2 0.000"
    assert asked_rows({"findings": {"audition": AUDITION, "another": {}}}) == [("audition", told)]
    assert asked_rows({}) == []
