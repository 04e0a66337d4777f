"""How far can someone who only sends queries, and only so many, break a cross-modal hashing system that you own?

    import crossattack

    pairs = crossattack.pairs_of(images, texts, labels)
    split = crossattack.split_of(pairs, query=200, attacker=500)
    results = crossattack.evaluate(engine, (pairs, split), "aach", budget=500, attacked=100)

The names below are imported when they are first used, so that `import crossattack` takes no time. `docs/api.md` tells what they are
for; `crossattack.experiment` tells the whole story in one function.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from crossattack.attacks import Attack, AttackContext, Needs, Perturb, Perturbed, Pictures, Status, Words, unasked
    from crossattack.calls import evaluate, run_experiment
    from crossattack.codes import hamming, harden
    from crossattack.config import RunConfig, load_config
    from crossattack.datasets import Pairs, Split
    from crossattack.datasets._own import pairs_of, split_of
    from crossattack.endpoint import Reveals, Similarity
    from crossattack.errors import BudgetRefused, ConfigError, CrossattackError, UsageError
    from crossattack.ledger import Ledger
    from crossattack.metrics.ranking import average_precision, mean_average_precision, share_a_label
    from crossattack.oracle import Answer, LocalEndpoint, Oracle, Referee
    from crossattack.plugins import attack, dataset, objective, target
    from crossattack.progress import Event, PlainLines, RichBars, Silent
    from crossattack.report.table import print_table
    from crossattack.targets import Target
    from crossattack.tensorboard import tensorboard_in
    from surrogates.network import weights_digest

HOMES: Final = {  # where each name is imported from
    "crossattack.attacks": "Attack AttackContext Needs Perturb Perturbed Pictures Status Words unasked",
    "crossattack.calls": "evaluate run_experiment",
    "crossattack.codes": "hamming harden",
    "crossattack.config": "RunConfig load_config",
    "crossattack.datasets": "Pairs Split",
    "crossattack.datasets._own": "pairs_of split_of",
    "crossattack.endpoint": "Reveals Similarity",
    "crossattack.errors": "BudgetRefused ConfigError CrossattackError UsageError",
    "crossattack.ledger": "Ledger",
    "crossattack.metrics.ranking": "average_precision mean_average_precision share_a_label",
    "crossattack.oracle": "Answer LocalEndpoint Oracle Referee",
    "crossattack.plugins": "attack dataset objective target",
    "crossattack.progress": "Event PlainLines RichBars Silent",
    "crossattack.report.table": "print_table",
    "crossattack.targets": "Target",
    "crossattack.tensorboard": "tensorboard_in",
    "surrogates.network": "weights_digest",
}

__all__ = [  # noqa: RUF022 -- by what they are for
    # a run
    "evaluate", "run_experiment", "load_config", "RunConfig", "print_table",
    # your own system and data
    "Target", "Similarity", "weights_digest", "Pairs", "Split", "pairs_of", "split_of",
    # what the suite has, by name
    "attack", "objective", "dataset", "target",
    # queries that are paid for
    "Oracle", "Referee", "Answer", "Reveals", "LocalEndpoint", "Ledger",
    # an attack of your own
    "Attack", "AttackContext", "Needs", "Pictures", "Words", "Perturb", "Perturbed", "Status", "unasked",
    # figures
    "harden", "hamming", "average_precision", "mean_average_precision", "share_a_label",
    # progress
    "Event", "PlainLines", "RichBars", "Silent", "tensorboard_in",
    # what goes wrong on purpose
    "CrossattackError", "UsageError", "ConfigError", "BudgetRefused",
]  # fmt: skip


if not TYPE_CHECKING:  # a type checker that saw it would take every misspelt name for one that is there

    def __getattr__(name: str) -> Any:
        for home, names in HOMES.items():
            if name in names.split():
                found = globals()[name] = getattr(import_module(home), name)
                return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
