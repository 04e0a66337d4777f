"""docs/experiments.md tells the kept sweeps of one setting each, and the list of attacks, as they were measured."""

import json
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGE = " ".join((ROOT / "docs/experiments.md").read_text(encoding="utf-8").split())


class Curve:
    """A kept sweep over attacks, values of one setting, and three seeds."""

    def __init__(self, name: str, key: str) -> None:
        self.kept = json.loads((ROOT / f"docs/results/{name}.json").read_text(encoding="utf-8"))
        self.key = key

    def cells(self, attack: str, value: Any) -> list[dict[str, Any]]:
        found = [cell for cell in self.kept["cells"] if (cell["values"]["attack"], cell["values"][self.key]) == (attack, value)]
        assert [(cell["values"]["seed"], cell["state"]) for cell in found] == [(seed, "done") for seed in (0, 1, 2)]
        return found

    def score(self, attack: str, value: Any, condition: str, direction: str = "image_to_text") -> str:
        return f"{mean(cell['directions'][direction]['map'][condition] for cell in self.cells(attack, value)):.3f}"

    def recovered(self, attack: str, value: Any, direction: str = "image_to_text") -> str:
        """Mean over the seeds with its interval."""
        cells = self.cells(attack, value)
        (pooled,) = [one for one in self.kept["intervals"] if one["cells"] == [cell["digest"] for cell in cells]]
        low, high = (100 * bound for bound in pooled["directions"][direction]["recovered_ci95"])
        return f"{100 * mean(cell['directions'][direction]['recovered'] for cell in cells):.0f} % [{low:.0f}, {high:.0f}]"


@pytest.fixture(scope="module")
def eps() -> Curve:
    return Curve("eps", "attack.eps")


def test_how_far_a_pixel_has_to_go_is_told_as_it_was_measured(eps: Curve) -> None:
    assert len(eps.kept["cells"]) == 36
    at = {radius: eps.recovered("aach", f"{radius}/255") for radius in (1, 4, 8, 16)}
    down = eps.score("aach", "4/255", "ceiling")
    assert f"the ceiling is down at {down}, as good as done; AACH recovers {at[4]} of that, at 8/255 {at[8]}, at 16/255 {at[16]}." in PAGE
    assert float(down) - float(eps.score("aach", "16/255", "ceiling")) < 0.02
    clean, ceiling, attacked = (eps.score("aach", "1/255", condition) for condition in ("clean", "ceiling", "attacked"))
    assert f"from {clean} to {ceiling}, AACH to {attacked}, {at[1]} of it." in PAGE
    noises = [eps.score("aach", radius, "noise") for radius in ("1/255", "8/255", "16/255")]
    assert "{} at 1/255, {} at 8/255, {} at 16/255.".format(*noises) in PAGE
    assert f"at 4/255 `mi_fgsm` recovers {eps.recovered('mi_fgsm', '4/255')}, at 16/255 as much as AACH." in PAGE
    assert eps.recovered("mi_fgsm", "16/255").split()[0] == at[16].split()[0]


def test_whether_longer_codes_are_safer_is_told_as_it_was_measured() -> None:
    bits = Curve("bits", "target.bits")
    assert len(bits.kept["cells"]) == 24
    clean = {length: bits.score("aach", length, "clean") for length in (16, 64)}
    ceilings = sorted(bits.score("aach", length, "ceiling") for length in (16, 32, 64, 128))
    assert f"rises from {clean[16]} to {clean[64]}; the white box takes every one of them to {ceilings[0]} to {ceilings[-1]}," in PAGE
    at = {length: bits.recovered("aach", length) for length in (16, 64, 128)}
    assert f"recovers {at[16]} of that at 16 bits, {at[64]} at 64 and {at[128]} at 128." in PAGE
    texts = {length: bits.recovered("aach", length, "text_to_image") for length in (32, 128)}
    assert f"at 128 AACH recovers {texts[128]} on texts, at 32 {texts[32]}." in PAGE


def test_how_many_steps_are_enough_is_told_as_it_was_measured() -> None:
    steps = Curve("iterations", "attack.steps")
    assert len(steps.kept["cells"]) == 60
    at = {count: steps.recovered("aach", count) for count in (1, 5, 20, 50, 500)}
    assert f"{at[1]} with one step, {at[5]} with five, {at[20]} with the usual 20 and {at[50]} with 50; 500 give {at[500]}." in PAGE
    assert f"from the second step on and ends at {steps.recovered('mi_fgsm', 500)}." in PAGE
    ahead = [float(steps.score("mi_fgsm", count, "attacked")) - float(steps.score("aach", count, "attacked")) for count in (2, 5, 10, 20)]
    assert max(ahead) < 0
    texts = {(attack, count): steps.recovered(attack, count, "text_to_image") for attack in ("aach", "mi_fgsm") for count in (5, 20, 500)}
    assert f"AACH recovers {texts['aach', 5]}, `mi_fgsm` {texts['mi_fgsm', 5]}." in PAGE
    assert f"at 20 they are at {texts['aach', 20]} and {texts['mi_fgsm', 20]}, at 500 at {texts['aach', 500]} and" in PAGE
    assert f"and {texts['mi_fgsm', 500]}." in PAGE


class TestLeaderboard:
    KEPT = json.loads((ROOT / "docs/results/leaderboard.json").read_text(encoding="utf-8"))

    def cells(self, attack: str) -> list[dict[str, Any]]:
        return [cell for cell in self.KEPT["cells"] if cell["values"]["attack"] == attack]

    def seeds(self, attack: str, direction: str = "image_to_text") -> list[float]:
        return [100 * cell["directions"][direction]["recovered"] for cell in self.cells(attack)]

    def recovered(self, attack: str, direction: str = "image_to_text") -> str:
        wanted = [cell["digest"] for cell in self.cells(attack)]
        (pooled,) = [one for one in self.KEPT["intervals"] if one["cells"] == wanted]
        low, high = (100 * bound for bound in pooled["directions"][direction]["recovered_ci95"])
        return f"{mean(self.seeds(attack, direction)):.0f} % [{low:.0f}, {high:.0f}]"

    def best(self, attacks: set[str], direction: str = "image_to_text") -> str:
        return max(attacks, key=lambda attack: mean(self.seeds(attack, direction)))

    def test_which_attack_does_most_is_told_as_it_was_measured(self) -> None:
        assert [cell["state"] for cell in self.KEPT["cells"]] == ["done"] * 69
        names = {cell["values"]["attack"] for cell in self.KEPT["cells"] if isinstance(cell["values"]["attack"], str)}
        assert f"{len(names) + 1} attacks on the same 100 items" in PAGE
        assert self.best(names - {"tags"}) == "vmi_fgsm"
        told = [
            f"`{name}` {'recovers ' if name == 'vmi_fgsm' else ''}{self.recovered(name)}" for name in ("vmi_fgsm", "understudy", "mi_fgsm")
        ]
        assert f"{', '.join(told)}, AACH {self.recovered('aach')}, all within each other's intervals." in PAGE
        assert self.seeds("aach") == self.seeds("bim") == self.seeds("pgd")
        assert f"`uap` recovers {self.recovered('uap')}." in PAGE

    def test_what_asking_alone_does_and_the_luck_of_the_seed(self) -> None:
        asking = {"finite_difference", "nes", "qair", "simba", "spsa", "square"}
        assert self.best(asking) == "spsa"
        spsa, noise = self.recovered("spsa"), self.recovered("noise")
        assert f"Noise takes {noise}; of six attacks by queries the best, `spsa`, takes {spsa}." in PAGE
        lucks = [sorted(self.seeds(attack)) for attack in ("aach", "uaa_gan")]
        told = [f"{luck[0]:.0f} % to {luck[-1]:.0f} %" for luck in lucks]
        assert "is {} for AACH and {} for the generator of `uaa_gan`".format(*told) in PAGE

    def test_what_words_are_worth(self) -> None:
        edits = [self.recovered(attack, "text_to_image") for attack in ("tags", "understudy")]
        assert "`tags` recovers {} with two edits, `understudy`, which edits too, {};".format(*edits) in PAGE
        others = {cell["values"]["attack"] for cell in self.KEPT["cells"] if isinstance(cell["values"]["attack"], str)}
        assert self.best(others - {"tags", "understudy"}, "text_to_image") == "vmi_fgsm"
        assert f"`vmi_fgsm`, {self.recovered('vmi_fgsm', 'text_to_image')}." in PAGE

    def test_an_attack_that_leaves_texts_as_they_are_is_drawn_once(self) -> None:
        drawn = (ROOT / "docs/leaderboard.svg").read_text(encoding="utf-8")
        assert [drawn.count(f"<!-- {name} -->") for name in ("uaa_gan", "tags", "square", "aach")] == [1, 1, 1, 2]
