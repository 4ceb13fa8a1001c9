"""Ask a running mycnet node, follow its events, and vote.

The paths and the shapes of answers are those of ``schemas/openapi.json``: dictionaries and lists, as JSON has them.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from pathlib import Path
from typing import Any, Iterator, Optional, Union
from urllib.parse import urlencode

__all__ = ["Ballot", "Failure", "Node"]

#: A ballot: ``"approve"``, ``"reject"``, ``"abstain"``, ``{"result": HEX}`` on a claim, ``{"results": [HEX or None, …]}`` on a set.
Ballot = Union[str, dict[str, Any]]


class Failure(Exception):
    """What the node says is wrong. ``kind`` is one of those of ``docs/INTERFACE.md``; ``gone`` means that no node answers."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


def _object(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise Failure("gone", "the node's answer is no object: it may be of another version")
    return answer


def _objects(answer: Any) -> list[dict[str, Any]]:
    if not isinstance(answer, list):
        raise Failure("gone", "the node's answer is no list: it may be of another version")
    return [_object(item) for item in answer]


class _SocketConnection(http.client.HTTPConnection):
    """A connection to the socket in a node's directory."""

    def __init__(self, path: Path, timeout: Optional[float]) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Node:
    """A running node: by its directory, or by its address on this machine and the token of its file ``api.token``."""

    def __init__(
        self,
        directory: Union[str, Path] = "~/.mycnet",
        *,
        address: Optional[str] = None,
        token: Optional[str] = None,
        timeout: float = 60.0,
    ) -> None:
        self._directory = Path(directory).expanduser()
        self._address = address
        self._token = token
        self._timeout = timeout

    # Any path.

    def get(self, path: str, **parameters: Any) -> Any:
        """Ask: ``node.get("/trust", node=ID, explain=True)``. Parameters that are ``None`` are left out."""
        return self._ask("GET", self._with(path, parameters), None, self._timeout)

    def post(self, path: str, body: Optional[dict[str, Any]] = None) -> Any:
        """Order. The answer comes once what it signed is on the disk."""
        return self._ask("POST", path, body, self._timeout)

    # What programs ask most.

    def status(self) -> dict[str, Any]:
        """The state of the node and its network."""
        return _object(self.get("/status"))

    def members(self) -> list[dict[str, Any]]:
        """The members, with role, standing, trust and skill."""
        return _objects(self.get("/members")["members"])

    def trust(self, node: Optional[str] = None, explain: bool = False) -> dict[str, Any]:
        """A member's trust and skill, and why; the node's own unless one is named."""
        return _object(self.get("/trust", node=node, explain=explain))

    def operations(
        self,
        *,
        is_open: Optional[bool] = None,
        kind: Optional[str] = None,
        limit: Optional[int] = None,
        after: Optional[str] = None,
    ) -> list[dict[str, Any]]:
        """Operations, from the newest on. With a limit, ``after`` names the last one of the page before."""
        found = self.get("/operations", is_open=is_open, kind=kind, limit=limit, after=after)
        return _objects(found["operations"])

    def operation(self, operation: str) -> dict[str, Any]:
        """What an operation says, its state, and who said what about it."""
        return _object(self.get(f"/operations/{operation}"))

    def propose(
        self,
        operation: dict[str, Any],
        *,
        ballot: Optional[Ballot] = None,
        urgent: bool = False,
    ) -> str:
        """Propose: ``{"network_configuration": {"config_type": "motd", "proposed_change": "6869"}}``. Gives the id."""
        priority = "high" if urgent else "normal"
        body = {"operation": operation, "priority": priority, "ballot": ballot}
        return str(self.post("/operations", body)["operation"])

    def vote(self, operation: str, ballot: Ballot) -> None:
        """Vote. The same vote again does no harm; another one is refused."""
        self.post(f"/operations/{operation}/vote", {"ballot": ballot})

    def wait(self, operation: str, seconds: float) -> dict[str, Any]:
        """The operation once it is closed. Raises ``Failure`` of the kind ``undecided`` if it is not decided in time."""
        path = self._with(f"/operations/{operation}/wait", {"timeout_ms": int(seconds * 1000)})
        return _object(self._ask("GET", path, None, self._timeout + seconds))

    def events(self, since: Optional[str] = None, *, again: bool = True) -> Iterator[dict[str, Any]]:
        """What happens, without end. Begins after the event ``since`` (``"0"`` for all), or with what comes next.

        If the node stops, it goes on after the last event once the node runs again; with ``again=False`` it ends then. Whoever keeps
        the ``id`` of the last event can go on there in another process, and misses none.
        """
        last = since
        while True:
            try:
                for event in self._stream(last):
                    last = event.get("id", last)
                    yield event
            except Failure as failure:
                if failure.kind != "gone":
                    raise
            if not again:
                return
            time.sleep(0.3)

    # How it is asked.

    @staticmethod
    def _with(path: str, parameters: dict[str, Any]) -> str:
        def text(value: Any) -> str:
            return str(value).lower() if isinstance(value, bool) else str(value)

        given = {name: text(value) for name, value in parameters.items() if value is not None}
        return f"{path}?{urlencode(given)}" if given else path

    def _connection(self, timeout: Optional[float]) -> http.client.HTTPConnection:
        if self._address is not None:
            return http.client.HTTPConnection(self._address, timeout=timeout)
        return _SocketConnection(self._directory / "control.sock", timeout)

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if self._address is not None:
            token = self._token
            if token is None:
                token = (self._directory / "api.token").read_text().strip()
            headers["Authorization"] = f"Bearer {token}"
        return headers

    def _ask(self, method: str, path: str, body: Optional[dict[str, Any]], timeout: float) -> Any:
        connection = self._connection(timeout)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, "/v1" + path, body=text, headers=self._headers())
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Failure("gone", f"the node gave no answer: {error}") from error
        finally:
            connection.close()
        if response.status != 200:
            raise Failure(answer["kind"], answer["message"])
        return answer

    def _stream(self, since: Optional[str]) -> Iterator[dict[str, Any]]:
        # The node sends a comment every 15 seconds, so a minute of silence is the end.
        connection = self._connection(60.0)
        try:
            path = self._with("/v1/events", {"since": since})
            connection.request("GET", path, headers=self._headers())
            response = connection.getresponse()
            if response.status != 200:
                answer = json.loads(response.read())
                raise Failure(answer["kind"], answer["message"])
            while line := response.readline():
                if line.startswith(b"data: "):
                    yield json.loads(line[len(b"data: ") :])
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Failure("gone", f"the events ended: {error}") from error
        finally:
            connection.close()
