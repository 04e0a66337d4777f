"""Who may ask the service: tokens in files and in the environment, taken away while it runs, and never repeated."""

import hmac
import json
import logging
from pathlib import Path

import pytest
from served import ALICE, BOB, bearer, refusal, serving

from crossattack.errors import UsageError
from crossattack.serve.guard import JsonLines
from crossattack.serve.refusals import Refusal
from crossattack.serve.tokens import Tokens


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"# who may ask\nalice:{ALICE}\n\nbob:{BOB}\n")
    path.chmod(0o600)
    return path


def test_only_bearers_of_known_tokens_come_in_each_on_an_account_of_their_own(tmp_path: Path, token_file: Path) -> None:
    with serving(tmp_path / "state.sqlite", tokens=Tokens.from_file(token_file)) as served:
        assert served.http.get("/healthz").status_code == 200
        for headers in (
            {},
            bearer(ALICE[:-1]),
            {"Authorization": "Bearer"},
            {"Authorization": f"Basic {ALICE}"},
            {"Authorization": b"Bearer \xff\xfe"},
        ):
            for path in ("/v1/info", "/v1/stats", "/v1/items/0.png"):
                reply = served.http.get(path, headers=headers)
                assert refusal(reply)[0] == 401
                assert reply.headers["www-authenticate"] == "Bearer"
            assert served.texts(["red"], headers=headers).status_code == 401
        assert served.texts(["red"], keys=["a"], headers=bearer(ALICE)).status_code == 200
        assert "code" in served.texts(["blue"], keys=["a"], headers=bearer(BOB)).json()["results"][0]  # his own key "a"
        assert served.texts(["red", "blue"], headers=bearer(BOB)).status_code == 200
        assert served.stats(bearer(ALICE))["items"] == 1
        assert served.stats(bearer(BOB))["items"] == 3


def test_a_token_can_be_revoked_or_taken_away_while_the_service_runs(tmp_path: Path, token_file: Path) -> None:
    with serving(tmp_path / "state.sqlite", tokens=Tokens.from_file(token_file)) as served:
        assert served.texts(["red"], headers=bearer(ALICE)).status_code == 200
        token_file.write_text(f"!alice:{ALICE}\nbob:{BOB}\n")
        assert refusal(served.texts(["red"], headers=bearer(ALICE))) == (403, "token_revoked")
        token_file.write_text(f"bob:{BOB}\n")
        assert refusal(served.texts(["red"], headers=bearer(ALICE))) == (401, "unknown_token")
        token_file.write_text("nonsense\n")
        for _ in range(2):  # nobody gets in, also not by the list of before
            assert refusal(served.texts(["red"], headers=bearer(BOB))) == (503, "tokens_unreadable")
        token_file.write_text(f"bob:{BOB}\n#\n")
        assert served.texts(["red"], headers=bearer(BOB)).status_code == 200


def test_every_known_token_is_compared_in_constant_time(token_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def watched(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    tokens = Tokens.from_file(token_file)
    assert tokens.owner(f"Bearer {ALICE}") == "alice"
    for nobody in ("Bearer x", None):
        with pytest.raises(Refusal):
            tokens.owner(nobody)
    assert compared == [(32, 32)] * 6  # two known tokens, three callers, digests of one length


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (f"alice:{ALICE}\n", 0o640, "run `chmod 600"),
        ("alice:short\n", 0o600, "line 1 of"),
        (f"ok:{BOB}\nalice {ALICE}\n", 0o600, "line 2 of"),
        (f"ok:{ALICE}\nalice:{ALICE}\n", 0o600, "every token once"),
        ("# nobody\n", 0o600, "at least one"),
    ],
)
def test_token_files_that_are_wrong_are_refused_without_repeating_a_token(tmp_path: Path, text: str, mode: int, said: str) -> None:
    path = tmp_path / "tokens"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(UsageError) as error:
        Tokens.from_file(path)
    assert said in str(error.value)
    assert ALICE not in str(error.value)
    assert "short" not in str(error.value)


def test_tokens_of_the_environment_are_parted_by_spaces() -> None:
    tokens = Tokens.from_text(f"alice:{ALICE} !bob:{BOB}")
    assert tokens.are_wanted
    assert tokens.owner(f"bearer {ALICE}") == "alice"
    with pytest.raises(Refusal, match="revoked"):
        tokens.owner(f"Bearer {BOB}")


def test_a_request_is_one_line_of_json_without_token_text_or_query(
    tmp_path: Path, token_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.DEBUG),
        serving(tmp_path / "state.sqlite", tokens=Tokens.from_file(token_file)) as served,
    ):
        served.texts(["a secret wish", "x" * 3000], headers=bearer(ALICE), to="/v1/search/texts?k=3", keys=["hidden1", "hidden2"])
        served.texts(["red"], headers=bearer("wrong-token-0123456789"))
    lines = [JsonLines().format(record) for record in caplog.records if record.name == "crossattack.serve"]
    told = [json.loads(line) for line in lines if '"request"' in line]
    fields = {"method": "POST", "path": "/v1/search/texts", "status": 200, "account": "alice", "items": 2, "replayed": 0, "refused": 1}
    assert fields.items() <= told[0].items()
    assert (told[1]["status"], "account" in told[1]) == (401, False)
    logged = "\n".join(lines + [record.getMessage() for record in caplog.records if record.name.startswith(("crossattack", "uvicorn"))])
    for secret in (ALICE, "wrong-token", "secret wish", "hidden1", "k=3"):
        assert secret not in logged
