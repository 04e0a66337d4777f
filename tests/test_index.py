"""The database's codes: made once, and never those of another database or target."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from worlds import scenes, untrained_target

from crossattack.codes import harden
from crossattack.encoding import encode
from crossattack.index import build_index
from crossattack.progress import Silent


def test_it_is_what_the_target_makes_of_the_database_and_is_made_once(empty_cache: Path) -> None:
    pairs, split = scenes()
    database, target = pairs.take(split.database), untrained_target(pairs)
    index = build_index(target, database, device="cpu", progress=Silent())
    assert torch.equal(index.images, harden(encode(target, "images", database.images)))
    assert torch.equal(index.texts, harden(encode(target, "texts", database.texts)))
    (file,) = (empty_cache / "indexes").glob("*.safetensors")
    written = file.stat().st_mtime_ns
    again = build_index(target, database, device="cpu", progress=Silent())
    assert torch.equal(again.images, index.images)
    assert file.stat().st_mtime_ns == written


@pytest.mark.usefixtures("empty_cache")
def test_another_database_or_target_has_another_index() -> None:
    pairs, split = scenes()
    target, other = untrained_target(pairs), untrained_target(pairs, seed=1)
    database, shifted = pairs.take(split.database), pairs.take(split.database.roll(1))
    first = build_index(target, database, device="cpu", progress=Silent())
    assert torch.equal(build_index(target, shifted, device="cpu", progress=Silent()).images, first.images.roll(1, 0))
    assert not torch.equal(build_index(other, database, device="cpu", progress=Silent()).images, first.images)


def test_a_damaged_index_is_made_again(empty_cache: Path) -> None:
    pairs, split = scenes()
    target, database = untrained_target(pairs), pairs.take(split.database)
    first = build_index(target, database, device="cpu", progress=Silent())
    (file,) = (empty_cache / "indexes").glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:100])
    assert torch.equal(build_index(target, database, device="cpu", progress=Silent()).images, first.images)


@pytest.mark.usefixtures("empty_cache")
def test_a_target_that_changed_behind_its_digest_is_found_out() -> None:
    pairs, split = scenes()
    target, changed = untrained_target(pairs), untrained_target(pairs, seed=1)
    database = pairs.take(split.database)
    build_index(target, database, device="cpu", progress=Silent())
    same_name = replace(changed, digest=target.digest)
    index = build_index(same_name, database, device="cpu", progress=Silent())
    assert torch.equal(index.images, harden(encode(changed, "images", database.images)))
