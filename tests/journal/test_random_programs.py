"""Random programs that die at random writes end as undisturbed ones, however they go on."""

import contextlib
import random

import pytest

from objmapper import Model, Registry, Session, fields

registry = Registry("random")


class Died(Exception):
    """The program goes no further."""


class Project(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    note = fields.String(null=True)
    tags = fields.List(fields.String())

    class Meta:
        registry = registry
        endpoint = "projects"
        natural_key = ["name"]


class Task(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    note = fields.String(null=True)
    project = fields.ForeignKey(Project, null=True)

    class Meta:
        registry = registry
        endpoint = "tasks"
        natural_key = ["project", "name"]


class Mark(Model):
    """The program draws its key; a tag tells it from others."""

    id = fields.UUID(primary_key=True, generated="client")
    name = fields.String()
    note = fields.String(null=True)
    task = fields.ForeignKey(Task, null=True)

    class Meta:
        registry = registry
        endpoint = "marks"


MODELS = {"project": Project, "task": Task, "mark": Mark}
ABOVE = {"task": "project", "mark": "task"}


def written(chance):
    """Return a program: the steps before each of its commits."""
    kinds: dict[str, str] = {}
    program = []
    for _ in range(chance.randint(1, 4)):
        steps = []
        for _ in range(chance.randint(1, 5)):
            verb = chance.choice([*MODELS, "change", "change"])
            if verb in MODELS:
                name = f"{verb} {len(kinds)}"
                above = [known for known in kinds if kinds[known] == ABOVE.get(verb)]
                steps.append((verb, name, chance.choice([*above, None])))
                kinds[name] = verb
            elif kinds:
                steps.append((verb, chance.choice(list(kinds)), str(chance.randint(0, 9))))
        program.append(steps)
    return program


def run(session, program, commit):
    made = {}
    for steps in program:
        for verb, name, what in steps:
            if verb == "change":
                made[name].note = what
                if isinstance(made[name], Project):
                    made[name].tags = [what]
            else:
                above = {ABOVE[verb]: made.get(what)} if verb in ABOVE else {"tags": []}
                made[name] = MODELS[verb](name=name, note="", **above)
                session.add(made[name], tag=name if verb == "mark" else None)
        commit(session)


def contents(server):
    """Return what the server has, by names instead of keys."""
    tables = {endpoint: server.tables[endpoint].rows for endpoint in ("projects", "tasks", "marks")}
    found = []
    for endpoint, rows in tables.items():
        for row in rows.values():
            told = {key: value for key, value in row.items() if key != "id"}
            for key in ("project", "task"):
                if told.get(key) is not None:
                    told[key] = tables[f"{key}s"][told[key]]["name"]
            found.append((endpoint, sorted(told.items())))
    return sorted(found, key=str)


@pytest.mark.parametrize("seed", range(24))
def test_a_random_program_that_dies_ends_as_an_undisturbed_one(place, small_server, seed):
    def tables(server):
        for endpoint in ("projects", "tasks", "marks"):
            server.table(endpoint, foreign={"project": "projects", "task": "tasks"})
        return server

    def dies(session):
        writes = len(session.plan().operations)
        if writes and chance.random() < 0.5:
            place.die(session, chance.randint(1, writes), done=chance.random() < 0.5)
            raise Died
        session.commit(workers=1)

    chance = random.Random(seed)
    program = written(chance)
    undisturbed = tables(small_server())
    with Session(undisturbed.client()) as session:
        run(session, program, lambda session: session.commit(workers=1))
    tables(place.server)
    for _ in range(chance.randint(1, 4)):
        session = place.session()
        if chance.random() < 0.5:
            session.recover(workers=1)
        with contextlib.suppress(Died):
            run(session, program, dies)
        session.close()
    with place.session() as session:
        run(session, program, lambda session: session.commit(workers=1))
        assert session.recover().counts().get("created", 0) == len(contents(place.server))
    assert contents(place.server) == contents(undisturbed)
