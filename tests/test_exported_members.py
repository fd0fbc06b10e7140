"""The face: every name of the tour is importable from ``objmapper``, sorted, and there."""

import objmapper

TOUR = (
    "Client Embedded FETCH_ONE FETCH_PEERS Model Q RAISE Registry Session TokenAuth connect fields "
    "inspect signals validate CommitError ConflictError DetachedError FieldNotLoaded Plan "
    "ReadOnlyFieldError RequestBudgetExceeded StalePlanError UnsupportedLookup ValidationError"
).split()


def test_all_is_sorted_without_regard_to_case() -> None:
    assert objmapper.__all__ == sorted(objmapper.__all__, key=str.casefold)


def test_every_member_of_all_is_there() -> None:
    assert [name for name in objmapper.__all__ if not hasattr(objmapper, name)] == []


def test_every_name_of_the_tour_that_stands_is_in_all() -> None:
    assert [name for name in TOUR if name not in objmapper.__all__] == []


def test_every_error_is_in_all() -> None:
    errors = {
        name
        for name, value in vars(objmapper.exceptions).items()
        if isinstance(value, type) and issubclass(value, objmapper.ObjMapperError)
    }
    assert errors - set(objmapper.__all__) == set()
