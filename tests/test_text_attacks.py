"""Attacks on words: edits stay within their number, searches lower what they are told to, and every query is on the bill."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from word_distance import distance
from worlds import attackers_world

from crossattack.attacks import Pictures, Status, Words
from crossattack.attacks._asking import nearness
from crossattack.attacks._balls import ball_of_pictures
from crossattack.attacks._edits import Draft, Rules, at_random, rules_for
from crossattack.attacks.joint import Joint
from crossattack.attacks.noise import Noise
from crossattack.attacks.pgd import Pgd
from crossattack.attacks.tags import Tags
from crossattack.attacks.tokens import Tokens
from crossattack.config import load_config
from crossattack.errors import ConfigError, UsageError
from crossattack.oracle import Answer, Reveals
from crossattack.perturbing import noise_like
from surrogates.texts import Text, words_of


def run(attack: Any, folder: Path, **world: Any) -> tuple[Words, Any, Any]:
    """Clean words, what became of them, and the ledger's bill."""
    with attackers_world(folder, **world) as here:
        changed = attack.fit(here.context(attack))(here.words)
        return here.words, changed, here.ledger.bill("attacker")


@pytest.mark.parametrize(
    "attack",
    [Tags(edits=k, width=w, tried=t) for k, w, t in ((1, 1, None), (2, 1, 20), (3, 3, 10))]
    + [Tags(edits=3, actions=("replace",)), Tags(edits=3, actions=("remove",)), Tags(edits=2, through="queries", queries=9)]
    + [Tokens(edits=2), Joint(edits=2, steps=1), Noise(edits=3)],
)
def test_no_text_is_more_edits_away_than_allowed_and_new_words_are_the_attackers(attack: Any, tmp_path: Path) -> None:
    with attackers_world(tmp_path) as world:
        known = {word for text in world.black.texts for word in words_of(text)}
        changed = attack.fit(world.context(attack))(world.words)
        for before, after in zip(world.words.values, changed.items.values, strict=True):
            assert distance(before, after) <= attack.edits
            assert set(words_of(after)) - set(words_of(before)) <= known
            if getattr(attack, "actions", None) == ("remove",):
                assert set(words_of(after)) <= set(words_of(before))
            if getattr(attack, "actions", None) == ("replace",):
                assert len(words_of(after)) == len(words_of(before))
        assert changed.items.values != world.words.values
    assert changed.realisable


@pytest.mark.parametrize(
    "attack", [Tags(edits=3), Tags(edits=3, through="queries"), Tokens(edits=3), Joint(edits=3, steps=1), Noise(edits=3)]
)
def test_synonyms_alone_come_in_where_a_table_says_which(attack: Any, tmp_path: Path) -> None:
    colours, shapes = ["red", "blue", "green", "yellow", "black"], ["square", "triangle", "cross"]
    table = {word: group for group in (colours, shapes) for word in group} | {"above": ["below"], "circle": ["zebra"]}
    (tmp_path / "table.json").write_text(json.dumps(table))
    clean, changed, _ = run(replace(attack, synonyms=str(tmp_path / "table.json")), tmp_path / "world", attacked=12, budget=400)
    swaps = 0
    for before, after in zip(clean.values, changed.items.values, strict=True):
        for old, new in zip(words_of(before), words_of(after), strict=True):
            swaps += old != new
            assert old == new or new in table.get(old, [])
    assert swaps
    assert not any("zebra" in text for text in changed.items.values), "it stands in none of the attacker's texts"


class TestThroughASurrogate:
    def test_edits_lower_the_objective_and_a_full_search_lowers_it_most(self, tmp_path: Path) -> None:
        from crossattack.attacks._eyes import open_eyes
        from crossattack.encoding import encode_texts

        with attackers_world(tmp_path) as world:
            eyes = open_eyes(world.white)
            loss = Tags().objective.of(eyes.look(world.words))
            values = []
            for attack in (Tags(edits=0), Tags(edits=1, tried=None), Tags(edits=2), Tags(edits=2, tried=None, width=40)):
                found = attack.fit(world.white)(world.words).items.values
                values.append(loss(encode_texts(world.target, found)))
        clean, one, two, wide = values
        assert (one <= clean).all()
        assert (two <= one + 0.2).all()
        assert (wide <= two + 1e-6).all()
        assert wide.mean() < one.mean() < clean.mean()

    def test_it_costs_what_the_surrogate_costs_and_two_queries_a_text_where_asked(self, tmp_path: Path) -> None:
        _, unasked, bill = run(Tags(), tmp_path / "unasked")
        assert bill.phases.keys() == {"mining"}
        assert set(unasked.status) == {Status.UNVERIFIED}
        clean, asked, bill = run(Tags(verify=True), tmp_path / "asked")
        assert bill.phases["attack"] + bill.repeats >= 12
        assert bill.phases["attack"] <= len({*clean.values, *asked.items.values})
        assert set(asked.status) <= {Status.SUCCEEDED, Status.FAILED}

    def test_pictures_come_back_as_they_are(self, tmp_path: Path) -> None:
        for attack in (Tags(), Tags(through="queries"), Tokens()):
            with attackers_world(tmp_path / repr(attack)[-20:]) as world:
                changed = attack.fit(world.context(attack))(world.pictures)
                assert changed.items is world.pictures
                assert set(changed.status) == {Status.UNVERIFIED}


class TestThroughQueries:
    @pytest.mark.parametrize("top_k", [None, 10])
    @pytest.mark.parametrize("queries", [2, 7, 30])
    def test_the_bill_is_each_texts_allowance_and_no_query_more(self, queries: int, top_k: int | None, tmp_path: Path) -> None:
        attack = Tags(through="queries", queries=queries, go_on=True, edits=3)
        with attackers_world(tmp_path, budget=1000, top_k=top_k) as world:
            changed = attack.fit(world.black)(world.words)
            bill = world.ledger.bill("attacker")
        assert bill.spent + bill.repeats == queries * len(changed.status)
        assert bill.phases == {"attack": bill.spent}
        assert bill.images == 0
        assert all(each in (Status.SUCCEEDED, Status.EXHAUSTED) for each in changed.status), "far fewer than there are drafts"

    def test_all_single_edits_within_the_allowance_are_the_brute_force(self, tmp_path: Path) -> None:
        attack = Tags(through="queries", queries=400, edits=1)
        with attackers_world(tmp_path, budget=3000) as world:
            changed = attack.fit(world.black)(world.words)
            rules = rules_for(world.black.texts, actions=attack.actions, least=1, synonyms=None)
            for text, found, status in zip(world.words.values, changed.items.values, changed.status, strict=True):
                texts = [Draft.of(text).after(edit).text() for edit in rules.edits(Draft.of(text))]
                with torch.no_grad():
                    codes = world.target.encode_texts([text, found, *texts]) >= 0
                flipped = (codes != codes[:1]).double().mean(1)
                assert flipped[1] == flipped.max()
                assert status is (Status.SUCCEEDED if flipped[1] >= 0.25 else Status.FAILED), "everything was tried"

    def test_a_text_that_left_its_place_is_done_unless_told_to_go_on(self, tmp_path: Path) -> None:
        spent = {}
        for go_on in (False, True):
            _, changed, bill = run(Tags(through="queries", queries=60, edits=3, go_on=go_on), tmp_path / str(go_on), budget=1000)
            spent[go_on] = bill.spent + bill.repeats
            assert Status.SUCCEEDED in changed.status
        assert spent[False] < spent[True] == 6 * 60

    def test_the_allowance_is_the_least_of_three_and_two_at_least(self, tmp_path: Path) -> None:
        for n, (budget, per_item, queries, asked) in enumerate(((60, None, 100, 10), (1000, 5, 100, 5), (1000, 50, 4, 4))):
            attack = Tags(through="queries", queries=queries, go_on=True, edits=1)
            _, _, bill = run(attack, tmp_path / str(n), budget=budget, per_item=per_item)
            assert bill.spent + bill.repeats == 6 * asked
        with pytest.raises(UsageError, match=r"^2 queries or more for each of 6 texts wanted, 11 in all "):
            run(Tags(through="queries"), tmp_path / "few", budget=11)

    def test_a_budget_that_others_spent_ends_it_with_the_best_found(self, tmp_path: Path) -> None:
        attack = Tags(through="queries", queries=8, edits=2, go_on=True)
        with attackers_world(tmp_path, budget=48) as world:
            perturb = attack.fit(world.black)
            world.black.oracle.query_images(world.black.images[:10], phase="else")
            changed = perturb(world.words)
            assert world.black.oracle.remaining < 48 - 10 - 6
            bill = world.ledger.bill("attacker")
            assert bill.spent <= 48
            assert Status.EXHAUSTED in changed.status
            again = perturb(world.words)
        assert again.items == changed.items, "answers that were paid for are still known"

    def test_an_objective_is_for_surrogates(self) -> None:
        with pytest.raises(ConfigError, match="an objective only with a surrogate wanted, through: queries and objective: away got"):
            load_config(overrides=["attack=tags", "attack.through=queries", "attack.objective=away"])

    def test_nearness_is_zero_for_the_same_answer_and_falls_as_it_changes(self) -> None:
        codes = Answer(Reveals.CODES, torch.tensor([[1, 1, -1, -1]] * 3, dtype=torch.int8))
        probes = Answer(Reveals.CODES, torch.tensor([[1, 1, -1, -1], [1, -1, -1, -1], [-1, -1, 1, 1]], dtype=torch.int8))
        assert nearness(codes, probes).tolist() == [0, -0.25, -1]
        lists = [[5, 3, 9, 1], [3, 5, 9, 1], [5, 3, 1, 9], [5, 3, 9, 7], [7, 5, 3, 9], [7, 8, 2, 4]]
        clean = Answer(Reveals.RANKING, torch.tensor(lists[:1] * 6, dtype=torch.int32))
        found = nearness(clean, Answer(Reveals.RANKING, torch.tensor(lists, dtype=torch.int32)))
        weights = [1, 0.75, 0.5, 0.25]
        whole = sum(weight**2 for weight in weights)
        wanted = [sum(w * (weights[row.index(i)] if i in row else 0) for w, i in zip(weights, lists[0], strict=True)) for row in lists]
        assert found.tolist() == pytest.approx([each / whole - 1 for each in wanted], abs=1e-6)
        assert found[0] == 0
        assert found[5] == -1
        assert (found[1:5] < 0).all()


def test_a_ceiling_of_the_same_kind_has_as_many_edits_unless_it_is_given_its_own() -> None:
    assert load_config(overrides=["attack=tags", "attack.edits=5", "ceiling=tags"]).ceiling.plugin.edits == 5
    assert load_config(overrides=["attack=tags", "ceiling=tags", "ceiling.edits=4"]).ceiling.plugin.edits == 4
    with pytest.raises(ConfigError, match=r"^attack\.actions: one or more of add, remove, replace wanted"):
        load_config(overrides=["attack=tags", "attack.actions=[]"])


class TestTokens:
    def test_a_tower_without_vectors_is_refused_before_anything_is_spent(self) -> None:
        with pytest.raises(ConfigError, match=r"^surrogate\.text_tower: transformer wanted by tokens, .* bag_of_words got"):
            load_config(overrides=["attack=tokens"])
        with pytest.raises(ConfigError, match=r"^target\.text_tower: transformer wanted by tokens, the ceiling, "):
            load_config(overrides=["ceiling=tokens"])
        sound = load_config(overrides=["attack=tokens", "surrogate.text_tower=transformer"])
        assert sound.attack.plugin == Tokens()


class TestJoint:
    def test_either_half_is_moved_away_from_its_pair(self, tmp_path: Path) -> None:
        from crossattack.encoding import encode_images, encode_texts

        with attackers_world(tmp_path) as world:
            kept = {}
            for pairing in (0.0, 20.0):
                context = replace(world.context(Joint()), white_box=world.white.white_box)
                perturb = Joint(pairing=pairing, steps=10).fit(context)
                pictures, words = perturb(world.pictures).items, perturb(world.words).items
                images, texts = encode_images(world.target, pictures.values), encode_texts(world.target, words.values)
                clean_images, clean_texts = encode_images(world.target, world.query.images), encode_texts(world.target, world.query.texts)
                kept[pairing] = [
                    (one * other).mean().item() for one, other in ((images, texts), (images, clean_texts), (texts, clean_images))
                ]
        assert all(far < near for far, near in zip(kept[20.0], kept[0.0], strict=True))

    def test_each_half_is_found_without_the_other_being_asked_for(self, tmp_path: Path) -> None:
        attack = Joint(rounds=2, steps=2)
        with attackers_world(tmp_path) as world:
            perturb = attack.fit(world.context(attack))
            first = perturb(world.words).items, perturb(world.pictures).items
            second = perturb(world.pictures).items, perturb(world.words).items
            ball = ball_of_pictures(world.query.images / 255, attack.eps, attack.norm)
            assert isinstance(first[1], Pictures)
            assert ((first[1].values / 255 - ball.clean).abs() <= attack.eps + 1e-6).all()
        assert first[0].values == second[1].values
        assert torch.equal(first[1].values, second[0].values)


class TestTheControl:
    def test_it_makes_as_many_edits_of_the_same_kind_at_random(self, tmp_path: Path) -> None:
        control = noise_like(Tags(edits=3, actions=("add",), least=2))
        assert (control.edits, control.actions, control.least, control.eps) == (3, ("add",), 2, 0.0)
        clean, changed, bill = run(control, tmp_path)
        for before, after in zip(clean.values, changed.items.values, strict=True):
            assert len(words_of(after)) == len(words_of(before)) + 3
        assert len({tuple(words_of(text)[-3:]) for text in changed.items.values}) > 3
        assert changed.realisable
        assert bill.spent == 0
        assert noise_like(Tokens()).actions == ("replace",)
        assert noise_like(Joint(eps=0.1)).eps == 0.1
        assert noise_like(Pgd()).edits is None

    def test_random_edits_are_drawn_evenly_from_all_that_are_allowed(self) -> None:
        random, rules = torch.Generator().manual_seed(0), Rules(("a", "b", "c"))
        counts: dict[Text, int] = {}
        for _ in range(5000):
            text = at_random(("a", "z"), rules, 1, random)
            counts[text] = counts.get(text, 0) + 1
        assert len(counts) == 2 + 2 + 4  # removed, added, replaced
        assert min(counts.values()) > 5000 / 8 * 0.85
        assert at_random(("a",), Rules((), ("remove",)), 5, random) == ("a",)
