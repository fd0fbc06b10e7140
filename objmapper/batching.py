"""Operations that share a request: which may, what goes out for them, what each one is answered.

A batch is a way to travel. What is planned, settled, undone and reported stays one operation, and
each is judged by its own answer, as if it had been sent alone.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from objmapper.exceptions import ContractError, ObjMapperError, StatusError, TransportError
from objmapper.operation import Fate, Operation
from objmapper.request import Request, Response, resolve

#: What an operation of a batch is answered, or what went wrong with it.
Answer = Response | ObjMapperError
#: Refusals of a batch that are about its size, or about some of what is in it.
_TOO_MUCH = frozenset({400, 413, 422})


def grouped(dialect: Any, operations: Iterable[Operation]) -> Iterable[list[Operation]]:
    """Give the operations of a wave in groups, each of which goes out in one request.

    Operations of one lane never share a request with those of another: it would be in both lanes.
    """
    most = dialect.max_batch
    if most < 2:
        return ([operation] for operation in operations)
    groups: list[list[Operation]] = []
    open_: dict[Hashable, list[Operation]] = {}
    for operation in operations:
        company = dialect.company(operation.draft)
        if company is None:
            groups.append([operation])
            continue
        key = company, operation.lane
        if key not in open_ or len(open_[key]) == most:
            open_[key] = []
            groups.append(open_[key])
        open_[key].append(operation)
    return groups


def numbered(dialect: Any, operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """Return a plan's operations told which of them share a request; who goes alone has no number."""
    if dialect.max_batch < 2:
        return operations
    waves: dict[int, list[Operation]] = {}
    for operation in operations:
        waves.setdefault(operation.wave, []).append(operation)
    groups = [group for wave in waves.values() for group in grouped(dialect, wave)]
    together = [group for group in groups if len(group) > 1]
    number_of = {op.number: place for place, group in enumerate(together, 1) for op in group}
    return tuple(
        op._replace(batch=number_of[op.number]) if op.number in number_of else op
        for op in operations
    )


def addressed(request: Request) -> Request:
    """Return a request whose path is known; what is secret or waited for in its body stays covered."""
    if isinstance(request.path, str):
        return request
    return request._replace(path="".join(str(resolve(part)) for part in request.path))


def is_too_much(error: StatusError) -> bool:
    """Whether a batch was refused as such, so that its parts may do better; nothing of it was done."""
    return error.status in _TOO_MUCH and not error.doubtful


def fate_of_all(error: TransportError) -> Fate:
    """Say what became of operations whose batch met an error.

    A refusal of them all means none of them: not that one of them was done before.
    """
    if not error.sent:
        return Fate.FAILED
    refused = isinstance(error, StatusError) and 400 <= error.status < 500 and not error.doubtful
    return Fate.FAILED if refused else Fate.UNCERTAIN


def exchange(by: Any, requests: Sequence[Request]) -> tuple[list[Answer], Response]:
    """Send several requests as one by a session; return what each is answered, and the whole answer.

    Raises as `Client.send` does: then nothing tells of any of them.
    """
    dialect = by.dialect
    whole = dialect.batch_request(requests)
    repeatable = all(request.may_repeat for request in requests)
    response: Response = by.send(whole._replace(repeatable=repeatable))
    try:
        answers = list(dialect.batch_answers(response, requests))
        if len(answers) != len(requests):
            raise ContractError(
                f"{response.url} was sent {len(requests)} requests in one, and answered "
                f"{len(answers)}."
            )
    except Exception as error:  # a ContractError, or whatever a dialect's reader meets
        return [_unread(response, error)] * len(requests), response
    pairs = zip(requests, answers, strict=True)
    # An own repeat of them all may have met what the first attempt has done.
    doubtful = repeatable and response.retries > 0
    return [_judged(by.client, request, answer, doubtful) for request, answer in pairs], response


def _unread(response: Response, error: Exception) -> ObjMapperError:
    if isinstance(error, ObjMapperError):
        return error
    what = type(error).__name__
    return ContractError(f"{response.url} answered several requests with what is none ({what}).")


def _judged(client: Any, request: Request, answer: Answer, doubtful: bool) -> Answer:
    """Return an answer, or the error that the client would have raised for it."""
    if not isinstance(answer, Response):
        return answer
    try:
        judged: Response = client.judged(request, answer)
    except StatusError as error:
        error.doubtful = doubtful
        return error
    return judged
