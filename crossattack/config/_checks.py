"""Checks that need more than one setting, or the machine: made before anything is written, trained or spent."""

import re
from typing import Any

from crossattack.config._section import Section, known_fields
from crossattack.errors import UnknownName, nearest
from crossattack.registry import ATTACKS, IMAGE_TOWERS, TEXT_TOWERS

STARTS = ("own", "none", "default")
LEAST_QUERIES = 2  # of an attack that asks about each item: the clean one and a probe


def device_problem(device: str) -> str | None:
    """Why this machine cannot run on `device`; None where it can."""
    if device in ("auto", "cpu"):
        return None
    import torch

    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(device.partition(":")[2] or 0) < found:
        return None
    return f"{device} wanted, {found or 'no'} GPU{'s' * (found > 1)} got; the nearest is {'cuda:' + str(found - 1) if found else 'cpu'}."


def tower_problems(key: str, section: Section) -> list[tuple[str, str]]:
    """Towers and weights of a target or a surrogate that cannot be built; names first, as they are cheap to look up."""
    settings = {name: str(getattr(section.plugin, name)) for name in known_fields(section.plugin) if name in TOWERS}
    found = [(f"{key}.{name}", says) for name, value in settings.items() if (says := TOWERS[name](value))]
    if not found and settings.get("weights", "own") != "own" and (says := _refusal(settings["image_tower"], settings["weights"])):
        found.append((f"{key}.weights", says))
    return found


def family_problems(attack: Section) -> list[tuple[str, str]]:
    """Families of surrogates that an attack names by itself and that cannot be built."""
    for family in getattr(attack.plugin, "families", ()):
        tower, _, weights = family.partition(":")
        says = _image_tower(tower) or (weights and _weights(weights)) or (weights not in ("", "own") and _refusal(tower, weights))
        if says:
            return [("attack.families", says)]
    return []


def attack_problems(
    attack: Section, ceiling: Section, target: Section, surrogate: Section, budget: int, white_box: bool, attacked: int
) -> list[tuple[str, str]]:
    """What the threat model and the budget do not give and the attacks cannot do without."""
    from crossattack.attacks._context import LEAST_PAIRS

    found = []
    if attack.plugin.needs.white_box and not white_box:
        black = [name for name in ATTACKS.names() if not ATTACKS.load(name).needs.white_box]
        others = f"grant it with `--set oracle.white_box=true` or choose one of {', '.join(black)}."
        found.append(("oracle.white_box", f"true wanted by {attack.name}, which sees the target itself, false got; {others}"))
    found += _vectors("attack", attack, "target" if white_box else "surrogate", target if white_box else surrogate)
    found += _vectors("ceiling", ceiling, "target", target)
    needs = attack.plugin.needs
    if (needs.surrogate or (needs.gradients and not white_box)) and budget < 2 * LEAST_PAIRS:
        least = 2 * LEAST_PAIRS
        found.append(("oracle.budget", f"{least} or more wanted for the surrogate of {attack.name}, {budget} got; the nearest is {least}."))
    if needs.queries and budget < (least := LEAST_QUERIES * len(needs.changes) * attacked):
        wanted = f"{least} or more wanted, {LEAST_QUERIES} for each of {attacked} items that {attack.name} asks about"
        found.append(("oracle.budget", f"{wanted}, {budget} got; the nearest is {least}, or attack fewer with `--attacked`."))
    if not (ceiling.plugin.needs.white_box or ceiling.plugin.needs.gradients):
        white = [name for name in ATTACKS.names() if (needs := ATTACKS.load(name).needs).white_box or needs.gradients]
        found.append(("ceiling", f"an attack that sees the target itself wanted, {ceiling.name} got; choose one of {', '.join(white)}."))
    return found


def modality_problems(data: Section, target: Section, attack: Section, reveals: str) -> list[tuple[str, str]]:
    """A target that wants texts on a data set without; and without texts, an attack on them, or answers other than features."""
    from crossattack.registry import TARGETS

    has_texts, reads_texts = getattr(data.plugin, "has_texts", True), getattr(target.plugin, "reads_texts", True)
    if reads_texts and not has_texts:
        others = [name for name in TARGETS.names() if not getattr(TARGETS.load(name), "reads_texts", True)]
        return [("data", f"pictures with texts wanted by {target.name}, {data.name} has pictures alone; or `--target {others[0]}`.")]
    needs = attack.plugin.needs
    if not reads_texts and ("images" not in needs.changes or needs.pairs):
        return [("attack", f"an attack on pictures alone wanted with {target.name}, {attack.name} got, which changes texts.")]
    if not getattr(target.plugin, "has_codes", True) and reveals != "features":
        return [("oracle.reveals", f"features wanted with {target.name}, which has nothing else to show, {reveals} got; leave it out.")]
    return []


def _vectors(key: str, attack: Section, seen: str, network: Section) -> list[tuple[str, str]]:
    """An attack at the vectors of words on a text tower that has none."""
    from surrogates.towers import has_embeddings

    tower = getattr(network.plugin, "text_tower", None)
    if not attack.plugin.needs.embeddings or tower is None or tower.partition(":")[0] not in TEXT_TOWERS.names() or has_embeddings(tower):
        return []
    good = " or ".join(name for name in TEXT_TOWERS.names() if has_embeddings(name))
    return [(f"{seen}.text_tower", f"{good} wanted by {attack.name}, the {key}, which moves along vectors of words, {tower} got.")]


def radius_problems(key: str, section: Section) -> list[tuple[str, str]]:
    """A radius beyond all pixels, which nobody means: 8 for 8/255. And radii of single pixels under a norm that has none."""
    if getattr(section.plugin, "perception", "none") != "none" and getattr(section.plugin, "norm", "linf") != "linf":
        says = f"none wanted with `norm: {section.plugin.norm}`, mnd got; a pixel has a radius of its own with linf only."
        return [(f"{key}.perception", says)]
    eps = getattr(section.plugin, "eps", None) if section.leader is None or "eps" in section.given else None
    if eps is None or eps <= 1 or getattr(section.plugin, "norm", "linf") != "linf":
        return []
    return [(f"{key}.eps", f"1 or less wanted, {eps:g} got; the nearest is 1. Pixels are in [0, 1]: write 8/255.")]


def service_problems(target: Section, white_box: bool, defence: Section | None) -> list[tuple[str, str]]:
    """What a service behind HTTP, or a model that is called and not looked into, cannot grant; nor can anything be put before a service."""
    if defence is not None and getattr(target.plugin, "remote", False):
        return [("defence", f"none wanted with {target.name}, which is defended where it runs, {defence.name} got; leave it out.")]
    if not (white_box and (getattr(target.plugin, "remote", False) or getattr(target.plugin, "opaque", False))):
        return []
    return [("oracle.white_box", f"false wanted with {target.name}, of which nobody here sees the inside, true got; leave it out.")]


def features_problems(target: Section, reveals: str) -> list[tuple[str, str]]:
    """Codes or lists of a target that was told to compare features."""
    if getattr(target.plugin, "similarity", "hamming") == "hamming" or reveals == "features":
        return []
    compares = f"{target.name}, which compares by {target.plugin.similarity}"
    return [("oracle.reveals", f"features wanted with {compares}, {reveals} got; say `--set oracle.reveals=features`.")]


def reveals_problems(attack: Section, reveals: str, top_k: int | str | None) -> list[tuple[str, str]]:
    """Answers that the attack cannot use, and a k without a list or a list without one."""
    usable = attack.plugin.needs.reveals
    if reveals not in usable:
        return [
            ("oracle.reveals", f"{' or '.join(usable)} wanted by {attack.name}, which cannot use {reveals}; the nearest is {usable[0]}.")
        ]
    if reveals == "ranking" and top_k is None:
        says = "a number, or all, wanted: how much of the list an answer shows is part of the threat model; `--set oracle.top_k=10`."
        return [("oracle.top_k", says)]
    if reveals != "ranking" and top_k is not None:
        return [("oracle.top_k", f"null wanted where answers are {reveals}, {top_k} got; or `--set oracle.reveals=ranking`.")]
    return []


def _image_tower(name: str) -> str | None:
    if name in IMAGE_TOWERS.names():
        return None
    import torchvision  # only now: it takes seconds

    others = torchvision.models.list_models(module=torchvision.models)
    if name in others:
        return None
    return f"no image tower is called {name!r}{nearest(name, (*IMAGE_TOWERS.names(), *others))}; {_choices()} or a network of torchvision."


def _text_tower(name: str) -> str | None:
    known, first = TEXT_TOWERS.names(), name.partition(":")[0]
    if first not in known:
        return str(UnknownName(TEXT_TOWERS.kind, first, known))
    if name in ("bag_of_words", "transformer"):  # without weights of their own; answered before torch is there
        return None
    from surrogates.towers import text_tower_refusal

    return f"{says}." if (says := text_tower_refusal(name)) else None


def _weights(weights: str) -> str | None:
    if weights in STARTS or re.search(r"[/.]", weights):
        return None
    return f"own, none, default or a file's path wanted, {weights!r} got{nearest(weights, STARTS)}."


TOWERS: dict[str, Any] = {"image_tower": _image_tower, "text_tower": _text_tower, "teacher": _image_tower, "weights": _weights}


def _choices() -> str:
    return f"choose one of {', '.join(IMAGE_TOWERS.names())}"


def _refusal(tower: str, weights: str) -> str | None:
    """Build the tower once, as a trial: files of weights fail in many ways, and now nothing has been written yet."""
    from surrogates.towers import image_tower

    try:
        image_tower(tower, weights)
    except Exception as error:  # whatever a file of weights can raise
        return f"weights for {tower} wanted, {weights!r} got: {' '.join(str(error).split()):.400}."
    return None
