"""docs/defences.md: its table is that of the kept sweep, its figures are those of the tests, and its example is a defence."""

import json
import re
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
import torch
from worlds import scenes, untrained_target

from crossattack.defences import Defence
from crossattack.defences._defended import Defended
from crossattack.encoding import as_floats
from crossattack.registry import DEFENCES
from crossattack.report.defences import HEADER, filled, table
from crossattack.sweep.grid import load_sweep

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/defences.md").read_text(encoding="utf-8")
KEPT = ROOT / "docs/results/defences.json"


def cell(values: dict[str, Any], base: float, state: str = "done") -> dict[str, Any]:
    maps = {"clean": base, "noise": base - 0.01, "attacked": base - 0.1, "ceiling": None if base > 0.8 else base - 0.2}
    return {"values": values, "state": state, "directions": {way: {"map": maps} for way in ("image_to_text", "text_to_image")}}


def test_the_pages_table_is_that_of_the_kept_sweep_and_there_is_none_without() -> None:
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else None
    assert PAGE.count("<!-- defences -->") == 1
    assert filled(PAGE, kept) == PAGE


def test_a_row_is_a_defence_and_what_is_known_as_means_over_seeds_that_are_done() -> None:
    jpeg = {"defence": "jpeg", "oracle.adaptive": False}
    cells = [
        cell({"defence": "none", "seed": 0}, 0.9),
        cell(jpeg | {"seed": 0}, 0.6),
        cell(jpeg | {"seed": 1}, 0.7),
        cell(jpeg | {"seed": 2}, 0.1, state="failed"),
        cell({"target.adversarial": "8/255", "oracle.adaptive": True, "seed": 0}, 0.5),
    ]
    lines = table({"cells": cells}).splitlines()
    assert lines[0] == f"| {' | '.join(HEADER)} |"
    assert lines[2:] == [
        "| none | – | 1 | 0.900 | 0.900 | 0.890 | 0.800 | – | – |",
        "| `jpeg` | no | 2 | 0.650 | 0.650 | 0.640 | 0.550 | 0.450 | 0.450 |",
        "| adversarial training, 8/255 | yes | 1 | 0.500 | 0.500 | 0.490 | 0.400 | 0.300 | 0.300 |",
    ]
    assert table({"cells": cells}) in filled(PAGE, {"cells": cells})
    assert filled(filled(PAGE, {"cells": cells}), None) == filled(PAGE, None)


def test_every_defence_is_told_of_and_measured_both_ways() -> None:
    cells = load_sweep(ROOT / "configs/defences.yaml").cells
    measured = {(cell.config.defence.name if cell.config.defence else "none", cell.config.oracle.adaptive) for cell in cells}
    for name in DEFENCES.names():
        assert f"| `{name}` |" in PAGE
        assert {(name, True), (name, False)} <= measured
    for key in ("adversarial", "smoothing"):
        assert f"`target.{key}`" in PAGE
        assert {cell.config.oracle.adaptive for cell in cells if getattr(cell.config.target.plugin, key)} == {True, False}


def test_the_example_of_the_page_is_a_defence(monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    namespace: dict[str, Any] = {"__name__": "crossattack.defences.blur"}
    exec(compile(source, "blur.py", "exec"), namespace)
    blur = namespace["Blur"]()
    assert isinstance(blur, Defence)
    flat, images = torch.full((1, 3, 16, 16), 0.25), as_floats(scenes()[0].images[:4])
    assert torch.allclose(blur.through(flat, torch.zeros(1, 0)), flat)
    target = Defended(untrained_target(scenes()[0]), blur)
    assert not torch.allclose(target.encode_images(images), target.target.encode_images(images), atol=1e-3)
    assert target.encode_images(images.requires_grad_()).requires_grad


def test_what_is_said_of_the_table_is_what_was_measured() -> None:
    told = " ".join(PAGE.split())
    cells = json.loads(KEPT.read_text(encoding="utf-8"))["cells"]
    assert [cell["state"] for cell in cells] == ["done"] * 22

    def scores(condition: str, knows: bool, direction: str = "image_to_text") -> dict[str, float]:
        """By defence, the mean over the seeds."""
        found = dict[str, list[float]]()
        for cell in cells:
            values = cell["values"]
            name = values.get("defence") or next(key for key in values if key.startswith("target."))
            if values.get("oracle.adaptive", knows) == knows:
                found.setdefault(name, []).append(cell["directions"][direction]["map"][condition])
        return {name: mean(each) for name, each in found.items()}

    white = scores("ceiling", knows=True)
    plain, rounded = white.pop("none"), white.pop("bit_depth")
    assert f"to {min(white.values()):.3f} to {max(white.values()):.3f}, the undefended target to {plain:.3f}." in told
    assert f"`bit_depth` keeps {rounded:.3f}," in told
    mistaken = scores("ceiling", knows=False)
    del mistaken["none"]
    assert f"{min(mistaken.values()):.3f} to {max(mistaken.values()):.3f} is left then." in told
    black = scores("attacked", knows=True)
    undefended = black.pop("none")
    assert f"to {undefended:.3f}, leaves {min(black.values()):.3f} to {max(black.values()):.3f}." in told
    clean, noise = scores("clean", knows=True), scores("noise", knows=True)
    assert black["target.adversarial"] > clean["target.adversarial"]
    costs = {name: clean["none"] - score for name, score in clean.items() if name != "none"}
    assert (min(costs, key=costs.__getitem__), max(costs, key=costs.__getitem__)) == ("bit_depth", "resizing")
    of_texts = scores("clean", knows=True, direction="text_to_image")
    most = max(of_texts["none"] - score for score in of_texts.values())
    assert f"{costs['bit_depth']:.3f} (`bit_depth`) to {costs['resizing']:.3f} (`resizing`) on pictures" in told
    assert f"up to {most:.3f} (adversarial training)" in told
    assert of_texts["none"] - of_texts["target.adversarial"] == most
    assert f"{noise['target.adversarial']:.3f} beside {clean['target.adversarial']:.3f}." in told
    texts = [score for knows in (True, False) for score in scores("ceiling", knows, "text_to_image").values()]
    assert f"takes them to {min(texts):.3f} to {max(texts):.3f} everywhere" in told
