"""Who reviews: people by the token that they were given, or the one who is alone with this machine."""

import getpass
import threading
import time
from collections import Counter
from pathlib import Path

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response

from weitiao.errors import UserError
from weitiao.recipe import Recipe
from weitiao.review import place
from weitiao.review.decision import Person
from weitiao.review.desk import Desk
from weitiao.review.tables import stands
from weitiao.talk import t

_COOKIE = "weitiao_reviewer"
_SECONDS = 180 * 86400
_KNOWN = 10.0  # seconds for which a token is not looked up again
_MOST = 1000


class Reviewers:
    """The desk of a recipe, and who may sit at it; shared by all visitors.

    The cookie holds the person's token, so that it outlives the server and ends when the person is invited anew.
    """

    def __init__(self, recipe: Recipe, run: Path) -> None:
        self.recipe, self.run = recipe, run
        self.open: Counter[int] = Counter()  # pages that a person has open
        self._desk: Desk | None = None
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Person | None]] = {}

    def desk(self) -> Desk | None:
        """Return the desk, anew where its file is another one; None before a queue was drawn.

        Raises UserError where the database cannot be reached.
        """
        with self._lock:
            if self._desk and not self._desk.file.stands():
                self._desk.close()
                self._desk = None
                self._known.clear()
            if self._desk is None and stands(place.address(self.recipe, self.run)):
                self._desk = place.desk(self.recipe, self.run)
            return self._desk

    def person(self, headers: Headers) -> Person | None:
        """Return whose token the cookie holds."""
        return self.whoami(cookie_parser(headers.get("cookie", "")).get(_COOKIE, ""))

    def whoami(self, token: str) -> Person | None:
        """Return whose token it is."""
        desk, now = self.desk() if token else None, time.monotonic()
        if desk is None:
            return None
        looked, person = self._known.get(token, (0.0, None))
        if now - looked > _KNOWN or not looked:
            person = desk.whoami(token)
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[token] = (now, person)
        return person

    def offered(self) -> str:
        """Return the name offered to who is the first, without a token; empty once anybody was invited."""
        desk = self.desk()
        if desk is None or desk.invited():
            return ""
        try:
            return getpass.getuser()
        except (KeyError, OSError):  # the system does not know whose process it is
            return t("me")

    def begin(self, name: str) -> str:
        """Return the token of a new person, the first; raises UserError where it is somebody's name."""
        desk = self.desk()
        if desk is None or desk.invited():
            raise UserError(t("People were invited: enter your token"))
        if any(one.name == name.strip() for one in desk.people()):
            raise UserError(
                t("Somebody is called {name} already: `weitiao review invite` gives them a token", name=name)
            )
        return desk.invite(name)


def remember(response: Response, token: str, *, secure: bool) -> Response:
    """Have the browser keep a person's token, where no script can read it."""
    response.set_cookie(_COOKIE, token, _SECONDS, httponly=True, samesite="strict", secure=secure)
    return response


def forget(response: Response) -> None:
    """Have the browser forget the token."""
    response.delete_cookie(_COOKIE, httponly=True, samesite="strict")
