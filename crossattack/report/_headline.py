"""The result of a run in a few sentences, for somebody who reads the first such page."""

from collections.abc import Mapping
from typing import Any

from crossattack.report._rows import number, share

WHAT = {
    "image_to_text": "A picture is asked with, texts are found",
    "text_to_image": "A text is asked with, pictures are found",
    "image_to_image": "A picture is asked with, pictures are found",
}


def headline(found: Mapping[str, Any]) -> tuple[str, str, str]:
    """The numbers that are looked for first: mAP before and after, and the share recovered."""
    scores = found.get("map", {})
    return number(scores.get("clean")), number(scores.get("attacked")), share(found.get("recovered"))


def sentences(direction: str, found: Mapping[str, Any], results: Mapping[str, Any]) -> list[str]:
    """What happened in one direction; what is not known is said to be unknown, and why."""
    scores, changed = found.get("map", {}), results.get("threat_model", {}).get("changes")
    asked = direction.split("_")[0] + "s"
    said = [f"{WHAT.get(direction, direction)}."]
    if changed is not None and asked not in changed:
        return [*said, f"This attack leaves {'pictures' if asked == 'images' else 'texts'} as they are."]
    clean, attacked, floor = (scores.get(name) for name in ("clean", "attacked", "floor"))
    if clean is None or attacked is None:
        gone = found.get("metrics", {}).get("top10_gone")
        known = (
            "" if gone is None else f" Of {share(gone)} of the attacked items nothing of the clean top 10 is left in the attacked top 10."
        )
        return [*said, f"How well retrieval works after the attack is not measurable here; the checks below say why.{known}"]
    chance = "" if floor is None else f" A random ranking has {number(floor)}."
    said.append(f"Retrieval {_moved(clean, attacked)} from {number(clean)} to {number(attacked)} mAP, where 1 is perfect.{chance}")
    said.append(_recovered(found))
    success = found.get("success", {})
    if success.get("referee") is not None:
        before = "" if success.get("referee_clean") is None else f"; without any attack that is so for {share(success['referee_clean'])}"
        said.append(f"{share(success['referee'])} of the attacked items find no more than chance would{before}.")
    return said


def _moved(clean: float, attacked: float) -> str:
    return "fell" if attacked < clean else "rose" if attacked > clean else "stayed"


def _recovered(found: Mapping[str, Any]) -> str:
    value, interval = found.get("recovered"), found.get("recovered_ci95")
    if value is None:
        return "How much of the worst possible damage that is, is not known here: there is no white-box attack to hold it against."
    if value <= 0:
        return f"It did no damage, where an attacker who holds the system itself (the ceiling) does some: {share(value)} recovered."
    reach = (
        f" If other items had been drawn, it would most likely be between {share(interval[0])} and {share(interval[1])} (95 % interval)."
        if interval
        else " No interval could be computed for it."
    )
    return f"That is {share(value)} of the damage done by an attacker who holds the system itself (the ceiling).{reach}"
