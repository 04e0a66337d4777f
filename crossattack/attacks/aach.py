"""AACH: a black-box attack on cross-modal Hamming retrieval, through a surrogate trained on triplets."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from crossattack.attacks import Family, Items, Needs, Perturb, Perturbed, Pictures
from crossattack.attacks._context import AttackContext
from crossattack.attacks._eyes import AMONG, open_eyes
from crossattack.attacks._fields import Eps, Hiding, Norm, Radius, Steps
from crossattack.attacks._gradient import follow
from crossattack.attacks._moves import Moves
from crossattack.attacks._verdict import verdict
from crossattack.objectives.triplet import Triplet


@dataclass(frozen=True, kw_only=True)
class Aach:
    """Push a query away from its positives and towards its negatives on a surrogate that learned from paid answers.

    The budget buys codes of the attacker's own pairs; a surrogate is trained on triplets mined from them. A query's own
    positives and negatives are the `among` nearest and farthest paid-for items of the other modality, by the surrogate's
    code of the query (free) or by the target's (`triplets: oracle`, one query each). With H the surrogate, P and N the
    means of their returned codes and D the relaxed Hamming distance, it lowers

        max(0, margin + D(H(x'), N) - D(H(x'), P)) + quantisation |H(x') - sign H(x')|^2 / K      |x' - x| <= eps

    Where answers are lists rather than codes, triplets are mined from the lists, and P and N are means of the surrogate's
    own codes of items that the lists showed. `verify` asks the target about each picture before and after, so that the
    attacker knows which of them left their place; changed bags of words cannot be sent, so texts are never verified.

    Differs from the paper, whose equations are known to us from prose only: P and N are means of several returned codes
    rather than one item's surrogate code; signed steps of `alpha` in place of an unnamed optimiser; the ball is symmetric
    (the same authors' earlier code moves pixels in one direction only) and pictures are rounded to bytes inside it;
    margin, weights and steps are ours. Texts: an additive change of the bag of words, which nobody could type.

    Paper: Li, Gao, Deng, Liu, Huang, "Adversarial Attack on Deep Cross-Modal Hamming Retrieval", ICCV 2021.
    """

    family: ClassVar[Family] = "surrogate"
    needs: ClassVar[Needs] = Needs(surrogate=True)
    norm: Norm = "linf"
    eps: Radius = 8 / 255
    alpha: Radius | None = None  # a quarter of eps
    steps: Steps = 20
    text_eps: Eps = 0.1
    text_alpha: Eps = 0.02
    perception: Hiding = "none"
    margin: Annotated[float, Field(ge=0, le=2)] = 1.0
    quantisation: Annotated[float, Field(ge=0)] = 0.01
    among: Annotated[float, Field(gt=0, le=0.5)] = AMONG
    triplets: Literal["surrogate", "oracle"] = "surrogate"
    verify: bool = False

    def fit(self, context: AttackContext) -> Perturb:
        """Query, mine, train; then a batch costs nothing, or one query an item with `triplets: oracle`, or two with `verify`."""
        asked = self.triplets == "oracle"
        reserve = context.attacked * (2 * asked + self.verify * (1 if asked else 2))
        eyes = open_eyes(replace(context, white_box=None), reserve=reserve, among=self.among, asked=asked)
        perturb = follow(context, self, Triplet(margin=self.margin, quantisation=self.quantisation), Moves(), eyes)

        def perturb_and_ask(items: Items) -> Perturbed:
            changed = perturb(items)
            return replace(changed, status=verdict(context, items, changed.items))

        return lambda items: perturb_and_ask(items) if self.verify and isinstance(items, Pictures) else perturb(items)
