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
ROLES = ("query", "database", "train", "attacker", "held_back")
NONE = "–"


@dataclass(frozen=True)
class Row:
    """What it is, and its value in each direction."""

    label: str
    values: tuple[str, ...]


def directions(results: Mapping[str, Any]) -> dict[str, str]:
    """The directions that were measured, by key, and what they are called."""
    return {key: DIRECTIONS.get(key, key.replace("_", " ")) for key in results.get("directions", {})}


def conditions(results: Mapping[str, Any]) -> dict[str, str]:
    """The conditions, by key, and what they are called: the control of edited words is no noise."""
    if not results.get("distortion", {}).get("texts", {}).get("edited"):
        return CONDITIONS
    only_words = results.get("threat_model", {}).get("changes") == ["texts"]
    return {**CONDITIONS, "noise": "as many random edits" if only_words else "as much change at random"}


def score_rows(results: Mapping[str, Any]) -> list[Row]:
    """mAP in each condition, with intervals; how much of the white box's damage was recovered; successes."""
    measured = list(results.get("directions", {}).values())
    rows = [
        Row(f"mAP, {label}", tuple(_with_interval(one.get("map", {}).get(key), one.get("map_ci95", {}).get(key)) for one in measured))
        for key, label in conditions(results).items()
    ]
    return [
        *rows,
        *_rank_rows(measured),
        Row("recovered", tuple(share_with_interval(one.get("recovered"), one.get("recovered_ci95")) for one in measured)),
        Row("mAP taken beyond noise", tuple(_with_interval(one.get("over_noise"), one.get("over_noise_ci95")) for one in measured)),
        Row("success, as the attacker sees it", _rates(measured, "attacker")),
        Row("success, as the referee sees it", _rates(measured, "referee")),
        Row("the same, of clean items", _rates(measured, "referee_clean")),
        Row("attacked items", tuple(count(one.get("attacked_items")) for one in measured)),
    ]


def _rates(measured: Sequence[Mapping[str, Any]], view: str) -> tuple[str, ...]:
    """Shares of successes with their intervals."""
    return tuple(share_with_interval(one.get("success", {}).get(view), one.get("success_ci95", {}).get(view)) for one in measured)


def _rank_rows(measured: Sequence[Mapping[str, Any]]) -> list[Row]:
    """How often something right stands first or among the first five, and how much of the first ten is right."""
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
    facts = [("threat model", _threat(results.get("threat_model", {})))]
    facts += [(f"change of {what}", _change(numbers)) for what, numbers in results.get("distortion", {}).items() if numbers]
    facts.append(("bill", bill_line(results.get("budget", {}))))
    facts += asked_rows(results)
    failed = [check for check in results.get("checks", ()) if check.get("ok") is False]
    facts += [("check failed", f"{check.get('name')}: {check.get('detail')}") for check in failed]
    return facts


def setting_rows(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was tested, by whom and how: the facts that stand in no table of their own."""
    data, target = results.get("dataset", {}), results.get("target", {})
    config = results.get("config", {})
    facts = [("attack", str(config.get("attack", {}).get("name", NONE)))]
    facts.append(("target", f"{target.get('name', NONE)}, dim {target.get('dim') or NONE}"))
    roles = ", ".join(f"{role.replace('_', ' ')} {count(data.get(role))}" for role in ROLES if role in data)
    facts.append(("data set", f"{data.get('name', NONE)}, {count(data.get('pairs'))} pairs ({roles or NONE})"))
    return [*facts, ("threat model", _threat(results.get("threat_model", {}))), *asked_rows(results)]


def asked_rows(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The service that was asked, where it was one, the surrogates that learned from answers, and their audition."""
    facts = [("service", _service(results["service"], results.get("budget", {})))] if results.get("service") else []
    facts += [("surrogate", _surrogate(one)) for one in results.get("surrogates", ())]
    return [*facts, *(("audition", _audition(found)) for name, found in results.get("findings", {}).items() if name == "audition")]


def number(value: float | int | None, digits: int = 3) -> str:
    """0.644, or a dash."""
    return NONE if value is None else f"{value:.{digits}f}"


def _with_interval(value: float | int | None, interval: Any) -> str:
    return number(value) + (f" [{number(interval[0])}, {number(interval[1])}]" if interval else "")


def count(value: float | int | None) -> str:
    """7,900, or a dash."""
    return NONE if value is None else f"{value:,}"


def share(value: float | int | None) -> str:
    """31 %, or a dash."""
    return NONE if value is None else f"{100 * value:z.0f} %"


def share_with_interval(value: float | int | None, interval: Any) -> str:
    """31 % [28, 34], or a dash."""
    return share(value) + (f" [{100 * interval[0]:.0f}, {100 * interval[1]:.0f}]" if interval and value is not None else "")


def _threat(model: Mapping[str, Any]) -> str:
    eps = model.get("eps")
    whole = ", the whole database" if model.get("whole_database") else ""
    top_k = f" (top {model['top_k']:,}{whole})" if model.get("top_k") is not None else ""
    parts = [f"answers reveal {model.get('reveals')}{top_k}"]
    if isinstance(eps, int | float):
        parts.append(f"l2 {eps:.3g}" if model.get("norm") == "l2" else f"{model.get('norm', 'norm')} {255 * eps:.3g}/255")
    if defence := model.get("defence"):
        parts.append(f"the target is behind {defence.get('name')}")
    knows = [what for key, what in KNOWLEDGE.items() if model.get(key)]
    return ", ".join([*parts, f"the attacker knows {' and '.join(knows) or 'nothing of the target'}"])


KNOWLEDGE = {
    "family_known": "the target's family",
    "start_known": "the weights it started from",
    "vocabulary_known": "its vocabulary",
    "white_box": "the target itself",
    "defence_known": "its defence",
}


def bill_line(budget: Mapping[str, Any]) -> str:
    """Both accounts in a line."""
    phases = ", ".join(f"{phase} {spent:,}" for phase, spent in budget.get("phases", {}).items())
    spent, cap, images, texts, repeats, judged = (
        count(budget.get(key)) for key in ("spent", "cap", "images", "texts", "repeats", "evaluation")
    )
    told = f"{spent} of {cap} queries ({images} pictures, {texts} texts; {phases or 'none'})"
    return f"{told}, {repeats} repeats for nothing; judging took {judged} more of the referee's"


def _service(noted: Mapping[str, Any], budget: Mapping[str, Any]) -> str:
    """A service and its way of counting."""
    memory, repeated = noted.get("idempotency_seconds"), budget.get("resent", 0) + budget.get("evaluation_resent", 0)
    knows = f"knows an item by its key for {memory:,.0f} s" if memory else f"knows no keys: charged per attempt, {repeated:,} were repeats"
    leave = ", tested with leave" if noted.get("authorised") else ""
    return f"{noted.get('name') or 'without a name'} at {noted.get('url', NONE)}{leave}; {knows}"


def _surrogate(one: Mapping[str, Any]) -> str:
    if one.get("feature_agreement") is not None:
        return f"{one.get('image_tower')}: its features and the target's have a cosine of {number(one.get('feature_agreement'))}"
    agreement = f"agrees with the target on {share(one.get('bit_agreement'))} of bits, rank agreement {number(one.get('rank_agreement'))}"
    return f"{one.get('image_tower')} + {one.get('text_tower')}: {agreement}"


def _audition(found: Mapping[str, Any]) -> str:
    """By which way pictures went, and how far each family was trusted."""
    turned = ", ".join(f"{name} {share(value)}" for name, value in found.get("bits_turned", {}).items())
    trust = ", ".join(f"{name.removeprefix('surrogate-')} {number(value)}" for name, value in found.get("trust", {}).items())
    return f"of {count(found.get('pictures'))} own pictures, bits turned: {turned}; {found.get('taken')} was taken; trusted: {trust}"


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
    "edits": ("edits a text", ".2f"),
    "words_added": ("words added a text", ".2f"),
    "words_removed": ("words removed a text", ".2f"),
    "embedding_distance": ("1 - cosine of sentence vectors", ".3f"),
}
