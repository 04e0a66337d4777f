"""results.json in words: the rows that every form of the report shows. A number that was not measurable is a dash."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CONDITIONS = {
    "clean": "clean",
    "noise": "noise of the same radius",
    "attacked": "attacked",
    "ceiling": "ceiling (white box)",
    "floor": "floor (random ranking)",
}
DIRECTIONS = {
    "image_to_text": "pictures ask for texts",
    "text_to_image": "texts ask for pictures",
    "image_to_image": "pictures ask for pictures",
}
NONE = "–"


@dataclass(frozen=True)
class Row:
    """What it is, and its value in each direction."""

    label: str
    values: tuple[str, ...]


def directions(results: Mapping[str, Any]) -> dict[str, str]:
    """The directions that were measured, by key, and what they are called."""
    return {key: DIRECTIONS.get(key, key.replace("_", " ")) for key in results["directions"]}


def conditions(results: Mapping[str, Any]) -> dict[str, str]:
    """The conditions, by key, and what they are called: the control of edited words is no noise."""
    if not results.get("distortion", {}).get("texts", {}).get("edited"):
        return CONDITIONS
    only_words = results["threat_model"].get("changes") == ["texts"]
    return {**CONDITIONS, "noise": "as many random edits" if only_words else "as much change at random"}


def score_rows(results: Mapping[str, Any]) -> list[Row]:
    """mAP in each condition, with intervals; how much of the white box's damage was recovered; successes."""
    measured = list(results["directions"].values())
    rows = [
        Row(f"mAP, {label}", tuple(_with_interval(one["map"].get(key), one.get("map_ci95", {}).get(key)) for one in measured))
        for key, label in conditions(results).items()
    ]
    return [
        *rows,
        *_rank_rows(measured),
        Row("recovered", tuple(_share_with_interval(one.get("recovered"), one.get("recovered_ci95")) for one in measured)),
        Row("mAP taken beyond noise", tuple(_with_interval(one.get("over_noise"), one.get("over_noise_ci95")) for one in measured)),
        Row("success, as the attacker sees it", tuple(_share(one["success"].get("attacker")) for one in measured)),
        Row("success, as the referee sees it", tuple(_share(one["success"].get("referee")) for one in measured)),
        Row("the same, of clean items", tuple(_share(one["success"].get("referee_clean")) for one in measured)),
        Row("attacked items", tuple(f"{one['attacked_items']:,}" for one in measured)),
    ]


def _rank_rows(measured: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Of features: how often the first right answer stands first, and how many right ones are among the first ten."""
    rows = []
    for key, rank, label in (("cmc", "1", "rank-1"), ("cmc", "5", "rank-5"), ("precision_at", "10", "precision@10")):
        tables = [one.get("metrics", {}).get(key) for one in measured]
        if any(tables):
            told = tuple(_before_after(table and {name: ranks[rank] for name, ranks in table.items()}) for table in tables)
            rows.append(Row(f"{label}, clean → attacked", told))
    return rows


def _before_after(values: Mapping[str, Any] | None) -> str:
    return NONE if not values else f"{number(values.get('clean'))} → {number(values.get('attacked'))}"


def fact_rows(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the change looks like, what it cost, what the surrogate was worth, and which checks failed."""
    facts = [("threat model", _threat(results["threat_model"]))]
    facts += [(f"change of {what}", _change(numbers)) for what, numbers in results.get("distortion", {}).items() if numbers]
    facts.append(("bill", _bill(results["budget"])))
    facts += [("service", _service(results["service"], results["budget"]))] if results.get("service") else []
    facts += [("surrogate", _surrogate(one)) for one in results.get("surrogates", ())]
    facts += [("check failed", f"{check['name']}: {check['detail']}") for check in results.get("checks", ()) if check["ok"] is False]
    return facts


def number(value: float | int | None, digits: int = 3) -> str:
    """0.644, or a dash."""
    return NONE if value is None else f"{value:.{digits}f}"


def _with_interval(value: float | int | None, interval: Any) -> str:
    return number(value) + (f" [{number(interval[0])}, {number(interval[1])}]" if interval else "")


def _share(value: float | int | None) -> str:
    return NONE if value is None else f"{100 * value:.0f} %"


def _share_with_interval(value: float | int | None, interval: Any) -> str:
    return _share(value) + (f" [{100 * interval[0]:.0f}, {100 * interval[1]:.0f}]" if interval and value is not None else "")


def _threat(model: Mapping[str, Any]) -> str:
    eps = model.get("eps")
    whole = ", the whole database" if model.get("whole_database") else ""
    top_k = f" (top {model['top_k']:,}{whole})" if model.get("top_k") is not None else ""
    parts = [f"answers reveal {model.get('reveals')}{top_k}"]
    if isinstance(eps, int | float):
        parts.append(f"l2 {eps:.3g}" if model.get("norm") == "l2" else f"{model.get('norm', 'norm')} {255 * eps:.3g}/255")
    knows = [what for key, what in KNOWLEDGE.items() if model.get(key)]
    return ", ".join([*parts, f"the attacker knows {' and '.join(knows) or 'nothing of the target'}"])


KNOWLEDGE = {
    "family_known": "the target's family",
    "start_known": "the weights it started from",
    "vocabulary_known": "its vocabulary",
    "white_box": "the target itself",
}


def _bill(budget: Mapping[str, Any]) -> str:
    phases = ", ".join(f"{phase} {count:,}" for phase, count in budget["phases"].items())
    spent = (
        f"{budget['spent']:,} of {budget['cap']:,} queries ({budget['images']:,} pictures, {budget['texts']:,} texts; {phases or 'none'})"
    )
    return f"{spent}, {budget['repeats']:,} repeats for nothing; judging took {budget['evaluation']:,} more of the referee's"


def _service(noted: Mapping[str, Any], budget: Mapping[str, Any]) -> str:
    """A service and its way of counting."""
    memory, repeated = noted["idempotency_seconds"], budget["resent"] + budget["evaluation_resent"]
    knows = f"knows an item by its key for {memory:,.0f} s" if memory else f"knows no keys: charged per attempt, {repeated:,} were repeats"
    leave = ", tested with leave" if noted["authorised"] else ""
    return f"{noted['name'] or 'without a name'} at {noted['url']}{leave}; {knows}"


def _surrogate(one: Mapping[str, Any]) -> str:
    if one.get("feature_agreement") is not None:
        return f"{one.get('image_tower')}: its features and the target's have a cosine of {number(one.get('feature_agreement'))}"
    agreement = f"agrees with the target on {_share(one.get('bit_agreement'))} of bits, rank agreement {number(one.get('rank_agreement'))}"
    return f"{one.get('image_tower')} + {one.get('text_tower')}: {agreement}"


def _change(numbers: Mapping[str, Any]) -> str:
    told = ", ".join(
        f"{label} {NONE if numbers[key] is None else format(numbers[key], shape)}" for key, (label, shape) in TOLD.items() if key in numbers
    )
    return told + (" (feature space: nobody could send it)" if numbers.get("realisable") is False else "")


TOLD = {
    "linf_max": ("L∞ at most", ".4f"),
    "l2": ("L2", ".2f"),
    "psnr": ("PSNR in dB", ".1f"),
    "ssim": ("SSIM", ".3f"),
    "weight_linf": ("weights of words by at most", ".2f"),
    "words_moved": ("words moved", ".0f"),
    "edited": ("texts edited", "d"),
    "words_added": ("words added a text", ".2f"),
    "words_removed": ("words removed a text", ".2f"),
}
