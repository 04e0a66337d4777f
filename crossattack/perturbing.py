"""Attacked items, condition by condition: clean, noise, attacked, ceiling; batch by batch, each a checkpoint."""

import logging
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TypeAlias

import h5py

from crossattack import items as storage
from crossattack.attacks import Attack, AttackContext, Items, Perturb, Perturbed, Pictures, Status, Words, unasked
from crossattack.attacks.noise import Noise
from crossattack.cache import whole_file
from crossattack.datasets import Pairs
from crossattack.errors import ItemRefused
from crossattack.ledger import Modality
from surrogates.texts import Texts

BATCH = 100  # attacked items perturbed at a time
CONDITIONS = ("clean", "noise", "attacked", "ceiling")
Condition: TypeAlias = Mapping[Modality, Perturbed]

log = logging.getLogger("crossattack")


def untouched(query: Pairs) -> Condition:
    """The attacked items as they are, about which nothing was asked."""
    ids = tuple(range(len(query)))
    images = unasked(Pictures(ids, query.pixels()))
    return {"images": images, "texts": unasked(Words(ids, query.texts))} if query.texts else {"images": images}


def noise_like(attack: Attack) -> Noise:
    """The control of an attack: the same kind of change, as far, at random; where the attack changes nothing, nothing."""
    shared = {field.name: getattr(attack, field.name) for field in fields(Noise) if hasattr(attack, field.name)}
    if "images" not in attack.needs.changes:
        shared["eps"] = 0.0
    if "texts" not in attack.needs.changes:
        shared["edits"] = 0
    return Noise(**{name: value for name, value in shared.items() if value is not None})


def perturb_all(name: str, attack: Attack, context: AttackContext, clean: Condition) -> Condition:
    """What the attack makes of all clean items, by modality.

    Batches that an interrupted run finished are read back from `checkpoints/<name>`; the attack is fitted all the same,
    which costs nothing where its answers and surrogates are there already.
    """
    perturb = attack.fit(context)
    changed: dict[Modality, Perturbed] = {}
    with context.progress.stage(f"perturbing: {name}", sum(len(one.items.ids) for one in clean.values())) as tick:
        for modality, untouched in clean.items():
            batches = []
            for start in range(0, len(untouched.items.ids), BATCH):
                path = context.folder / "checkpoints" / name / f"{modality}-{start:06d}.h5"
                batch = _finished(path)
                if batch is None:
                    storage.save(path, perturbed(perturb, _slice(untouched.items, start)))
                    batch = storage.load(path)
                batches.append(batch)
                tick(len(batches[-1].items.ids), modality)
            changed[modality] = storage.join(batches)
    return changed


def perturbed(perturb: Perturb, items: Items) -> Perturbed:
    """What the attack makes of these. Where the target refuses one of them they are taken one by one, and it is kept as it was.

    What was answered before is paid for, so nothing is bought twice.
    """
    try:
        return perturb(items)
    except ItemRefused as error:
        if len(items.ids) == 1:
            log.warning("attacked item %d is kept as it was: %s", items.ids[0], error)
            return Perturbed(items, (Status.ERROR,))
        return storage.join([perturbed(perturb, _slice(items, position, 1)) for position in range(len(items.ids))])


def _finished(path: Path) -> Perturbed | None:
    """A batch that was finished before; None where there is none, or it is damaged."""
    if not path.exists():
        return None
    try:
        return storage.load(path)
    except (OSError, KeyError, ValueError, RuntimeError):
        log.warning("%s is damaged; perturbing its items again.", path)
        return None


def kept(path: Path, conditions: Mapping[str, Condition]) -> dict[str, Condition]:
    """Write all conditions to one file and read them back: what is judged is what the file holds."""
    with whole_file(path) as temporary, h5py.File(temporary, "w") as file:
        for name, condition in conditions.items():
            for modality, perturbed in condition.items():
                storage.write(file.create_group(f"{name}/{modality}"), perturbed)
    return read_back(path)


def read_back(path: Path) -> dict[str, Condition]:
    """All conditions of a file that `kept` wrote, in their order, pictures before texts."""
    modalities: tuple[Modality, ...] = ("images", "texts")
    with h5py.File(path) as file:
        names = [name for name in CONDITIONS if name in file] + [name for name in file if name not in CONDITIONS]
        return {name: {modality: storage.read(file[name][modality]) for modality in modalities if modality in file[name]} for name in names}


def first_of(items: Items, count: int) -> Items:
    """The first so many of these items, or all there are."""
    return _slice(items, 0, count)


def _slice(items: Items, start: int, count: int = BATCH) -> Items:
    here = slice(start, start + count)
    values: Texts
    if isinstance(items, Pictures):
        return Pictures(items.ids[here], items.values[here])
    values = items.values[here]
    return Words(items.ids[here], values)
