"""A service as an endpoint: what the oracle asks is sent, looked at and sent again until every item has its answer."""

from typing import final

from crossattack.endpoint import Reply, Request, Reveals, Terms
from crossattack.errors import CrossattackError, TargetError
from crossattack.ledger import Array
from crossattack.targets._http_client import Client, Pace, Transient, patiently
from crossattack.targets._http_wire import Info, outgoing, read_code, read_info, read_results
from crossattack.targets.http import Http

FIRST_ATTEMPTS = 4  # at a service that may not be there at all
LONGEST_PACE = 10  # seconds' worth of items in a request


def introduce(settings: Http) -> Info:
    """Ask a service what it is; `TargetError` where it is none of ours, or reveals what cannot be used here."""
    with Client(settings) as client:
        attempts = min(FIRST_ATTEMPTS, settings.attempts)
        said = patiently(settings, client.url, lambda: client.ask("GET", "/v1/info"), attempts)
        info = read_info(said, client.url)
    if info.reveals is not Reveals.CODES:
        raise TargetError(f"a service that reveals codes wanted, {client.url} reveals {info.reveals.value}; ask its owner for codes.")
    return info


def ask_count(settings: Http) -> int | None:
    """What the service has counted for us; None where it does not tell, or cannot be reached for that."""
    with Client(settings) as client:
        try:
            said = patiently(settings, client.url, lambda: client.ask("GET", "/v1/stats"), min(FIRST_ATTEMPTS, settings.attempts))
        except TargetError:
            return None
    count = said.get("items") if isinstance(said, dict) else None
    return count if type(count) is int and count >= 0 else None


@final
class HttpEndpoint:
    """Where requests go. Both doors share it, and with it the pace."""

    def __init__(self, client: Client, settings: Http, info: Info) -> None:
        self.client, self.settings, self.info = client, settings, info
        self._pace = Pace(settings.rate)

    @property
    def terms(self) -> Terms:
        return Terms(
            digest=self.info.digest,
            reveals=self.info.reveals,
            dim=self.info.dim,
            batch_size=max(1, min(self.settings.batch, self.info.batch, int(self.settings.rate * LONGEST_PACE))),
            takes_bags=False,
            known_for=self.info.idempotency_seconds,
        )

    def answer(self, request: Request) -> Reply:
        """One code or one failure an item; what is bad or lost is asked for again, the rest is not."""
        found: dict[int, Array] = {}
        refused: dict[int, CrossattackError] = {}
        everything = range(len(request.idempotency_keys))
        keyed = self.info.idempotency_seconds > 0
        forgets = self.info.idempotency_seconds < self.settings.total_seconds  # perhaps before we are done
        in_doubt = False  # whether the service may have counted what is still waiting

        def attempt() -> None:
            nonlocal in_doubt
            waiting = [position for position in everything if position not in found and position not in refused]
            if in_doubt and forgets:
                request.charge_again(waiting)
            in_doubt = False
            self._pace.keep(len(waiting))
            try:
                said = self.client.ask("POST", f"/v1/encode/{request.modality}", **outgoing(request, waiting, keyed))
                if bad := self._take(said, waiting, found, refused):
                    raise Transient(bad)
            except Transient as error:
                in_doubt = error.counted
                raise

        try:
            patiently(self.settings, self.client.url, attempt)
        except CrossattackError as error:  # the budget's refusal of another attempt among them
            refused |= {position: error for position in everything if position not in found and position not in refused}
        return [found[position] if position in found else refused[position] for position in everything]

    def _take(self, said: object, waiting: list[int], found: dict[int, Array], refused: dict[int, CrossattackError]) -> str:
        """Keep what is a code, note what the service refuses; what was wrong with the rest, or nothing."""
        bad = ""
        try:
            results = read_results(said, len(waiting))
        except ValueError as error:
            return str(error)
        for position, entry in zip(waiting, results, strict=True):
            try:
                found[position] = read_code(entry, self.info.dim)
            except TargetError as error:
                refused[position] = error
            except ValueError as error:
                bad = str(error)
        return bad
