"""The settings of a run: what there is to choose, and what a bare run uses.

    config = load_config(Path("mine.yaml"), ["attack.steps=50"], {"target.bits": 64})
    config.attack.plugin            # Aach(eps=..., steps=50, ...)
    config.oracle.budget            # 2000

A plugin's own settings and their defaults live in its frozen dataclass; what belongs to no plugin lives here. A
configuration is refused as a whole, one line a problem; one that was accepted can be written out and read again.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, PlainValidator, ValidationError, model_validator

from crossattack.config._checks import (
    attack_problems,
    device_problem,
    family_problems,
    features_problems,
    modality_problems,
    radius_problems,
    reveals_problems,
    service_problems,
    tower_problems,
)
from crossattack.config._leave import KEY, leave
from crossattack.config._problems import Problems, explain
from crossattack.config._section import Section, as_table, checked, chosen
from crossattack.config._sources import merge, read_override, read_yaml
from crossattack.config._usual import as_usual
from crossattack.errors import ConfigError
from crossattack.leave import Leave
from crossattack.registry import ATTACKS, DATASETS, DEFENCES, TARGETS

NONE = "none"  # where there need not be a plugin
PLUGINS = {
    "data": (DATASETS, "pictograms"),
    "target": (TARGETS, "dcmh"),
    "defence": (DEFENCES, NONE),
    "attack": (ATTACKS, "aach"),
    "ceiling": (ATTACKS, "mi_fgsm"),
}
USUAL: Any = None  # a section that is not given: its default plugin with that plugin's own settings


def _section(value: object, info: Any) -> Section:
    """The plugin of a section. The ceiling has the attack's radii unless it is given its own.

    An attack that edits texts has as its usual ceiling one that edits them too.

    info: pydantic's, with the name of the field and the fields before it.
    """
    name = str(info.field_name)
    registry, usual = PLUGINS[name]
    leader = info.data.get("attack") if name == "ceiling" else None
    if leader is not None and leader.name != PLUGINS["attack"][1] and leader.plugin.family == "text":
        usual = "joint" if "images" in leader.plugin.needs.changes else "tags"
    return chosen(value, registry, usual, leader=leader)


def _defence(value: object) -> Section | None:
    """What stands before the target, if anything does."""
    table, (registry, usual) = as_table(value), PLUGINS["defence"]
    if table and "name" not in table:
        raise Problems([("name", f"one of {', '.join((NONE, *registry.names()))} wanted beside its settings, none got.")])
    return None if table.get("name", NONE) in (NONE, None) else chosen(table, registry, usual)


def _recipe(value: object) -> Section:
    """How a surrogate is built: a section with nothing to choose, so without a name."""

    def load() -> Any:
        from crossattack.attacks._surrogate import SurrogateRecipe

        return SurrogateRecipe

    return Section(None, load, checked(as_table(value), load))


def _top_k(value: object) -> int | str | None:
    """How much of a list an answer shows."""
    if value is None or value == "all":
        return value
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("a whole number of 1 or more, or all, wanted")
    return value


Plugin = Annotated[Section, PlainValidator(_section), PlainSerializer(Section.resolved)]
Defence = Annotated[Section | None, PlainValidator(_defence), PlainSerializer(lambda found: NONE if found is None else found.resolved())]
Recipe = Annotated[Section, PlainValidator(_recipe), PlainSerializer(Section.resolved)]


def _no_claim(value: object) -> object:
    """YAML's yes and no are no numbers."""
    if isinstance(value, bool):
        raise ValueError("a number wanted")
    return value


Whole = Annotated[int, BeforeValidator(_no_claim)]
Count = Annotated[Whole, Field(ge=0)]
TopK = Annotated[int | str | None, PlainValidator(_top_k)]
FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class OracleConfig(_Table):
    """The threat model: what answers show and how many there are.

    reveals: codes, ranking (ids of the `top_k` nearest of the target's own database; `all`: of the whole) or features.
    budget: the most queries of the attacker, over all phases. per_item: the most on behalf of one attacked item.
    white_box: the attack itself is granted the target, the labels and the database codes. adaptive: white boxes go through the
    target's defence, taking the mean over `draws` of its draws where it is random, and surrogates have it in front; false: they
    know the system without it.
    """

    reveals: Literal["codes", "ranking", "features"] = "codes"
    top_k: TopK = None
    budget: Count = 2000
    per_item: Count | None = None
    white_box: bool = False
    adaptive: bool = True
    draws: Annotated[Whole, Field(ge=1, le=1000)] = 8

    @property
    def shown(self) -> int | None:
        """`top_k` as a number; None is all there is."""
        return self.top_k if isinstance(self.top_k, int) else None


class EvaluationConfig(_Table):
    """How a run is judged. cap: the most queries of the referee's own account. resamples: of the bootstrap."""

    cap: Count = 100_000
    resamples: Annotated[Whole, Field(ge=1)] = 2000


class RunConfig(_Table):
    """Everything that decides a run. Sections hold their plugin: `config.attack.plugin`, `config.surrogate.plugin`.

    attacked: how many items of either modality are attacked, at most. device: `auto` is a GPU where there is one.
    """

    name: FolderName | None = None
    seed: Count = 0
    device: Device = "auto"
    attacked: Annotated[Whole, Field(ge=1)] = 500
    data: Plugin = USUAL
    target: Plugin = USUAL
    defence: Defence = None
    attack: Plugin = USUAL
    ceiling: Plugin = USUAL
    surrogate: Recipe = USUAL
    oracle: OracleConfig = OracleConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    @model_validator(mode="before")
    @classmethod
    def _as_usual(cls, tree: Any) -> Any:
        """What goes with what was chosen, where the configuration does not say."""
        return as_usual(tree) if isinstance(tree, Mapping) else tree

    @model_validator(mode="after")
    def _fits_together(self) -> "RunConfig":
        """What no single setting can know; asked once all of them are sound."""
        limits = self.oracle.budget, self.oracle.white_box, self.attacked
        found = attack_problems(self.attack, self.ceiling, self.target, self.surrogate, *limits)
        found += modality_problems(self.data, self.target, self.attack, self.oracle.reveals)
        found += radius_problems("attack", self.attack) + radius_problems("ceiling", self.ceiling)
        found += reveals_problems(self.attack, self.oracle.reveals, self.oracle.top_k)
        found += tower_problems("target", self.target) + tower_problems("surrogate", self.surrogate) + family_problems(self.attack)
        found += service_problems(self.target, self.oracle.white_box, self.defence) or features_problems(self.target, self.oracle.reveals)
        if says := device_problem(self.device):
            found.append(("device", says))
        if found:
            raise Problems(found)
        return self

    def resolved(self) -> dict[str, Any]:
        """All settings as plain values, fit for JSON and YAML; valid input again."""
        return self.model_dump(mode="json")

    def fit_to_run(self) -> "RunConfig":
        """The same, once it is known that an attack can be run on the target; `ConfigError` says why not."""
        if reason := getattr(self.target.plugin, "unfit", None):
            raise ConfigError(f"{reason}")
        return self.fit_to_load()

    def fit_to_load(self) -> "RunConfig":
        """The same, once it is known that nothing is missing to make the target of; `ConfigError` says what."""
        if reason := getattr(self.target.plugin, "lacks", None):
            raise ConfigError(f"{reason}")
        return self

    def with_leave(self) -> "RunConfig":
        """The same, with leave to run the code that its target names, where it names some."""
        return config_of(self.resolved(), [(KEY, Leave())]) if getattr(self.target.plugin, "code", ()) else self

    def torch_device(self) -> str:
        """The device in torch's words: `auto` settled on this machine."""
        if self.device != "auto":
            return self.device
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"


def load_config(path: Path | None = None, overrides: Sequence[str] = (), flags: Mapping[str, Any] | None = None) -> RunConfig:
    """A YAML file's settings, then `a.b=c` overrides, then flags by dotted key (None: not given); defaults for the rest.

    `ConfigError` has a line for each problem, naming the key, what was wanted, what was got and the nearest choice.
    """
    tree = read_yaml(path) if path else {}
    changes = [read_override(text) for text in overrides]
    changes += [(key, value) for key, value in (flags or {}).items() if value is not None]
    return config_of(tree, [*changes, *leave(tree, changes)])


def config_of(tree: dict[str, Any], changes: Sequence[tuple[str, Any]] = ()) -> RunConfig:
    """The settings of a tree with changes by dotted key; `ConfigError` as from `load_config`."""
    try:
        return RunConfig.model_validate(merge(tree, changes, PLUGINS))
    except ValidationError as error:
        lines = [f"{key}: {says}" for key, says in explain(error.errors(include_url=False), _known)]
        raise ConfigError("\n".join(lines)) from error


def to_yaml(config: RunConfig) -> str:
    """All settings, as a file that `load_config` reads as the same configuration."""
    return yaml.safe_dump(config.resolved(), sort_keys=False, allow_unicode=True)


def _known(table: str) -> tuple[str, ...]:
    tables: dict[str, type[BaseModel]] = {"": RunConfig, "oracle": OracleConfig, "evaluation": EvaluationConfig}
    return tuple(tables[table].model_fields)
