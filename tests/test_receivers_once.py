"""However a receiver is connected, one announcement calls it once."""

import pytest

from objmapper import Model, Registry, fields, signals


class Base(Model):
    id = fields.Integer(primary_key=True)

    class Meta:
        abstract = True
        registry = Registry("receivers")


class Derived(Base):
    pass


class Counter:
    def __init__(self):
        self.calls = 0

    def heard(self, sender, **_):
        self.calls += 1

    __call__ = heard


@pytest.mark.parametrize("senders", [(signals.ANY,), (Base,), (Derived,), (Base, Derived, Model)])
@pytest.mark.parametrize("as_method", [True, False], ids=["bound method", "callable object"])
def test_a_receiver_hears_an_announcement_once(senders, as_method):
    counter = Counter()
    receiver = counter.heard if as_method else counter
    for sender in senders:
        signals.post_load.connect(receiver, sender=sender)
    try:
        assert signals.post_load.announce(Derived, instances=[], session=None) == []
    finally:
        for sender in senders:
            signals.post_load.disconnect(receiver, sender=sender)
    assert counter.calls == 1


def test_two_objects_with_one_method_are_two_receivers():
    one, other = Counter(), Counter()
    with signals.post_load.connected_to(one.heard), signals.post_load.connected_to(other.heard):
        signals.post_load.announce(Derived, instances=[], session=None)
    assert (one.calls, other.calls) == (1, 1)
