"""The suite's story: data -> target -> oracle -> triplets -> surrogate -> attack -> evaluation -> results.

`run` tells it. What it leaves in the run's folder is enough to compute every figure again without a query; whatever was
finished before an interruption is read back, batch by batch, and is neither paid for nor trained again.
"""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crossattack.attacks import Attack, AttackContext
from crossattack.attacks._context import Attacked
from crossattack.config import RunConfig
from crossattack.datasets._store import digest
from crossattack.deployed import deployed
from crossattack.doors import Roles, open_doors
from crossattack.evaluation import Goal, compare, judge
from crossattack.evidence import Evidence, keep_codes
from crossattack.given import NOTHING, Given
from crossattack.goals import chosen_ids, chosen_items, is_targeted, wanted_pairs
from crossattack.ledger import Ledger
from crossattack.perturbing import kept, noise_like, perturb_all, untouched
from crossattack.progress import Progress
from crossattack.results import Clock, assemble
from crossattack.sentences import texts_apart
from crossattack.streams import Streams
from crossattack.targets import reads_texts
from crossattack.trainings import watched_training
from crossattack.trials import try_out


def run(config: RunConfig, folder: Path, progress: Progress, given: Given = NOTHING) -> dict[str, Any]:
    """Attack the target as configured. Returns what results.json says, which lies in `folder` with all its evidence.

    given: a target and pairs that are at hand, in the place of what the configuration would load.
    """
    clock, started, device, streams = Clock(), datetime.now(UTC), config.fit_to_run().torch_device(), Streams(config.seed)
    with clock("data"):
        pairs, split = given.data or config.data.plugin.load(progress)
    with clock("target"):
        system = deployed(config, pairs.take(split.train), device=device, progress=progress, given=given.target)
        target = system.target
    read = pairs if reads_texts(target) else pairs.pictures()
    query, own, held_back = (read.take(role).read() for role in (split.query[: config.attacked], split.attacker, split.held_back))
    roles = Roles(query, read.take(split.database), own, held_back)

    with (
        Ledger.open(folder / "ledger.sqlite", target_digest=target.digest) as ledger,
        open_doors(config, system, ledger, roles, device, progress, clock) as doors,
    ):
        attack = config.attack.plugin
        wanted, chosen = wanted_pairs(query, own, streams), chosen_items(attack, roles.database)
        black_box = AttackContext(
            doors.oracle,
            own.pixels(),
            tuple(own.texts),
            streams,
            device,
            watched_training(progress, folder, target),
            folder,
            len(query),
            wanted,
            chosen,
            config.surrogate.plugin,
            common=given.common,
            front=system.front,
        )
        white_box = doors.white_box(black_box)
        alike = digest(query), split.digest(), target.digest, streams, device, chosen, *system.knowledge
        contenders = contenders_of(config, black_box, white_box, alike)

        whole, conditions = Attacked(query.pixels(), tuple(query.texts)), {"clean": untouched(query)}
        for name, (contender, context) in contenders.items():
            with clock(name):
                granted = replace(context, pairs=whole) if contender.needs.pairs else context
                conditions[name] = perturb_all(name, contender, granted, conditions["clean"])
        conditions = kept(folder / "items.h5", conditions)

        with clock("evaluation"):
            goal = Goal({kind: own.labels[wanted[kind]] for kind in wanted} if is_targeted(attack) else {}, chosen_ids(attack))
            rankings = judge(doors.referee, conditions, query, roles.database, doors.index, goal, progress)
            compared = compare(doors.referee, black_box.made, roles.held_back, device)
            apart = texts_apart(conditions["clean"], conditions["attacked"])
        with clock("trials"):
            asked = config.ceiling.plugin, white_box, doors.referee, conditions["clean"], rankings, query
            trials = try_out(*asked, database=roles.database, attacker=own)
        evidence = Evidence(config, pairs.groups, split, ledger, conditions, rankings, compared, trials, apart)
        keep_codes(folder / "codes.h5", evidence)
        if doors.visit:
            doors.visit.note_count("after")
        return assemble(evidence, started, clock, folder / "results.json")


def contenders_of(
    config: RunConfig, black_box: AttackContext, white_box: AttackContext | None, alike: tuple[object, ...]
) -> dict[str, tuple[Attack, AttackContext]]:
    """Who changes the items, by condition, and what each is granted: the control, the attack, and a ceiling where one is allowed.

    alike: what ceilings of other runs have to agree in to be this one's; one that asks the target is each run's own.
    """
    attack, ceiling = config.attack.plugin, config.ceiling.plugin
    found: dict[str, tuple[Attack, AttackContext]] = {
        "noise": (noise_like(attack), black_box),
        "attacked": (attack, white_box if white_box and config.oracle.white_box else black_box),
    }
    if white_box:
        own = white_box.folder
        place = own if ceiling.needs.queries else white_box.common.workplace("ceiling", own, ceiling, *alike)
        found["ceiling"] = (ceiling, replace(white_box, folder=place))
    return found
