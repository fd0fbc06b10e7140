"""Models, and what hears the signals about them; loaded by path, see conftest.py."""

from objmapper import Model, Registry, fields, signals

registry = Registry("signals")


class Named(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)

    class Meta:
        abstract = True
        registry = registry


class Project(Named):
    tasks: fields.HasMany["Task"] = fields.HasMany(by="project")


class Task(Named):
    size = fields.Integer(null=True)
    project = fields.ForeignKey(Project, null=True)


class Alert(Named):
    source = fields.String()

    class Meta:
        polymorphic_on = "source"


class UserAlert(Alert):
    class Meta:
        polymorphic_identity = "user"


ALL = [
    getattr(signals, name)
    for name in signals.__all__
    if isinstance(getattr(signals, name), signals.ModelSignal)
]

KINDS = [f"{when}_{what}" for when in ("pre", "post") for what in ("create", "update", "delete")]


def writes(server) -> list[str]:
    return [str(seen) for seen in server.seen if seen.method != "GET"]


class Ear:
    """Hears signals and keeps what it is told: ``(name, sender, what)``."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, type, dict]] = []
        self.connected: list[tuple] = []

    def hear(self, *names: str, sender=signals.ANY, then=None) -> None:
        for name in names:

            def receiver(sender, name=name, **told):
                self.heard.append((name, sender, told))
                if then is not None:
                    then(**told)

            signal = getattr(signals, name)
            signal.connect(receiver, sender, weak=False)
            self.connected.append((signal, receiver))

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.heard]

    def about(self) -> list[tuple]:
        return [(name, told["instance"]) for name, _, told in self.heard if "instance" in told]

    def close(self) -> None:
        for signal, receiver in self.connected:
            signal.disconnect(receiver)
