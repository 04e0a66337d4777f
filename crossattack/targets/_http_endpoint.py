"""A service as an endpoint: what the oracle asks is sent, looked at and sent again until every item has its answer."""

from typing import final

from jaxtyping import Int64, UInt8
from torch import Tensor

from crossattack.endpoint import Images, Reply, Request, Reveals, Terms
from crossattack.errors import CrossattackError, TargetError
from crossattack.ledger import Array, Modality
from crossattack.targets._http_client import Client, Pace, Transient, patiently
from crossattack.targets._http_shown import Shown, read_png
from crossattack.targets._http_wire import Info, outgoing, read_code, read_info, read_list, read_results
from crossattack.targets.http import Http
from surrogates.texts import Text

FIRST_ATTEMPTS = 4  # at a service that may not be there at all
LONGEST_PACE = 10  # seconds' worth of items in a request
HIT_BYTES = 256  # that a hit usually takes in a reply, generously


def introduce(settings: Http) -> Info:
    """Ask a service what it is; `TargetError` where it is none of ours, or reveals what cannot be used here."""
    with Client(settings) as client:
        attempts = min(FIRST_ATTEMPTS, settings.attempts)
        said = patiently(settings, client.url, lambda: client.ask("GET", "/v1/info"), attempts)
        info = read_info(said, client.url)
    if info.reveals not in (Reveals.CODES, Reveals.RANKING):
        wanted = f"a service that reveals codes or its ranking wanted, {client.url} reveals {info.reveals.value}"
        raise TargetError(f"{wanted}; ask its owner for one of those.")
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
    """Where requests go. Both doors share it, and with it the pace. shown: where what lists show is kept."""

    def __init__(self, client: Client, settings: Http, info: Info, shown: Shown | None) -> None:
        assert shown or info.reveals is Reveals.CODES, "lists show something"
        self.client, self.settings, self.info, self._shown = client, settings, info, shown
        self._pace = Pace(settings.rate)

    @property
    def terms(self) -> Terms:
        top_k = self.info.top_k
        fit = self.settings.reply_bytes // (HIT_BYTES * top_k) if top_k else self.settings.batch
        return Terms(
            digest=self.info.digest,
            reveals=self.info.reveals,
            dim=self.info.dim,
            batch_size=max(1, min(self.settings.batch, self.info.batch, int(self.settings.rate * LONGEST_PACE), fit)),
            takes_bags=False,
            database=max(self.info.images, self.info.texts) if top_k else None,
            known_for=self.info.idempotency_seconds,
        )

    def answer(self, request: Request) -> Reply:
        """One code, list or failure an item; what is bad or lost is asked for again, the rest is not."""
        found: dict[int, Array] = {}
        refused: dict[int, CrossattackError] = {}
        everything = range(len(request.idempotency_keys))
        keyed = self.info.idempotency_seconds > 0
        forgets = self.info.idempotency_seconds < self.settings.total_seconds  # perhaps before we are done
        path = f"/v1/search/{request.modality}?k={self.info.top_k}" if self.info.top_k else f"/v1/encode/{request.modality}"
        in_doubt = False  # whether the service may have counted what is still waiting

        def attempt() -> None:
            nonlocal in_doubt
            waiting = [position for position in everything if position not in found and position not in refused]
            if in_doubt and forgets:
                request.charge_again(waiting)
            in_doubt = False
            self._pace.keep(len(waiting))
            try:
                said = self.client.ask("POST", path, **outgoing(request, waiting, keyed))
                if bad := self._take(said, request.modality, waiting, found, refused):
                    raise Transient(bad)
            except Transient as error:
                in_doubt = error.counted
                raise

        try:
            patiently(self.settings, self.client.url, attempt)
        except CrossattackError as error:  # the budget's refusal of another attempt among them
            refused |= {position: error for position in everything if position not in found and position not in refused}
        return [found[position] if position in found else refused[position] for position in everything]

    def shown_images(self, ids: Int64[Tensor, " shown"]) -> Images:
        """Pictures of the database, at the same pace as everything else."""
        assert self._shown, "ids come from a ranking"
        return self._shown.images(ids, self._fetch)

    def shown_texts(self, ids: Int64[Tensor, " shown"]) -> list[Text]:
        """Texts that came with lists."""
        assert self._shown, "ids come from a ranking"
        return self._shown.texts(ids)

    def _fetch(self, item: int) -> UInt8[Tensor, "3 height width"]:
        assert self._shown, "ids come from a ranking"
        size = self._shown.size

        def attempt() -> Tensor:
            self._pace.keep(1)
            content = self.client.fetch(f"/v1/items/{item}.png")
            try:
                return read_png(content, size)
            except ValueError as error:
                raise Transient(str(error)) from error

        return patiently(self.settings, self.client.url, attempt)

    def _take(
        self, said: object, modality: Modality, waiting: list[int], found: dict[int, Array], refused: dict[int, CrossattackError]
    ) -> str:
        """Keep what is an answer, note what the service refuses; what was wrong with the rest, or nothing."""
        bad, texts = "", dict[int, Text]()
        try:
            results = read_results(said, len(waiting))
        except ValueError as error:
            return str(error)
        for position, entry in zip(waiting, results, strict=True):
            try:
                if self.info.top_k is None:
                    found[position] = read_code(entry, self.info.dim)
                else:
                    listed = self.info.texts if modality == "images" else self.info.images
                    found[position], its_texts = read_list(entry, self.info.top_k, listed)
                    texts |= its_texts if modality == "images" else {}  # a text finds pictures, and is shown pictures
            except TargetError as error:
                refused[position] = error
            except ValueError as error:
                bad = str(error)
        if self._shown:
            self._shown.keep(texts)
        return bad
