"""docs/uaa_gan.md tells the kept figures of the scenarios."""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
import uaa_gan  # noqa: E402

PAGE = (ROOT / "docs/uaa_gan.md").read_text(encoding="utf-8")
FOUND = json.loads((ROOT / "docs/results/uaa_gan-scenarios.json").read_text(encoding="utf-8"))


def test_the_table_is_the_one_of_the_kept_figures() -> None:
    (block,) = re.findall(r"<!-- scenarios -->\n(.*?)<!-- end -->", PAGE, re.S)
    assert block == uaa_gan.table(FOUND)


def test_image_retrieval_keeps_at_most_15_percent_of_its_map_at_ten_times_the_speed_of_pgd() -> None:
    for seed in FOUND["scenarios"]["image_retrieval"].values():
        assert seed["attacked"]["map"] <= 0.15 * seed["clean"]["map"]
        assert seed["attacked"]["map"] < seed["noise"]["map"]
        assert seed["over_noise_ci95"][0] > 0
        assert seed["items_per_second"]["uaa_gan"] >= 10 * seed["items_per_second"]["pgd"]


def test_where_the_change_goes_is_told_as_it_was_measured() -> None:
    for scenario, word in (("image_retrieval", "1.12"), ("re_identification", "0.94"), ("faces", "1.04")):
        assert f"{FOUND['scenarios'][scenario]['0']['textured_over_flat']['attacked']:.2f}" == word
        assert word in PAGE


def test_the_sensitivity_is_told_and_drawn_as_it_was_measured(tmp_path: Path) -> None:
    found = FOUND["sensitivity"]
    section = PAGE.partition("## How much hangs on the weights")[2].partition("\n## ")[0]
    every = [one for values in found.values() for one in values.values()]
    told = [min(one["attacked"] for one in every), max(one["attacked"] for one in every), every[0]["clean"]]
    assert "from {:.3f} to {:.3f}, of {:.3f} clean".format(*told) in section
    assert all(one["map_ci95"][0] < other["attacked"] < one["map_ci95"][1] for one in every for other in every)
    usual, long = found["lambda_r"]["0.01"], found["lambda_r"]["1.0"]
    for text in (
        f"at 1 the change is {long['l2']:.2f} long instead of {usual['l2']:.2f}",
        f"SSIM {long['ssim']:.2f} instead of {usual['ssim']:.2f}",
        f"{found['lambda_m']['300.0']['attacked']:.3f}; a tenth, {found['lambda_m']['3.0']['attacked']:.3f}",
    ):
        assert text in section
    assert len({(one["attacked"], one["l2"]) for one in found["margin"].values()}) == 1
    uaa_gan.draw(FOUND, tmp_path / "drawn.svg")
    assert (tmp_path / "drawn.svg").read_bytes() == (ROOT / "docs/uaa_gan-sensitivity.svg").read_bytes()


def test_a_hidden_change_is_told_as_it_was_measured() -> None:
    hidden, open_ = FOUND["hidden"], FOUND["scenarios"]["image_retrieval"]["0"]
    moved = hidden["distortion"]
    for text in (
        f"{moved['textured_over_flat']:.2f} times as much as on flat surfaces",
        f"SSIM {moved['ssim']:.3f} instead of {open_['distortion']['ssim']:.3f}, CIEDE2000 {moved['ciede2000']:.2f}",
        f"{hidden['clean']:.3f} to {hidden['attacked']:.3f} (image retrieval, seed 0; noise that is hidden likewise {hidden['noise']:.3f})",
        f"where it is {open_['attacked']['map']:.3f} without",
        hidden["command"],
    ):
        assert text in PAGE
    assert hidden["over_noise_ci95"][0] > 0


def test_the_black_box_is_told_as_it_was_measured() -> None:
    found = FOUND["black_box"]
    low, high = (100 * bound for bound in found["recovered_ci95"])
    scores = f"goes from {found['clean']:.3f} to {found['attacked']:.3f}, noise {found['noise']:.3f}"
    for text in (
        f"With {found['spent']:,} queries",
        scores,
        f"{100 * found['recovered']:.0f} % [{low:.0f}, {high:.0f}]",
        f"a mean cosine of {found['feature_agreement']:.2f}",
        f"`{found['command']}`",
    ):
        assert text in PAGE
    assert found["over_noise_ci95"][0] > 0
