"""Organizations in the binding: what a thread speaks of, where objects live, who is a member."""

import pytest

from objmapper import Q, Session, inspect
from objmapper.cvat import (
    Client,
    Invitation,
    Issue,
    Job,
    Label,
    Membership,
    Organization,
    Project,
    Task,
    make_client,
)
from objmapper.cvat.models import Role
from objmapper.exceptions import (
    BadRequest,
    CommitError,
    Forbidden,
    NotFound,
    QueryError,
    ReadOnlyFieldError,
    UnsupportedLookup,
    ValidationError,
)
from objmapper.server import serve

ADMIN, ALICE, BOB = ("admin", "secret"), ("alice", "wonder"), ("bob", "builder")


@pytest.fixture
def acme(seeded):
    """An organization of its own, beside the seeds, which belong to none."""
    return seeded.organizations.create(slug="acme")


def new_task(name="inside", **values):
    return Task(name=name, labels=[Label(name="car")], **values)


def make(client, *objects):
    client.session.add_all(objects)
    client.session.commit()
    return objects[0]


# -- what a thread speaks of ----------------------------------------------------------------------


def test_a_context_is_what_lists_show_and_where_things_are_made(seeded, acme):
    with seeded.organization_context("acme"):
        task = seeded.tasks.create(name="inside", labels=[{"name": "car"}])
        assert seeded.tasks.list() == [task]
        assert Task.objects.count() == 1
    with seeded.organization_context(""):
        assert task not in seeded.tasks.list()
        assert Task.objects.count() == 8
    assert task.organization is acme
    assert Task.objects.count() == 9


def fail_in(client, slug):
    with client.organization_context(slug):
        assert client.organization_slug == slug
        raise ZeroDivisionError


def test_a_context_ends_however_it_is_left_and_may_stand_in_another(seeded):
    assert seeded.organization_slug is None
    with seeded.organization_context("outer"):
        with pytest.raises(ZeroDivisionError):
            fail_in(seeded, "")
        assert seeded.organization_slug == "outer"
        with seeded.organization_context(None):
            assert seeded.organization_slug is None
        assert seeded.organization_slug == "outer"
    assert seeded.organization_slug is None


def test_the_slug_is_set_for_the_client_or_for_the_rest_of_a_context(seeded, acme):
    seeded.organization_slug = "acme"
    assert seeded.tasks.count() == 0
    with seeded.organization_context(None):
        seeded.organization_slug = ""
        assert seeded.tasks.count() == 8
    assert seeded.organization_slug == "acme"
    seeded.organization_slug = None
    assert seeded.tasks.count() == 8


def test_two_clients_have_contexts_of_their_own(seeded):
    with Client("embedded://cvat?seed=1x1") as other, seeded.organization_context(""):
        assert other.organization_slug is None


@pytest.mark.parametrize("slug", [5, b"acme", ["acme"], object()])
def test_a_context_that_is_no_slug_is_refused_at_once(client, slug):
    with pytest.raises(TypeError, match="An organization context is a slug"):
        client.organization_context(slug)
    with pytest.raises(TypeError, match=f"a {type(slug).__name__} was given"):
        client.organization_slug = slug
    assert client.organization_slug is None


def test_an_organization_given_as_a_context_is_told_what_to_give(seeded, acme):
    with pytest.raises(TypeError, match="Give its slug: 'acme'"):
        seeded.organization_context(acme)


def test_a_context_that_no_header_holds_is_refused(client):
    with pytest.raises(ValueError, match="line break"):
        client.organization_context("a\nb")


def test_an_unknown_organization_is_an_error_and_nothing_is_made(seeded):
    with seeded.organization_context("nope"):
        with pytest.raises(NotFound, match="nope organization does not exist"):
            seeded.tasks.list()
        with pytest.raises(CommitError, match="nope organization does not exist"):
            make(seeded, new_task())
        seeded.session.rollback()
    assert seeded.tasks.count() == 8


def test_a_query_is_asked_where_the_thread_stands_when_it_is_iterated(seeded, acme):
    with seeded.organization_context("acme"):
        query = seeded.tasks.filter(status="annotation")
        assert "org=acme" in query.explain()
        assert list(query) == []
    assert "org" not in query.all().explain()
    assert query.all().count() > 0


def test_all_pages_are_of_the_context_they_were_begun_in(seeded, acme):
    with seeded.organization_context("acme"):
        made = [make(seeded, new_task(f"t{number}")) for number in range(5)]
    for ahead in (0, 2):
        with seeded.organization_context("acme"):
            pages = seeded.tasks.order_by("id").iterator(page_size=2, prefetch_pages=ahead)
            found = [next(pages)]
        assert found + list(pages) == made


def test_a_request_by_hand_goes_out_in_the_context_unless_it_names_one(seeded, acme):
    def count(path, **options):
        return seeded.request("GET", path, **options).json()["count"]

    assert count("/tasks") == 8
    with seeded.organization_context("acme"):
        assert count("/tasks") == 0
        assert count("/tasks?page_size=1&org=") == 8
        assert count("/tasks", params={"org_id": ""}) == 8
        assert count("/tasks", headers={"x-organization": ""}) == 8


def test_one_object_is_one_whatever_the_context(seeded, acme, requests_of):
    with seeded.organization_context("acme"):
        task = make(seeded, new_task())
        task.subset = "changed"
    with seeded.organization_context(""), requests_of() as sent:
        assert seeded.session.get(Task, task.id) is task
    assert list(sent) == []
    assert seeded.tasks.get(name="inside") is task
    with seeded.organization_context(""):
        assert seeded.tasks.retrieve(task.id) is task
        assert not seeded.tasks.filter(name="inside").exists()
    assert task.changes == {"subset": ("", "changed")}
    assert task in seeded.session
    task.revert()


# -- where things go ------------------------------------------------------------------------------


def test_a_plan_shows_where_things_go(seeded, acme):
    project = Project(name="p", labels=[Label(name="car")])
    seeded.session.add_all([project, Task(name="t", project=project)])
    with seeded.organization_context("acme"):
        plan = seeded.session.plan()
        report = seeded.session.commit()
    params = [each["params"] for each in plan.to_json()["operations"]]
    assert params == [[["org", "acme"]], [["org", "acme"]]]
    assert "/projects?org=acme" in str(plan)
    made = [obj for obj in report.created.objects if not isinstance(obj, Label)]
    assert [obj.organization for obj in made] == [acme, acme]


def test_what_is_made_in_something_goes_where_that_lives(seeded, acme):
    with seeded.organization_context("acme"):
        inside = make(seeded, Project(name="p", labels=[Label(name="car")]))
    outside = seeded.projects.get(name="project 1")
    with seeded.organization_context(""):
        assert inside.tasks.create(name="t").organization is acme
        assert make(seeded, Task(name="u", project=inside)).organization is acme
    with seeded.organization_context("acme"):
        assert outside.tasks.create(name="v").organization is None
    # Of what is only known by its key the context tells.
    key = inside.id
    with Session(seeded) as session, seeded.organization_context("acme"):
        task = Task.objects.create(name="w", project=session.reference(Project.__mapper__, key, ()))
        assert task.organization.slug == "acme"


def test_an_organization_that_is_set_is_where_an_object_goes(seeded, acme, requests_of):
    with requests_of() as sent:
        task = make(seeded, new_task(organization=acme))
        assert make(seeded, new_task(organization=acme.id)).organization is acme
    assert all("organization_id" not in body for body in sent.bodies)
    assert task.organization is acme
    assert task.changes == {}
    with seeded.organization_context("acme"):
        assert make(seeded, new_task(organization=None)).organization is None
    assert seeded.tasks.create({"name": "d", "labels": [{"name": "a"}], "organization_id": 1})
    assert acme.tasks.create(name="e", labels=[Label(name="a")]).organization is acme
    assert acme.tasks.count() == 4


def test_a_new_organization_and_what_goes_there_are_one_commit(seeded):
    organization = Organization(slug="new")
    project = Project(name="p", organization=organization, labels=[Label(name="car")])
    task = Task(name="t", project=project)
    seeded.session.add(task)
    report = seeded.session.commit()
    assert {organization, project, task} <= set(report.created.objects)
    assert project.organization is task.organization is organization
    assert organization.tasks.get() is task


def test_objects_move_where_the_server_can(seeded, acme):
    project = seeded.projects.get(name="project 1")
    task = project.tasks.get(name="task 1-01")
    project.organization = acme
    if seeded.get_server_version().startswith("2.15"):
        with pytest.raises(ValidationError, match="moves nothing to another organization"):
            project.commit()
        project.revert()
        return
    project.commit()
    assert project.organization is acme
    # What was loaded before is asked for where its project is by now.
    assert task.jobs.count() == 3
    assert acme.tasks.count() == 4
    project.organization = None
    project.commit()
    with seeded.organization_context("acme"):
        assert project.tasks.count() == 4


# -- what is read for an object -------------------------------------------------------------------


@pytest.fixture
def inside(seeded, acme):
    """A project of two tasks in the organization."""
    with seeded.organization_context("acme"):
        project = Project(name="p", labels=[Label(name="car")])
        seeded.session.add_all(Task(name=f"t{number}", project=project) for number in range(2))
        seeded.session.commit()
    return project


@pytest.mark.parametrize("slug", [None, "", "acme", "other"])
def test_children_are_asked_for_where_their_parent_lives(seeded, inside, slug):
    seeded.organizations.create(slug="other")
    outside = seeded.projects.get(name="project 2")
    with seeded.organization_context(slug):
        assert {task.name for task in inside.tasks.all()} == {"t0", "t1"}
        assert inside.labels.get(name="car").name == "car"
        assert inside.tasks.filter(name="t1").exists()
        task = outside.tasks.order_by("id").first()
        assert (outside.tasks.count(), task.jobs.count(), outside.labels.count()) == (4, 3, 3)


def test_a_parents_children_of_several_organizations_are_prefetched(seeded, inside, requests_of):
    with requests_of() as sent:
        projects = list(seeded.projects.order_by("id").prefetch_related("tasks"))
        assert [len(project.tasks.all()) for project in projects] == [4, 4, 2]
    # The projects, the tasks of the two that belong to none, those of the third.
    assert len(sent) == 3
    with seeded.organization_context(""):
        (project,) = seeded.projects.filter(organization=1).prefetch_related("tasks")
        assert len(project.tasks.all()) == 2


def test_relations_of_another_place_are_prefetched_there(seeded, inside, requests_of):
    with Session(seeded), seeded.organization_context(""):
        tasks = list(Task.objects.filter(organization=1).prefetch_related("project"))
        with requests_of() as sent:
            assert [task.project.name for task in tasks] == ["p", "p"]
        assert len(sent) == 0


def test_relations_are_loaded_with_peers_of_the_same_place(open_client, requests_of):
    with open_client("2x4") as client:
        client.organizations.create(slug="acme")
        with client.organization_context("acme"):
            for number in range(2):
                project = client.projects.create(name=f"p{number}", labels=[{"name": "a"}])
                project.tasks.create(name=f"t{number}")
        with Session(client):
            tasks = list(Task.objects.order_by("id"))
            with requests_of() as sent, client.organization_context(""):
                assert [task.project.name for task in tasks[-2:]] == ["p0", "p1"]
                assert {task.project.name for task in tasks[:8]} == {"project 1", "project 2"}
        asked = [dict(request.params) for request in sent.requests]
        assert [(each["filter"], each.get("org_id", each.get("org"))) for each in asked] == [
            ('{"in":[{"var":"id"},[3,4]]}', 1),
            ('{"in":[{"var":"id"},[1,2]]}', ""),
        ]


def test_an_assignee_is_found_whether_a_member_or_not(open_client, requests_of):
    with open_client("1x4") as client:
        acme = client.organizations.create(slug="acme")
        acme.invitations.create(email="annotator1@example.com", role=Role.WORKER)
        with Session(client):
            tasks = list(Task.objects.order_by("id"))
            with requests_of() as sent, client.organization_context("acme"):
                emails = {task.assignee.email for task in tasks if task.assignee}
        assert emails == {f"annotator{number}@example.com" for number in (1, 2, 3)}
        assert len(sent) == 1


def test_a_label_that_came_with_its_parent_is_found_where_that_lives(seeded, acme):
    project = Project(name="p", organization=acme, labels=[Label(name="car")])
    (label,) = [each for each in make_all(seeded, project) if isinstance(each, Label)]
    with seeded.organization_context(""):
        assert label.id
    label.name = "lorry"
    label.commit()
    assert project.labels.get().name == "lorry"


def make_all(client, obj):
    client.session.add(obj)
    return client.session.commit().created.objects


# -- asking for organizations ---------------------------------------------------------------------


def test_objects_are_asked_for_by_their_organization(seeded, inside, acme):
    tasks = seeded.tasks
    assert [tasks.filter(organization=which).count() for which in (acme, acme.id)] == [2, 2]
    assert tasks.filter(organization__slug="acme", name="t1").count() == 1
    assert tasks.filter(organization__id=acme.id).exclude(name="t1").count() == 1
    assert tasks.filter(organization=None).count() == 8
    assert tasks.filter(organization=None, name="task 1-01").count() == 1
    assert tasks.filter(Q(organization=None) & Q(name="task 1-01"), id__gt=0).count() == 1
    with seeded.organization_context(""):
        assert tasks.filter(organization=acme).count() == 2
        assert tasks.filter(Task.organization == acme).count() == 2
        assert seeded.projects.get(organization=acme) is inside
    with seeded.organization_context("acme"):
        assert tasks.filter(organization=None).count() == 8


@pytest.mark.parametrize("ask", [
    lambda tasks: tasks.filter(organization__isnull=False),
    lambda tasks: tasks.exclude(organization=None),
    lambda tasks: tasks.exclude(organization=1),
    lambda tasks: tasks.filter((Task.organization == 1) | (Task.name == "x")),
    lambda tasks: tasks.filter(organization__in=[1, 2]),
    lambda tasks: tasks.order_by("organization"),
])  # fmt: skip
def test_what_cvat_can_not_be_asked_of_organizations_is_told(seeded, ask):
    with pytest.raises(UnsupportedLookup, match="organization"):
        list(ask(seeded.tasks))


@pytest.mark.parametrize("ask", [
    lambda acme: acme.tasks.filter(organization=acme.id + 1),
    lambda acme: Task.objects.filter(organization__slug="acme", organization=None),
    lambda acme: Task.objects.filter(organization__slug="acme").filter(organization__slug="other"),
])  # fmt: skip
def test_no_row_is_in_two_organizations_so_cvat_is_not_asked_for_one(seeded, inside, acme, ask):
    with pytest.raises(UnsupportedLookup, match="org"):
        list(ask(acme))


def test_a_move_that_is_not_committed_moves_no_children(seeded, inside):
    task = Task.objects.get(id=1)
    task.project = inside
    assert (task.jobs.count(), task.labels.count()) == (3, 3)
    assert [job.task for job in task.jobs.all()] == [task] * 3
    task.revert()


def test_an_organization_that_is_named_twice_is_named_once(seeded, inside, acme):
    assert acme.tasks.filter(organization=acme.id).count() == 2
    assert Task.objects.filter(organization=None).filter(organization__isnull=True).count() == 8


def test_an_organization_has_what_lives_in_it(seeded, inside, acme):
    assert [each.name for each in acme.projects.all()] == ["p"]
    assert acme.tasks.count() == 2
    assert acme.jobs.count() == 0
    (membership,) = acme.memberships.all()
    assert (membership.user.username, membership.role) == ("admin", Role.OWNER)
    assert membership.organization is acme
    assert acme.invitations.count() == 0
    (found,) = seeded.organizations.filter(slug="acme").prefetch_related("tasks", "memberships")
    assert len(found.tasks.all()) == 2


# -- organizations --------------------------------------------------------------------------------


def test_an_organization_is_made_read_changed_and_deleted(client, requests_of):
    made = client.organizations.create(slug="acme", contact={"email": "a@example.com"})
    assert (made.name, made.description, made.owner.username) == ("acme", "", "admin")
    with requests_of() as sent:
        made.contact["phone"] = "1"
        made.update({"name": "Acme"})
    assert sent.bodies == [{"name": "Acme", "contact": {"email": "a@example.com", "phone": "1"}}]
    assert client.organizations.retrieve(made.id) is made
    assert client.organizations.list(name="Acme") == [made]
    assert client.organizations.filter(owner__username="nobody").count() == 0
    with client.organization_context("acme"):
        assert client.organizations.list() == [made]  # they live in none
    made.remove()
    assert inspect(made).lifecycle == "detached"
    assert client.organizations.count() == 0
    with pytest.raises(Organization.DoesNotExist):
        client.organizations.get(slug="acme")


@pytest.mark.parametrize("slug", ["", "a b", "x" * 17, "é", "a\n"])
def test_a_slug_that_can_not_be_is_refused_before_it_is_sent(client, slug, requests_of):
    with requests_of() as sent, pytest.raises(ValidationError):
        client.organizations.create(slug=slug)
    assert len(sent) == 0


def test_a_slug_that_is_taken_is_a_bad_request_of_the_field(client):
    client.organizations.create(slug="acme")
    with pytest.raises(CommitError) as caught:
        client.organizations.create(slug="acme")
    (failure,) = caught.value.report.failed
    assert isinstance(failure.error, BadRequest)
    assert failure.error.errors == {"slug": ["organization with this slug already exists."]}
    client.session.rollback()


# -- members --------------------------------------------------------------------------------------


def test_a_known_user_becomes_a_member_by_an_invitation(client):
    acme = client.organizations.create(slug="acme")
    made = acme.invitations.create(email="alice@example.com", role=Role.SUPERVISOR)
    assert (made.user.username, made.role, made.organization) == ("alice", Role.SUPERVISOR, acme)
    assert made.email == "alice@example.com"
    membership = acme.memberships.get(user__username="alice")
    assert membership.is_active
    assert membership.invitation is made
    assert client.memberships.filter(organization=acme, role=Role.SUPERVISOR).get() is membership
    membership.role = Role.MAINTAINER
    membership.commit()
    membership.refresh()
    assert membership.role is Role.MAINTAINER
    membership.remove()
    assert acme.memberships.count() == 1
    with pytest.raises(ReadOnlyFieldError):
        membership.user = 1


def test_an_invitation_goes_to_the_context_or_to_its_organization(client):
    acme = client.organizations.create(slug="acme")
    client.organizations.create(slug="other")
    with client.organization_context("other"):
        invitation = Invitation(email="alice@example.com", role="worker", organization=acme)
        assert make(client, invitation).organization is acme
    with client.organization_context("acme"):
        (found,) = client.invitations.filter(accepted=True)
    assert found is invitation
    assert client.invitations.filter(user=invitation.user).count() == 1
    assert invitation.organization.slug == "acme"


def test_an_invitation_without_an_organization_goes_to_the_one_that_is_spoken_of(client):
    acme = client.organizations.create(slug="acme")
    with client.organization_context("acme"):
        made = client.invitations.create({"email": "alice@example.com", "role": "worker"})
    assert made.organization is acme
    assert made in acme.invitations.all()
    with client.organization_context(""), pytest.raises(ValidationError, match="It needs one"):
        client.invitations.create(email="bob@example.com", role="worker")


def test_invitations_are_sorted_by_what_both_versions_sort_them_by(client):
    acme = client.organizations.create(slug="acme")
    first, second = (
        acme.invitations.create(email=f"new{number}@example.com", role=Role.WORKER)
        for number in range(2)
    )
    assert [*client.invitations.order_by("created_date")] == [first, second]
    assert (acme.invitations.first(), acme.invitations.last()) == (second, first)
    with pytest.raises(UnsupportedLookup, match="does not sort invitations by it; it does by crea"):
        client.invitations.order_by("accepted").first()
    with pytest.raises(
        UnsupportedLookup, match="does not filter invitations by it; it does by acc"
    ):
        client.invitations.filter(created_date__gt=first.created_date).count()


def test_an_invitation_needs_an_organization_an_address_and_a_role(client, requests_of):
    with requests_of() as sent, pytest.raises(ValidationError) as caught:
        client.invitations.create()
    assert set(caught.value.messages) == {"email", "role"}
    # Where it goes depends on what the thread speaks of, so it is asked when the rest is there.
    with requests_of() as also, pytest.raises(ValidationError) as caught:
        client.invitations.create(email="alice@example.com", role=Role.WORKER)
    assert set(caught.value.messages) == {"organization"}
    assert (len(sent), len(also)) == (0, 0)


def test_a_membership_can_not_be_made(client, requests_of):
    with requests_of() as sent, pytest.raises(QueryError, match="an object of Invitation makes it"):
        client.memberships.create(role=Role.WORKER)
    assert len(sent) == 0
    client.session.rollback()


def test_an_invitation_that_waits_is_accepted_declined_and_taken_back(client):
    acme = client.organizations.create(slug="acme")
    first, second, third = (
        acme.invitations.create(email=f"new{number}@example.com", role=Role.WORKER)
        for number in range(3)
    )
    assert (first.expired, bool(first.accepted)) == (False, False)
    first.resend()
    first.accept()  # the superuser may
    assert acme.memberships.get(user__username="new0@example.com").is_active
    with pytest.raises(BadRequest, match="already accepted"):
        first.accept()
    second.decline()
    assert inspect(second).lifecycle == "detached"
    assert acme.memberships.count() == 3
    third.remove()
    assert client.invitations.list() == [first]
    with pytest.raises(Invitation.DoesNotExist):
        client.invitations.retrieve(third.key)


# -- several users of one server ------------------------------------------------------------------


@pytest.fixture
def users():
    """``users("alice")``: clients of one server, each logged in; acme has Alice and Bob."""
    known = dict([ADMIN, ALICE, BOB])
    opened = {}
    with serve("cvat", seed="1x2", users=list(known.items()), check=True) as running:

        def user(name):
            if name not in opened:
                opened[name] = make_client(running.url, credentials=(name, known[name]))
            return opened[name]

        try:
            yield user
        finally:
            for client in opened.values():
                client.close()
        assert running.server.violations == []


@pytest.fixture
def firm(users):
    """Alice's organization: Bob is a maintainer of it, and the seeds belong to it."""
    firm = users("alice").organizations.create(slug="acme")
    firm.invitations.create(email="bob@example.com", role=Role.MAINTAINER)
    project = users("admin").projects.get()
    project.update({"organization_id": firm.id})
    return firm


def test_staff_reaches_what_others_have_through_its_parents(users, firm):
    bob = users("bob")
    assert bob.tasks.list() == []  # without a context, only what names one
    project = bob.projects.retrieve(1)
    assert [task.name for task in project.tasks.order_by("id")] == ["task 1-01", "task 1-02"]
    task = project.tasks.order_by("id").first()
    job = task.jobs.order_by("id").first()
    assert job.task is task
    assert project.labels.get(name="car").name == "car"
    job.update({"state": "completed"})
    assert project.tasks.create(name="by bob").organization.slug == "acme"
    issue = Issue(job=job, frame=0, position=[1.0, 2.0], message="blurred")
    make(bob, issue)
    assert [each.message for each in issue.comments.all()] == ["blurred"]
    assert job.issues.get() is issue
    with bob.organization_context("acme"):
        assert bob.tasks.count() == 3
        assert Job.objects.using(bob.session).count() == 6


def test_members_see_each_other_in_the_context_of_their_organization(users, firm):
    bob = users("bob")
    assert [each.username for each in bob.users.list()] == ["bob"]
    with bob.organization_context("acme"):
        assert {each.username for each in bob.users.list()} == {"alice", "bob"}
        assert bob.users.retrieve(2).username == "alice"
    with pytest.raises(Forbidden):
        bob.users.retrieve(2).refresh()


def test_anothers_organization_is_unknown_and_anothers_task_forbidden(users, firm):
    users("alice")
    carl = users("admin")
    carl.organizations.create(slug="other")
    bob = users("bob")
    with pytest.raises(Organization.DoesNotExist):
        bob.organizations.retrieve(2)
    with bob.organization_context("other"), pytest.raises(Forbidden):
        bob.tasks.list()
    task = carl.tasks.create(name="mine", labels=[{"name": "a"}])
    with pytest.raises(Forbidden):
        bob.tasks.retrieve(task.id)


def test_staff_handles_the_invitations_of_others_where_they_were_sent(users, firm):
    alice, bob = users("alice"), users("bob")
    sent = firm.invitations.create(email="new@example.com", role=Role.WORKER)
    with pytest.raises(Invitation.DoesNotExist):
        bob.invitations.retrieve(sent.key)
    with bob.organization_context("acme"):
        found = bob.invitations.retrieve(sent.key)
    found.resend()  # whatever the context: it knows where it lives
    found.refresh()
    assert found.organization.slug == "acme"
    with pytest.raises(Forbidden):
        found.accept()
    found.remove()
    assert alice.invitations.filter(accepted=False).count() == 0


def test_a_membership_of_others_is_found_by_members_only(users, firm):
    bob, admin = users("bob"), users("admin")
    (owner,) = firm.memberships.filter(role=Role.OWNER)
    assert bob.memberships.retrieve(owner.id).user.username == "alice"
    assert [each.user.username for each in bob.memberships.list()] == ["bob"]
    (mine,) = bob.memberships.list()
    mine.remove()  # to leave
    with pytest.raises(Forbidden):
        bob.memberships.retrieve(owner.id)
    assert Membership.objects.using(admin.session).count() == 1
