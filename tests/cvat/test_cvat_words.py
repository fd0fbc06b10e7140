"""Lists are asked in CVAT's own words: the SDK's lookups and expressions, JSON Logic, a text to look for."""

import json

import pytest

from objmapper import FieldDoesNotExist, Q, QueryError, UnsupportedLookup
from objmapper.cvat import Client, Task
from objmapper.cvat.filters import F, Field, all_, any_, not_


@pytest.fixture(scope="module")
def server():
    """Projects of three tasks each, two of which are assigned; nothing of it is changed."""
    users = "user=admin:secret&user=alice:wonder"
    with Client(f"embedded://cvat?seed=2x3&{users}&check=1") as client:
        alice = client.users.get(username="alice")
        for task in client.tasks.all():
            project, number = divmod(task.id - 1, 3)
            task.name = f"task {project + 1}-{number + 1}"
            task.assignee = None if number else alice
            task.subset = "" if number else "Night Ride"
        client.session.commit()
        yield client
        assert client.server.violations == []


def ids(found):
    return {task.id for task in found}


def named(task):
    return task.assignee.username if task.assignee else None


class TestWords:
    @pytest.mark.parametrize(
        ("condition", "holds"),
        [
            (F.project_id == 1, lambda task: task.project.id == 1),
            (F["project_id"] != 1, lambda task: task.project.id != 1),
            (F.id < 3, lambda task: task.id < 3),
            (F.id <= 3, lambda task: task.id <= 3),
            (F.id > 3, lambda task: task.id > 3),
            (F.id >= 3, lambda task: task.id >= 3),
            (F.id.between(2, 4), lambda task: 2 <= task.id <= 4),
            (F.name.contains("2-"), lambda task: "2-" in task.name),
            (F.owner.one_of(["admin", "nobody"]), lambda task: task.owner.username == "admin"),
            (F.assignee == "alice", lambda task: named(task) == "alice"),
            (F.assignee.is_set(), lambda task: named(task) is not None),
            (~F.assignee.is_set(), lambda task: named(task) is None),
            (F.assignee == None, lambda task: named(task) is None),  # noqa: E711 - as the SDK's users write
            (~(F.id == 2) & ((F.id < 3) | (F.id > 5)), lambda task: task.id in (1, 6)),
        ],
        ids=lambda each: repr(each) if isinstance(each, Q) else "",
    )  # fmt: skip
    def test_an_expression_of_the_sdk_s_means_what_python_means(self, server, condition, holds):
        expected = {task.id for task in server.tasks.all() if holds(task)}
        assert len(expected) > 0
        assert ids(server.tasks.list(filter=condition)) == expected
        assert ids(server.tasks.list(condition)) == expected
        assert ids(Task.objects.filter(condition)) == expected
        assert ids(server.tasks.filter(~condition)) == ids(server.tasks.all()) - expected

    def test_conditions_are_joined_by_functions_too(self, server):
        assert ids(server.tasks.list(filter=all_(F.id > 1, F.id < 4))) == {2, 3}
        assert ids(server.tasks.list(filter=any_(F.id == 1, Q(name="task 2-3"), Task.id == 3))) == {
            1, 3, 6
        }  # fmt: skip
        assert ids(server.tasks.list(filter=not_({"==": [{"var": "project_id"}, 2]}))) == {1, 2, 3}
        for joined in (all_, any_):
            with pytest.raises(ValueError, match="none was given"):
                joined()

    @pytest.mark.parametrize(
        ("asked", "expected"),
        [
            ({"name__ne": "task 1-1", "project_id": 1}, {2, 3}),
            ({"id__between": (2, 4)}, {2, 3, 4}),
            ({"assignee__isset": True}, {1, 4}),
            ({"assignee__isset": False, "id__lt": 4}, {2, 3}),
            ({"assignee": None, "id__lt": 4}, {2, 3}),
            ({"assignee__ne": "alice", "id__gte": 4}, {5, 6}),
            ({"assignee__in": ["alice", "admin"]}, {1, 4}),
            ({"project_id__in": [2]}, {4, 5, 6}),
        ],
        ids=str,
    )
    def test_a_keyword_may_have_the_sdk_s_lookups(self, server, asked, expected):
        assert ids(server.tasks.list(**asked)) == expected

    @pytest.mark.parametrize(
        "logic",
        [
            {"==": [{"var": "project_id"}, 1]},
            {"<=": [2, {"var": "id"}, 4]},
            {"in": [{"var": "id"}, [1, 5]]},
            {"in": ["2-", {"var": "name"}]},
            {"var": "assignee"},
            {"!": {"var": "assignee"}},
            {"==": [{"var": "assignee"}, None]},
            {"and": [{">": [{"var": "id"}, 1]}, {"or": [{"<": [{"var": "id"}, 3]},
                                                       {">=": [{"var": "id"}, 6]}]}]},
        ],
        ids=str,
    )  # fmt: skip
    def test_json_logic_is_read_and_sent_as_it_was_meant(self, server, logic):
        answer = server.request(
            "GET", "/tasks", params={"filter": json.dumps(logic), "page_size": 99}
        )
        expected = {row["id"] for row in answer.json()["results"]}
        assert expected
        assert ids(server.tasks.list(filter=logic)) == expected
        assert ids(server.tasks.list(filter=json.dumps(logic))) == expected

    def test_what_is_given_twice_is_anded(self, server):
        found = server.tasks.list(Q(id__gt=1), filter=F.id < 6, project_id=1, search="1-3")
        assert ids(found) == {3}

    def test_an_empty_filter_says_nothing(self, server):
        assert len(server.tasks.list(filter="")) == len(server.tasks.list(filter=None)) == 6

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ("{", "no JSON"),
            ("[" * 100_000, "no JSON|nested too deep"),
            ('{"!": ' * 600 + '{"var": "id"}' + "}" * 600, "nested too deep"),
            ('{"and": [' * 600 + '{"var": "id"}' + "]}" * 600, "nested too deep"),
            (7, "says nothing to CVAT"),
            ({}, "says nothing to CVAT"),
            ({"and": []}, "says nothing to CVAT"),
            ({"!=": [{"var": "id"}, 1]}, "says nothing to CVAT"),
            ({"!": [{"var": "id"}]}, "says nothing to CVAT"),
            ({"==": [1, 1]}, "says nothing to CVAT"),
            ({"in": [{"var": "name"}, "x"]}, "says nothing to CVAT"),
            ({"==": [{"var": "id"}, "x"]}, "id='x'"),
            ({"var": 7}, "says nothing to CVAT"),
        ],
        ids=lambda given: str(given)[:20],
    )
    def test_a_filter_that_says_nothing_is_refused_before_anything_is_sent(
        self, server, requests_of, given, told
    ):
        with requests_of() as sent, pytest.raises(QueryError, match=told):
            server.tasks.list(filter=given)
        assert len(sent) == 0

    def test_a_name_that_is_none_is_told_with_those_there_are(self, server):
        for asked in (F.nam == "x", {"var": "nam"}):
            with pytest.raises(FieldDoesNotExist, match=r"no field 'nam.*name"):
                server.tasks.list(filter=asked)

    def test_what_lists_are_not_is_refused_with_what_there_is(self, server, requests_of):
        with requests_of() as sent:
            for asked, told in (
                ({"page": 2}, "all pages"),
                ({"return_json": True}, r"\.all\(\)\.values\(\)"),
                ({"sort": 7}, "sort is a text of names"),
            ):
                with pytest.raises(TypeError, match=told):
                    server.tasks.list(**asked)
            for size in (0, "all", 1.5):
                with pytest.raises(QueryError, match="page_size is 1 or more"):
                    server.tasks.list(page_size=size)
        assert len(sent) == 0

    def test_an_expression_has_no_truth_and_its_field_is_no_key(self):
        with pytest.raises(TypeError, match="truth value"):
            bool(F.id == 1)
        with pytest.raises(TypeError, match="unhashable"):
            hash(F.id)
        assert isinstance(F["id"], Field)
        with pytest.raises(AttributeError):
            F._private  # noqa: B018 - asking is what is tried


class TestSearch:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("night", {1, 4}),
            ("NIGHT alice", {1, 4}),
            ("night, 2-1", {4}),
            ("night nowhere", set()),
            ("", {1, 2, 3, 4, 5, 6}),
        ],
    )
    def test_each_word_is_found_somewhere_whatever_its_case(self, server, text, expected):
        assert ids(server.tasks.list(search=text)) == expected
        assert ids(server.tasks.search(text)) == expected
        assert server.tasks.search(text).count() == len(expected)

    def test_what_is_found_is_filtered_sorted_and_cut_as_any_other(self, server, requests_of):
        found = server.tasks.search("task 1-").filter(id__gt=1).order_by("-id")
        with requests_of() as sent:
            assert [task.id for task in found[:1]] == [3]
        [request] = sent.requests
        assert dict(request.params)["search"] == "task 1-"
        assert "search=task%201-" in found.explain()

    def test_an_object_is_found_by_its_id_and_the_text(self, server):
        assert server.tasks.search("night").get(id=4).id == 4
        with pytest.raises(Task.DoesNotExist):
            server.tasks.search("night").get(id=5)

    def test_2_15_takes_the_same_words(self):
        with Client("embedded://cvat?seed=2x3&version=2.15&check=1") as client:
            task = client.tasks.last()
            task.update({"subset": "Night Ride"})
            assert client.tasks.list(search="NIGHT", filter=F.project_id == 2) == [task]
            assert client.tasks.list(search="night", id__between=(1, 3)) == []
            assert client.server.violations == []

    def test_what_is_no_text_is_refused(self, server, requests_of):
        with requests_of() as sent:
            with pytest.raises(QueryError, match="search is a text, not 7"):
                server.tasks.list(search=7)
            with pytest.raises(QueryError, match="search is a text"):
                server.tasks.search(None)
        assert len(sent) == 0

    def test_what_cvat_does_not_search_is_told(self, server, requests_of):
        with requests_of() as sent, pytest.raises(UnsupportedLookup):
            server.requests.list(search="x")
        assert len(sent) == 0
