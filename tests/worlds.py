"""Small worlds with everything real in them: a target, its ledger, an oracle, an attacker's context."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from crossattack.attacks import AttackContext, Pictures, WhiteBox, Words
from crossattack.attacks._context import Attacked, Chosen
from crossattack.attacks._surrogate import SurrogateRecipe
from crossattack.catalogue import Catalogue
from crossattack.codes import harden
from crossattack.datasets import Pairs, Split
from crossattack.datasets.scenes import Scenes
from crossattack.encoding import encode
from crossattack.goals import wanted_pairs
from crossattack.ledger import Ledger
from crossattack.oracle import LocalEndpoint, Oracle, Reveals
from crossattack.progress import Silent
from crossattack.streams import Streams
from crossattack.targets._trained import NetworkTarget
from surrogates.network import network_for

RECIPE = SurrogateRecipe(image_tower="convnet", epochs=2, least_steps=0, batch=16)


def scenes(pairs: int = 240, pixels: int = 16) -> tuple[Pairs, Split]:
    """A few small scenes."""
    return Scenes(pairs=pairs, pixels=pixels).load(Silent())


def untrained_target(pairs: Pairs, bits: int = 16, seed: int = 0, tower: str = "convnet", weights: str = "none") -> NetworkTarget:
    """A picture tower and a bag of words under random heads: codes without meaning, gradients all the same."""
    torch.manual_seed(seed)
    network = network_for(pairs.texts, image=tower, text="bag_of_words", bits=bits, weights=weights).eval()
    with torch.no_grad():
        network.image_head.weight.mul_(30)  # so that pictures differ in more than one bit
    return NetworkTarget(network, f"{seed:016x}", {})


@contextmanager
def attackers_world(
    folder: Path,
    *,
    budget: int = 60,
    per_item: int | None = None,
    seed: int = 0,
    attacked: int = 6,
    top_k: int | None = None,
    reveals: Reveals | None = None,
    data: tuple[Pairs, Split] | None = None,
    target: NetworkTarget | None = None,
    recipe: SurrogateRecipe = RECIPE,
) -> Iterator["World"]:
    """An attacker in front of an oracle, and the items to attack. Answers are codes, or lists where `top_k` says how long."""
    folder.mkdir(exist_ok=True)
    pairs, split = data or scenes()
    target = target or untrained_target(pairs)
    with Ledger.open(folder / "ledger.sqlite", target_digest=target.digest) as ledger:
        own, query, database = pairs.take(split.attacker), pairs.take(split.query[:attacked]), pairs.take(split.database)
        codes = [harden(encode(target, modality, items)) for modality, items in (("images", database.images), ("texts", database.texts))]
        catalogue = Catalogue(database.images, database.texts, *codes)
        reveals = reveals or (Reveals.RANKING if top_k else Reveals.CODES)
        endpoint = LocalEndpoint(target, reveals, batch_size=16, catalogue=catalogue, top_k=top_k)
        oracle = Oracle(ledger, endpoint, budget=budget, per_item=per_item)
        wanted = wanted_pairs(query, own, Streams(seed))
        chosen = Chosen((0, 3), database.images[[0, 3]], (database.texts[0], database.texts[3]))
        context = AttackContext(oracle, own.images, own.texts, Streams(seed), "cpu", Silent(), folder, attacked, wanted, chosen, recipe)
        box = WhiteBox(target, *codes, database.labels, query.labels, own.labels)
        yield World(target, ledger, context, replace(context, white_box=box), query, catalogue)


class World:
    """What a test of an attack looks at."""

    def __init__(
        self, target: NetworkTarget, ledger: Ledger, black: AttackContext, white: AttackContext, query: Pairs, catalogue: Catalogue
    ) -> None:
        self.target, self.ledger, self.black, self.white, self.query, self.catalogue = target, ledger, black, white, query, catalogue
        ids = tuple(range(len(query)))
        self.pictures, self.words = Pictures(ids, query.images), Words(ids, query.texts)

    def context(self, attack: Any) -> AttackContext:
        """What this attack is granted."""
        granted = self.white if attack.needs.white_box else self.black
        if attack.needs.embeddings:
            granted = replace(granted, recipe=replace(granted.recipe, text_tower="transformer"))
        return replace(granted, pairs=Attacked(self.query.images, tuple(self.query.texts))) if attack.needs.pairs else granted
