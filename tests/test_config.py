"""Configuration: where settings come from, what is refused and how, and that the resolved one is valid input."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from crossattack.config import RunConfig, load_config, to_yaml
from crossattack.errors import ConfigError
from crossattack.run_folder import flat

DEFAULT = Path(__file__).parents[1] / "configs" / "default.yaml"


def written(folder: Path, text: str) -> Path:
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path | None = None, overrides: list[str] | None = None, flags: dict[str, Any] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides or [], flags or {})
    return str(caught.value).splitlines()


def test_the_default_file_says_what_a_bare_run_uses() -> None:
    bare = load_config()
    assert load_config(DEFAULT) == bare
    assert flat(yaml.safe_load(DEFAULT.read_text())).keys() == flat(bare.resolved()).keys()


def test_a_resolved_configuration_is_valid_input_and_the_same(tmp_path: Path) -> None:
    config = load_config(None, ["attack.eps=4/255", "data=scenes", "data.pairs=400"], {"name": "mine", "oracle.per_item": 3})
    text = to_yaml(config)
    assert load_config(written(tmp_path, text)) == config
    assert to_yaml(load_config(written(tmp_path, text))) == text


def test_flags_win_over_set_which_wins_over_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "seed: 1\nattacked: 1\noracle: {budget: 100}\n")
    config = load_config(path, ["attacked=2", "oracle.budget=200"], {"oracle.budget": 300, "seed": None})
    assert (config.seed, config.attacked, config.oracle.budget) == (1, 2, 300)


def test_a_section_is_a_name_or_a_table(tmp_path: Path) -> None:
    assert load_config(written(tmp_path, "attack: noise\n")) == load_config(written(tmp_path, "attack: {name: noise}\n"))
    assert load_config(written(tmp_path, "attack: noise\n"), ["attack.eps=0.5"]).attack.plugin.eps == 0.5
    assert load_config(written(tmp_path, "attack: {steps: 3}\n")).attack.plugin.steps == 3
    assert load_config(written(tmp_path, "attack:\n")) == load_config()


@pytest.mark.parametrize(("text", "value"), [("8/255", 8 / 255), ("1e-3", 0.001), ("0.1", 0.1), ("0", 0.0)])
def test_numbers_may_be_written_as_people_write_them(tmp_path: Path, text: str, value: float) -> None:
    assert load_config(written(tmp_path, f"attack: {{eps: {text}}}\n")).attack.plugin.eps == value
    assert load_config(None, [f"attack.eps={text}"]).attack.plugin.eps == value
    assert load_config(None, [], {"attack.eps": text}).attack.plugin.eps == value


def test_the_ceiling_has_the_attacks_radii_unless_it_is_given_its_own() -> None:
    led = load_config(None, ["attack.eps=4/255", "attack.text_eps=0.2"]).ceiling.plugin
    assert (led.eps, led.text_eps) == (4 / 255, 0.2)
    own = load_config(None, ["attack.eps=4/255", "ceiling.eps=2/255"]).ceiling.plugin
    assert (own.eps, own.text_eps) == (2 / 255, 0.1)


def test_an_attack_that_edits_texts_has_a_ceiling_that_edits_them_as_often() -> None:
    usual = {name: load_config(None, [f"attack={name}", "attack.edits=3"]).ceiling for name in ("tags", "joint")}
    assert {name: (ceiling.name, ceiling.plugin.edits) for name, ceiling in usual.items()} == {"tags": ("tags", 3), "joint": ("joint", 3)}
    assert load_config(None, ["attack=bim"]).ceiling.name == "mi_fgsm"
    assert load_config(None, ["attack=tags", "ceiling=pgd"]).ceiling.name == "pgd"


def test_choosing_another_plugin_keeps_what_both_know(tmp_path: Path) -> None:
    path = written(tmp_path, "attack: {name: aach, eps: 4/255, margin: 0.5}\n")
    noise = load_config(path, [], {"attack.name": "noise"}).attack.resolved()
    assert noise == {**load_config(None, [], {"attack.name": "noise"}).attack.resolved(), "eps": 4 / 255}
    assert "attack.margim" in refusal(written(tmp_path, "attack: {margim: 0.5}\n"), [], {"attack.name": "noise"})[0]


def test_a_dotted_key_of_a_file_is_told_how_to_be_written(tmp_path: Path) -> None:
    """Overrides and grids are dotted, files are nested."""
    wanted = "target.seed: settings of `target` wanted inside it, a dotted key got; write `target: {seed: ...}`."
    assert refusal(written(tmp_path, "target.seed: 2\n")) == [wanted]
    (other,) = refusal(written(tmp_path, "oracel.budget: 2\n"))
    assert other.startswith("oracel.budget: no such key (did you mean 'oracle'?); known here: name, seed,")


def test_settings_fall_on_the_chosen_plugin_whatever_their_order() -> None:
    assert refusal(None, ["attack.margin=0.5", "attack=noise"])[0].startswith("attack.margin: no such key")
    assert load_config(None, ["data.pairs=400"], {"data.name": "scenes"}).data.plugin.pairs == 400


@pytest.mark.parametrize(
    ("families", "line"),
    [
        ("[convnet, mobilnet_v2]", "attack.families: no image tower is called 'mobilnet_v2' (did you mean 'mobilenet_v2'?)"),
        ("['mobilenet_v2:imagenet']", "attack.families: own, none, default or a file's path wanted, 'imagenet' got"),
        ("['convnet:none.pth']", "attack.families: weights for convnet wanted, 'none.pth' got: "),
    ],
)
def test_families_that_cannot_be_built_are_refused_before_anything_is_spent(families: str, line: str) -> None:
    assert refusal(None, ["attack=understudy", f"attack.families={families}"])[0].startswith(line)


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        ("target=dcmmh", "target: no target is called 'dcmmh' (did you mean 'dcmh'?); choose one of "),
        ("oracle.budget=-5", "oracle.budget: 0 or more wanted, -5 got; the nearest is 0."),
        ("attack.eps=300", "attack.eps: 1 or less wanted, 300 got; the nearest is 1. Pixels are in [0, 1]: write 8/255."),
        ("atack.eps=1", "atack: no such key (did you mean 'attack'?); known here: name, seed,"),
        ("oracle.bugdet=1", "oracle.bugdet: no such key (did you mean 'budget'?)"),
        ("attack.stpes=1", "attack.stpes: no such key (did you mean 'steps'?)"),
        ("surrogate.epoch=1", "surrogate.epoch: no such key (did you mean 'epochs'?)"),
        ("attack.triplets=orcle", "attack.triplets: 'surrogate' or 'oracle' wanted, 'orcle' got (did you mean 'oracle'?)."),
        ("oracle.reveals=rankng", "oracle.reveals: 'codes', 'ranking' or 'features' wanted, 'rankng' got (did you mean 'ranking'?)."),
        ("oracle.reveals=ranking", "oracle.top_k: a number, or all, wanted: how much of the list an answer shows"),
        ("attack=qair", "oracle.reveals: ranking wanted by qair, which cannot use codes; the nearest is ranking."),
        ("oracle.top_k=10", "oracle.top_k: null wanted where answers are codes, 10 got"),
        ("oracle={reveals: ranking, top_k: 0}", "oracle.top_k: a whole number of 1 or more, or all, wanted, 0 got."),
        ("oracle={reveals: ranking, top_k: most}", "oracle.top_k: a whole number of 1 or more, or all, wanted, 'most' got."),
        ("seed=x", "seed: a whole number wanted, 'x' got."),
        ("surrogate.lr=.nan", "surrogate.lr: a finite number wanted, nan got."),
        ("attack.eps=8/0", "attack.eps: a number wanted, '8/0' got."),
        ("device=gpu", "device: auto, cpu, cuda or cuda:N wanted, 'gpu' got."),
        ("device=cuda:99", "device: cuda:99 wanted,"),
        ("name=../x", "name: a folder's name of at most 100 letters"),
        ("oracle=3", "oracle: a table of settings wanted, 3 got."),
        ("attack=[1]", "attack: a name or a table of settings wanted, [1] got."),
        ("target.image_tower=convnt", "target.image_tower: no image tower is called 'convnt' (did you mean 'convnet'?)"),
        ("surrogate.text_tower=bag", "surrogate.text_tower: no text tower is called 'bag'"),
        ("surrogate.weights=onw", "surrogate.weights: own, none, default or a file's path wanted, 'onw' got (did you mean 'own'?)."),
        ("target.weights=/nowhere.pt", "target.weights: weights for efficientnet_lite0 wanted, '/nowhere.pt' got: "),
        ("oracle.budget=10", "oracle.budget: 16 or more wanted for the surrogate of aach, 10 got; the nearest is 16."),
        ("ceiling=noise", "ceiling: an attack that sees the target itself wanted, noise got; choose one of bim, di_fgsm, "),
        ("ceiling.eps=8", "ceiling.eps: 1 or less wanted, 8 got; the nearest is 1. Pixels are in [0, 1]: write 8/255."),
        (
            "attack={name: bim, objective: hga}",
            "attack.objective: no objective is called 'hga' (did you mean 'hag'?); choose one of away, ",
        ),
        (
            "ceiling.objective={name: hag, btea: 1}",
            "ceiling.objective: no such setting of hag: 'btea' (did you mean 'beta'?); known: name, ",
        ),
        ("ceiling.objective={name: hag, beta: -1}", "ceiling.objective.beta: 0 or more wanted, -1 got; the nearest is 0."),
        ("attack={name: ti_fgsm, kernel: 4}", "attack.kernel: an odd number of pixels wanted, 4 got."),
        ("data={name: scenes, pairs: 3}", "data: `pairs` of scenes: 40 to 1,000,000 wanted, 3 got; the nearest is 40."),
        ("seed", "--set: key=value wanted, 'seed' got"),
        ("seed=[", "--set seed: a YAML value wanted, '[' got"),
    ],
)
def test_bad_settings_are_refused_in_one_line(overrides: str, line: str) -> None:
    lines = refusal(None, [overrides])
    assert len(lines) == 1
    assert lines[0].startswith(line)


def test_all_problems_are_told_at_once() -> None:
    lines = refusal(None, ["atack.eps=1", "oracle.bugdet=3", "attack.stpes=3", "seed=-1"], {"target.name": "dcmmh"})
    assert [line.partition(":")[0] for line in lines] == ["seed", "target", "attack.stpes", "oracle.bugdet", "atack"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: &x [1]\nb: *x\n", "aliases (*) are not taken, write the value out (line 2, column 4)"),
        ("seed: 1\nseed: 2\n", "the key 'seed' is said twice (line 1, column 1)"),
        ("- 1\n", "a table of settings wanted"),
        ("seed: [\n", "YAML wanted"),
        ("seed: !!python/object/apply:os.system ['true']\n", "could not determine a constructor"),
        ("[" * 100_000, "it is nested too deeply"),
        ("#" * (1 << 20) + "#", "at most 1,048,576 bytes wanted"),
        ("1: 2\n", "1: no such key"),
    ],
)
def test_files_that_are_no_configuration_are_refused_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    (line,) = refusal(written(tmp_path, text))
    assert says in line


def test_a_missing_file_is_refused_with_the_nearest(tmp_path: Path) -> None:
    written(tmp_path, "")
    (line,) = refusal(tmp_path / "rnu.yaml")
    assert line.startswith(f"config: a YAML file wanted, no file at {tmp_path}/rnu.yaml (did you mean '{tmp_path}/run.yaml'?)")
    assert "is a folder" in refusal(tmp_path)[0]


def test_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes(b"name: \xff\xfe")
    assert len(refusal(path)) == 1


def test_a_white_box_attack_runs_where_it_is_granted() -> None:
    assert load_config(None, ["attack=pgd", "oracle.white_box=true"]).oracle.white_box


def test_a_configuration_can_be_built_in_python() -> None:
    config = RunConfig.model_validate({"attack": {"name": "noise", "eps": "8/255"}, "oracle": {"budget": 0}})
    assert config == RunConfig.model_validate({"attack": config.attack, "oracle": config.oracle})
    assert config != RunConfig.model_validate({"attack": "noise", "oracle": {"budget": 1}})
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 3  # type: ignore[misc]


def test_auto_is_settled_on_this_machine() -> None:
    assert load_config().torch_device() in ("cpu", "cuda")
    assert load_config(None, ["device=cpu"]).torch_device() == "cpu"
