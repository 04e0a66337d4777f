"""What each validity check is there to doubt, in a sentence: beside its verdict on a report's page, and in docs/results.md."""

DOUBTS = {
    "budget kept": "the attacker paid for more than it had, or the phases do not add up",
    "every item charged once": "of a service without keys nobody can tell a repeat from a new item, so each attempt is charged",
    "the service counted the same": "somebody else used the token, or one of the two miscounts",
    "pictures inside eps": "pictures were changed by more than the threat model allows",
    "eps reaches a grey level": "pictures are bytes, so a smaller radius changes nothing",
    "the ceiling is above the attack": "the white box is weaker than the black box: its gradients are masked, or it is badly set",
    "the attack does something": "the attack takes next to no mAP",
    "noise does far less than the attack": "random signs do as much, so the radius does the work and not the attack",
    "clean codes use their bits": "codes have collapsed, so that a few flipped bits reorder everything",
    "a larger radius is at least as strong": "the white box does less with twice the radius: it does not converge, or gradients are masked",
    "without a radius the best possible codes are reached": "with everything within reach the white box still fails: the attack is broken",
    "gradients are not masked": "a step down the slope is no better than one at random, and gradients say nothing of the target",
    "tanh is not saturated": "relaxed bits lie where tanh is flat, so gradients vanish before they reach the picture",
    "the target repeats its answers": "the target answers at random: attack it in expectation, and average what is judged",
    "no group in two roles": "siblings of an attacked item are the attacker's, the database's or what the target learned from",
    "no attacked picture in another role": "an attacked picture is byte by byte the attacker's, or finds itself in the database",
}


def doubt(claim: str) -> str:
    """What is wrong where a check of that claim fails; empty where its own words say all."""
    return DOUBTS.get(claim, "")
