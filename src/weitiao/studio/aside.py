"""What takes a while is done beside the loop that serves all visitors; whoever leaves meanwhile is drawn nothing."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from nicegui import Client, ui

T = TypeVar("T")


async def aside(call: Callable[..., T], *args: object) -> T:
    """Call a function in a thread and return what it does.

    Where the page that asks was closed by then, what was called is done all the same, and the rest of its handler
    is not: it would draw on a page that is gone, which NiceGUI takes for an error (zauberzeug/nicegui#3028).
    """
    client = visitor_of()
    found = await asyncio.to_thread(call, *args)
    if client is None or client.is_deleted:
        raise asyncio.CancelledError("the page was closed")
    return found


def visitor_of() -> Client | None:
    """Return whose page this is drawn on, None where it was closed."""
    try:
        return ui.context.slot_stack[0].parent.client  # the part that asks may be gone, and its page there
    except RuntimeError:  # closed before it came to this
        return None
