"""Organizations, of either version of the SDK: the context of requests, members, invitations."""

import pytest
from cvat_sdk import models
from cvat_sdk.api_client.exceptions import ForbiddenException, NotFoundException

pytestmark = pytest.mark.foreign


@pytest.fixture
def acme(sdk):
    return sdk.organizations.create({"slug": "acme", "name": "Acme"})


@pytest.fixture
def inside(sdk, acme):
    """A task of the organization, the thirteenth of all."""
    with sdk.organization_context("acme"):
        return sdk.tasks.create({"name": "inside", "labels": [{"name": "car"}]})


class TestOrganizationContext:
    def test_what_is_created_in_it_belongs_to_the_organization(self, sdk, wire, acme, inside):
        assert inside.organization == acme.id
        assert wire.get(f"/tasks/{inside.id}")["organization"] == acme.id
        with sdk.organization_context(""):
            own = sdk.tasks.create({"name": "own", "labels": [{"name": "car"}]})
        assert wire.get(f"/tasks/{own.id}")["organization"] is None

    @pytest.mark.parametrize(
        ("slug", "seen", "missed"),
        [("acme", [13], [12]), ("", [12, 1], [13]), (None, [13, 12, 1], [])],
    )
    def test_lists_show_what_is_in_it(self, sdk, inside, slug, seen, missed):
        assert inside.id == 13
        with sdk.organization_context(slug):
            found = {task.id for task in sdk.tasks.list()}
        assert found >= set(seen)
        assert found.isdisjoint(missed)

    def test_what_is_outside_can_be_retrieved_all_the_same(self, sdk, inside):
        with sdk.organization_context(""):
            assert sdk.tasks.retrieve(inside.id).name == "inside"

    def test_the_context_before_is_there_again(self, sdk, acme):
        with sdk.organization_context("acme"):
            with sdk.organization_context(""):
                assert sdk.organization_slug == ""
            assert sdk.organization_slug == "acme"
        assert sdk.organization_slug is None

    def test_an_unknown_organization_is_not_found(self, sdk):
        with sdk.organization_context("nope"), pytest.raises(NotFoundException) as refused:
            sdk.tasks.list()
        assert "nope organization does not exist." in refused.value.body


class TestMembers:
    """They have no repository: the SDK reaches them through its low-level API."""

    @pytest.fixture
    def invited(self, sdk, acme):
        """Alice's invitation to the organization, as a worker."""
        request = models.InvitationWriteRequest(
            role=models.RoleEnum("worker"), email="alice@example.com"
        )
        invitation, _ = sdk.api_client.invitations_api.create(request, org="acme")
        return invitation

    def test_an_invitation_is_on_the_server(self, wire, told, acme, invited):
        row = wire.get(f"/invitations/{invited.key}")
        assert told(invited) == row
        assert (row["role"], row["user"]["username"], row["organization"]) == (
            "worker",
            "alice",
            acme.id,
        )

    def test_the_members_are_listed_with_their_roles(self, sdk, wire, told, invited):
        page, _ = sdk.api_client.memberships_api.list(org="acme")
        rows = wire.rows("/memberships", org="acme")
        assert [told(each) for each in page.results] == rows
        assert {row["user"]["username"]: row["role"] for row in rows} == {
            "admin": "owner",
            "alice": "worker",
        }

    def test_a_worker_sees_the_organization_and_nobody_else_s_tasks(self, alice, inside, invited):
        assert [each.slug for each in alice.organizations.list()] == ["acme"]
        with alice.organization_context("acme"):
            assert alice.tasks.list() == []

    def test_a_maintainer_sees_them_all(self, sdk, alice, wire, inside, invited):
        (member,) = (
            row["id"]
            for row in wire.rows("/memberships", org="acme")
            if row["user"]["username"] == "alice"
        )
        sdk.api_client.memberships_api.partial_update(
            member,
            patched_membership_write_request=models.PatchedMembershipWriteRequest(
                role=models.RoleEnum("maintainer")
            ),
        )
        assert wire.get(f"/memberships/{member}")["role"] == "maintainer"
        with alice.organization_context("acme"):
            assert [task.id for task in alice.tasks.list()] == [inside.id]
        assert alice.tasks.retrieve(inside.id).name == "inside"

    def test_who_is_no_member_any_more_is_out(self, sdk, alice, wire, acme, inside, invited):
        (member,) = (
            row["id"]
            for row in wire.rows("/memberships", org="acme")
            if row["user"]["username"] == "alice"
        )
        sdk.api_client.memberships_api.destroy(member)
        assert wire.status(f"/memberships/{member}") == 404
        with pytest.raises(NotFoundException):
            alice.organizations.retrieve(acme.id)
        with alice.organization_context("acme"), pytest.raises(ForbiddenException):
            alice.tasks.list()

    def test_with_the_organization_its_members_go_and_its_tasks_stay(self, sdk, wire, acme, inside):
        acme.remove()
        assert wire.rows("/memberships") == []
        assert wire.get(f"/tasks/{inside.id}")["organization"] is None
