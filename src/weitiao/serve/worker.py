"""The thread that answers: takes orders as there is room, and steps through all answers under way together."""

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Collection, Sequence

from weitiao.model.batch import Row, Token
from weitiao.model.shelf import Shelf
from weitiao.serve import Limits
from weitiao.serve.metrics import Metrics
from weitiao.serve.order import Order, Piece
from weitiao.serve.refusal import Refusal
from weitiao.talk import t

Heard = list[tuple[Order, Piece]]


class Worker:
    """Answers orders in the order in which they came; `run` is for a thread, all else may be called from any."""

    def __init__(self, shelf: Shelf, limits: Limits, metrics: Metrics, carry: Callable[[Heard], None]) -> None:
        """`carry` brings pieces to those who ordered."""
        self.shelf, self.limits, self.metrics, self.carry = shelf, limits, metrics, carry
        self.closing = False  # nobody new is taken
        self._waiting: deque[Order] = deque()
        self._gone: list[Order] = []
        self._rows: dict[Row, Order] = {}
        self._changed = threading.Condition()
        self._usual = 1.0  # seconds that an answer takes, of late

    @property
    def running(self) -> int:
        """How many answers are under way."""
        return len(self._rows)

    @property
    def waiting(self) -> int:
        """How many answers wait for a place."""
        return len(self._waiting)

    def take(self, orders: Sequence[Order]) -> None:
        """Take orders that belong together; raises Refusal where there is no room for all of them to wait."""
        with self._changed:
            if self.closing:
                raise stopping()
            if len(orders) > (most := self.limits.waiting + self.limits.places):
                raise Refusal(400, t("{count} answers at once; {most} is the most", count=len(orders), most=most))
            if len(self._waiting) + len(orders) > self.limits.waiting + max(0, self.limits.places - len(self._rows)):
                wait = max(1, round(self._usual * (len(self._waiting) + 1) / self.limits.places))
                raise Refusal(
                    429,
                    t("{count} answers are waiting already; try again later", count=len(self._waiting)),
                    code="server_busy",
                    headers={"Retry-After": str(wait)},
                )
            self._waiting.extend(orders)
            self._changed.notify()

    def drop(self, orders: Collection[Order]) -> None:
        """Forget orders whose answers nobody hears any more."""
        with self._changed:
            self._gone += [order for order in orders if not order.ended]
            self._changed.notify()

    def close(self) -> None:
        """Take nobody any more, and let go who waits; answers under way go on, and with the last the thread ends."""
        with self._changed:
            self.closing = True
            waiting, self._waiting = self._waiting, deque()
            self._changed.notify()
        self._tell([(order, order.fail(stopping().message)) for order in waiting])

    def break_off(self) -> None:
        """End answers under way where they are."""
        with self._changed:
            rows = list(self._rows.values())
            self._gone += rows
            self._changed.notify()
        self._tell([(order, order.fail(stopping().message)) for order in rows])

    def run(self) -> None:
        """Answer until closed."""
        try:
            while self._turn():
                pass
        finally:  # a bug: nobody shall wait for what never comes
            self.close()
            self.break_off()

    def _turn(self) -> bool:
        """Do one step of all answers under way; return false at the end."""
        with self._changed:
            while not (self._waiting or self._rows or self.closing):
                self._changed.wait()
            gone, self._gone = self._gone, []
            self._waiting = deque(order for order in self._waiting if order not in gone)
            late = self._late()
            self._release([*gone, *late])
            joining = self._joining()
        no_place = t("No place became free in time")
        self._tell([(order, order.cut() if order.tokens else order.fail(no_place)) for order in late])
        for name in self.shelf.batches:
            rows = [order.row for order in joining if order.name == name]
            if rows or self.shelf.batches[name].rows:
                self._advance(name, rows)
        return bool(self._rows or self._waiting or not self.closing)

    def _advance(self, name: str, rows: list[Row]) -> None:
        batch = self.shelf.turn_to(name)
        try:
            said = batch.step()
            if rows:
                said += batch.join(rows)
        except RuntimeError as error:  # as torch says that memory is short
            traceback.print_exc()
            self.shelf.drop(name)
            failed = [order for order in self._rows.values() if order.name == name]
            self._release(failed)
            self._tell([(order, order.fail(t("The model failed: {error}", error=error))) for order in failed])
            return
        self._tell(self._heard(said))

    def _heard(self, said: list[Token]) -> Heard:
        heard = [
            (order, order.hear(token.id, token.last, token.likely))
            for token in said
            if not (order := self._rows[token.row]).ended
        ]
        ended = [order for order, piece in heard if piece.finish]
        for order in ended:
            seconds = time.monotonic() - order.began
            self._usual += (seconds - self._usual) / 8
            self.metrics.ended(order.name, len(order.row.prompt), order.tokens, seconds)
        self._release(ended)
        return heard

    def _tell(self, heard: Heard) -> None:
        if heard:
            self.carry(heard)

    def _late(self) -> list[Order]:
        """Return the orders whose time is over; those that wait leave the line."""
        limit = time.monotonic() - self.limits.seconds
        late = [order for order in (*self._rows.values(), *self._waiting) if order.began < limit]
        if late:
            self._waiting = deque(order for order in self._waiting if order not in late)
        return late

    def _release(self, orders: Collection[Order]) -> None:
        """Free the places of orders."""
        with self._changed:
            held = [order for order in orders if self._rows.pop(order.row, None)]
        for name in {order.name for order in held}:
            self.shelf.batches[name].leave([order.row for order in held if order.name == name])

    def _joining(self) -> list[Order]:
        """Return who joins now: the first in line, as far as there is room."""
        joining: list[Order] = []
        longest = max((self._most(order) for order in self._rows.values()), default=0)
        while self._waiting:
            order = self._waiting[0]
            longest = max(longest, self._most(order))
            count = len(self._rows) + 1
            batch = self.shelf.batches[order.name]
            alone = not batch.joinable and any(other.name == order.name for other in self._rows.values())
            if count > 1 and (alone or count > self.limits.places or count * longest > self.limits.batch_tokens):
                break
            joining.append(self._waiting.popleft())
            self._rows[order.row] = order
        return joining

    def _most(self, order: Order) -> int:
        return min(len(order.row.prompt) + order.row.sampling.max_new_tokens, self.shelf.room)


def stopping() -> Refusal:
    """Return what is said while the server stops."""
    return Refusal(503, t("The server is stopping"), code="server_stopping")
