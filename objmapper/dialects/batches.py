"""What a dialect says of batches, where its server takes several requests in one."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

from objmapper.exceptions import ContractError, ObjMapperError, cut
from objmapper.operation import Draft
from objmapper.request import Request, Response, resolve


class Batches:
    """The part of a dialect that is about batches; the defaults are those of a server without them."""

    #: How many operations of a commit may share one request; 0: each is one of its own.
    max_batch: int = 0

    def company(self, draft: Draft) -> Hashable | None:
        """Return what those have in common that may share a request; None for what goes alone.

        It is asked where ``max_batch`` is 2 or more. For an endpoint that takes whatever request
        in a batch it is always the same; for one that takes a list of new rows, the kind and the
        path: ``(draft.kind, draft.request.shown_path)`` for a create, else None.
        """
        return None

    def batch_request(self, requests: Sequence[Request]) -> Request:
        """Return the one request that carries several, in their order; paths are known by then.

        Bodies may hold Secret and Pending still, and are put into the whole as they are. A list of
        new rows is ``Request("POST", requests[0].path, body=Json([r.body.value for r in requests]))``.
        Raises NotImplementedError in a dialect without batches.
        """
        raise NotImplementedError(f"{self!r} has max_batch={self.max_batch}, and no batch_request.")

    def batch_answers(
        self, response: Response, requests: Sequence[Request]
    ) -> Sequence[Response | ObjMapperError]:
        """Return what each of several requests was answered, as if it had been sent alone.

        An error in place of an answer leaves it unknown whether that one was done. Raises
        ContractError for an answer that can't be told apart: fewer than were asked for, another
        order where addresses or keys tell it. Where the server does all or nothing, a group with
        one failure is none done: each member's answer is the failure's then, whatever it says itself.
        Items of a list of rows are a success each: ``Response(response.status, ...)``. Raises
        NotImplementedError in a dialect without batches.
        """
        raise NotImplementedError(f"{self!r} has max_batch={self.max_batch}, and no batch_answers.")


def paired(
    items: Sequence[Any], requests: Sequence[Request], response: Response
) -> Iterable[tuple[Any, Request]]:
    """Return each item of a batch's answer with its request. Raises ContractError for other numbers."""
    if len(items) != len(requests):
        raise ContractError(
            f"{response.url} was sent {len(requests)} requests in one, and answered {len(items)}."
        )
    return zip(items, requests, strict=True)


def refuse_other_order(
    rows: Sequence[Mapping[str, Any]],
    requests: Sequence[Request],
    response: Response,
    names: Iterable[str],
) -> None:
    """Raise ContractError where the rows of a list that was created are those of other requests.

    *names* are wire names by which they are told apart; a value that the server has changed tells
    nothing.
    """
    names = tuple(names)
    sent = [_values(getattr(request.body, "value", None), names) for request in requests]
    for row, own in zip(rows, sent, strict=True):
        told = _values(row, names)
        if told != own and told in sent:
            raise ContractError(f"{response.url} answered a list in another order: {cut(told)}.")


def _values(row: Any, names: tuple[str, ...]) -> list[Any]:
    return [resolve(row.get(name)) for name in names] if isinstance(row, Mapping) else []
