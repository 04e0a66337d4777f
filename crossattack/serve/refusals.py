"""What the service refuses: a whole request by its status, one item by its code."""

from collections.abc import Mapping


class Refusal(Exception):
    """A request that is not answered. The message is for the caller: it never repeats a token or a body."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, dict(headers or {})

    def body(self) -> dict[str, dict[str, str]]:
        """As it is sent."""
        return {"error": {"code": self.code, "message": self.message}}


class ItemRefused(Exception):
    """One item that is not answered, while the others of its request are. It is not counted."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message

    def body(self) -> dict[str, dict[str, str]]:
        """As it is sent, in the item's place."""
        return {"error": {"code": self.code, "message": self.message}}
