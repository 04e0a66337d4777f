"""Whole runs through faults: a service that fails in every way there is, and restarts, leaves no trace in results or bills."""

from pathlib import Path
from typing import Any

import pytest
from remote import doors, pictures
from remote_runs import DATABASE, FAULTS, LISTS, VERIFIED, check, results_of, without_times
from services import audit, service

from crossattack.errors import TargetError

SHOWN = {"codes": [], "lists": LISTS, "verified codes": VERIFIED, "verified lists": [*LISTS, *VERIFIED]}
IMPATIENT = "target.read_seconds=0.5"  # below the 1 s that a slow reply takes


def options(shown: str) -> dict[str, Any]:
    """What the service is told, so that it shows that."""
    return {"database": DATABASE, **({"top_k": 12} if "lists" in shown else {})}


@pytest.mark.parametrize(("shown", "seed"), [(shown, seed) for seed, shown in enumerate(SHOWN)])
def test_a_run_through_faults_and_crashes_ends_like_one_without(shown: str, seed: int, tmp_path: Path) -> None:
    with service(tmp_path / "calm", **options(shown)) as calm:
        wanted = results_of(tmp_path / "one", calm.url, IMPATIENT, *SHOWN[shown])
        assert audit(tmp_path / "one/ledger.sqlite", calm) == []
    with service(tmp_path / "faulty", faults=FAULTS, seed=seed, exit_after=6, **options(shown)) as running:
        found = results_of(tmp_path / "two", running.url, IMPATIENT, *SHOWN[shown])
        assert running.lives > 2
        assert audit(tmp_path / "two/ledger.sqlite", running) == []
        bill = found["budget"]
        assert running.total() == calm.total() == bill["spent"] + bill["evaluation"]
    assert without_times(found) == without_times(wanted)
    assert check(found, "the service counted the same")["ok"]
    assert (bill["resent"], bill["evaluation_resent"]) == (0, 0)
    status = found["directions"]["image_to_text"]["status"]
    if "verified" in shown:  # two queries an item, and answers as good as random: most leave their place
        assert bill["phases"]["attack"] == 2 * 12
        assert status["succeeded"] + status["failed"] == 12
        assert status["succeeded"] > 2
    else:
        assert (bill["phases"].keys(), status["unverified"]) == ({"mining"}, 12)


@pytest.mark.parametrize("shown", ["codes", "lists"])
def test_the_audit_can_fail_a_service_that_ignores_keys(shown: str, tmp_path: Path) -> None:
    faults = {"lost": 0.5}
    with service(tmp_path / "count", faults=faults, boasts=True, **options(shown)) as running:
        results = results_of(tmp_path / "run", running.url, *SHOWN[shown])
        found = audit(tmp_path / "run/ledger.sqlite", running)
    assert any("were counted twice" in finding for finding in found), found
    assert check(results, "the service counted the same")["ok"] is False


@pytest.mark.parametrize("bad", ["short", "impossible", "repeated", "fewer", "oversized", "malformed", "truncated", "slow", "unavailable"])
def test_a_list_that_is_always_bad_is_never_kept(bad: str, tmp_path: Path) -> None:
    settings = {"attempts": 3, "read_seconds": 0.3 if bad == "slow" else 10.0}
    wrong = service(tmp_path / "count", faults={bad: 1.0}, **options("lists"))
    with wrong as running, doors(tmp_path / "run", running.url, **settings) as both:
        with pytest.raises(TargetError, match="none got in 3 attempts") as caught:
            both.oracle.query_images(pictures(1), phase="mining")
        assert "\n" not in str(caught.value)
        assert both.spent() == running.total() == 1
        assert both.ledger._db.execute("SELECT count(*) FROM answer").fetchone() == (0,)


@pytest.mark.parametrize("bad", ["short", "oversized", "malformed", "truncated", "unavailable", "busy", "lost"])
def test_a_shown_picture_that_is_always_bad_is_never_believed(bad: str, tmp_path: Path) -> None:
    with service(tmp_path / "count", **options("lists")) as running, doors(tmp_path / "run", running.url, attempts=3) as both:
        ids = both.oracle.query_texts(["one"], phase="mining").ids[0].long()
        shown = both.oracle.shown_images(ids)
        assert shown.shape == (12, 3, 16, 16)
    wrong = service(tmp_path / "count", faults={bad: 1.0}, **options("lists"))
    with wrong as running, doors(tmp_path / "run", running.url, attempts=3) as both:
        both.oracle.query_texts(["one"], phase="mining")  # from the ledger
        with pytest.raises(TargetError, match="none got in 3 attempts"):
            both.oracle.shown_images(ids)
        assert running.total() == 1
