"""Write a new attack in one file, and run it beside noise and AACH.

    uv run python examples/new_attack.py

`Blend` mixes each picture with the own picture whose code is farthest from it, as far as the radius allows: what a person would try
who has answers and no gradient. Its fields are its settings. The command line takes it too, wherever the file can be imported:

    PYTHONPATH=examples uv run crossattack run --attack new_attack.Blend --set attack.pairs=100
"""

import argparse
from dataclasses import dataclass
from typing import ClassVar

import torch
from _shown import HEADER, line
from my_own_model import learned

import crossattack


@dataclass(frozen=True, kw_only=True)
class Blend:
    """Mix each picture, inside the radius, with the own picture whose code is farthest from its own.

    pairs: own pictures that are asked about. Each attacked picture costs a query more.

    Differs from the paper: it is nobody's; it shows how little an attack needs.
    """

    family: ClassVar[str] = "queries"
    needs: ClassVar[crossattack.Needs] = crossattack.Needs(changes=("images",), reveals=("codes",))
    eps: float = 8 / 255
    pairs: int = 100

    def fit(self, context: crossattack.AttackContext) -> crossattack.Perturb:
        """Ask about some own pictures; what comes back changes any batch of attacked ones."""
        own = context.images[: self.pairs]
        known = context.oracle.query_images(own, phase="mining").codes.float()  # (pairs, bits) of -1 and +1

        def perturb(items: crossattack.Pictures | crossattack.Words) -> crossattack.Perturbed:
            if isinstance(items, crossattack.Words):
                return crossattack.unasked(items)
            codes = context.oracle.query_images(items.values, phase="attack").codes.float()
            farthest = own[(codes @ known.T).argmin(dim=1)]
            radius = int(self.eps * 255)
            change = (farthest.int() - items.values.int()).clamp(-radius, radius)
            return crossattack.unasked(crossattack.Pictures(items.ids, (items.values.int() + change).to(torch.uint8)))

        return perturb


def main() -> None:
    """Three attacks on the engine of `my_own_model.py`, at one radius."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attacked", type=int, default=60, help="pictures that are attacked")
    parser.add_argument("--eps", type=int, default=32, help="the radius, in grey levels")
    asked = parser.parse_args()
    engine, data = learned()
    settings = {"surrogate.image_tower": "convnet", "surrogate.epochs": 10, "surrogate.least_steps": 0}
    radius = asked.eps / 255
    print(HEADER)
    for attack in (crossattack.attack("noise", eps=radius), Blend(eps=radius), crossattack.attack("aach", eps=radius)):
        results = crossattack.evaluate(engine, data, attack, budget=220, attacked=asked.attacked, settings=settings)
        print(line(type(attack).__name__, results))


if __name__ == "__main__":
    main()
