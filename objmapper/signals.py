"""Announcements to users, on blinker; never the house's own control flow.

The sender is the model class; a receiver connected to a base class hears its subclasses::

    @signals.post_update.connect_via(Task)
    def on_update(sender, instance, changes, session): ...

What a receiver raises is reported with the commit (``post_create`` to ``post_commit``), logged (the
transport's signals), or goes to the caller (all others).

An undo is told as the deletions and updates that it sends. A ``pre_`` receiver may commit other
objects than those that it is told of; what a ``post_commit`` receiver commits ends untold.

blinker holds receivers weakly: a connected lambda vanishes at once. Keep a reference, or connect
with ``weak=False``.

===================================  ===============================================================
signal                               keyword arguments
===================================  ===============================================================
pre_create, pre_delete               instance, session
post_create, post_delete             instance, session
pre_update, post_update              instance, changes (``{name: (old, new)}``), session
pre_commit                           session (sender: the session's class)
post_commit                          session, report
post_load                            instances (a list: one call a page and class), session
post_rollback                        session
conflict                             instance, conflict (a MergeConflict), session
request_sent, response_received      request / request, response (sender: the client's class)
===================================  ===============================================================
"""

from __future__ import annotations

from typing import Any

from blinker import ANY, Signal

from objmapper.exceptions import ObjMapperError


class Veto(ObjMapperError):
    """Raised by a ``pre_`` receiver of an object: it is not sent, and what depends on it is skipped.

    The commit raises CommitError, whose report has both under ``skipped``.
    """


class ModelSignal(Signal):
    """A signal whose receivers also hear the subclasses of the class they are connected to.

    It is a ``blinker.Signal``: ``connect``, ``connect_via``, ``connected_to``, ``disconnect`` are
    blinker's own.
    """

    def announce(self, sender: type, **kwargs: Any) -> list[Exception]:
        """Call each receiver once and return what they raised, Veto included."""
        raised: list[Exception] = []
        called: set[tuple[int, int]] = set()
        for cls in sender.__mro__:
            for receiver in self.receivers_for(cls):
                # A bound method is made anew each time it is asked for.
                owner = getattr(receiver, "__self__", None)
                which = (id(owner), id(getattr(receiver, "__func__", receiver)))
                if which in called:
                    continue
                called.add(which)
                try:
                    receiver(sender, **kwargs)
                except Exception as error:
                    raised.append(error)
        return raised

    def tell(self, sender: type, **kwargs: Any) -> None:
        """Call each receiver once, then raise the first error of them, if any."""
        for error in self.announce(sender, **kwargs):
            raise error


def _signal(doc: str) -> ModelSignal:
    return ModelSignal(doc)


pre_create = _signal("Before anything is sent, for each object to be created.")
pre_update = _signal("Before anything is sent, for each object to be updated.")
pre_delete = _signal("Before anything is sent, for each object to be deleted.")
pre_commit = _signal("Before anything is sent, once.")
post_create = _signal("The server has created an object.")
post_update = _signal("The server has taken an object's changes.")
post_delete = _signal("The server has deleted an object.")
post_commit = _signal("A commit has ended, whatever became of it.")
post_load = _signal("A page of rows became objects.")
post_rollback = _signal("A session has forgotten its pending changes.")
conflict = _signal(
    "Somebody else has changed what a commit would change too; told before ``on_conflict`` decides."
)
request_sent = _signal("A request goes out.")
response_received = _signal("An answer came.")

__all__ = [
    "ANY",
    "ModelSignal",
    "Veto",
    "conflict",
    "post_commit",
    "post_create",
    "post_delete",
    "post_load",
    "post_rollback",
    "post_update",
    "pre_commit",
    "pre_create",
    "pre_delete",
    "pre_update",
    "request_sent",
    "response_received",
]
