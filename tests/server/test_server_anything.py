"""Whatever is said to it, the server answers inside its contract and never by a fault of its own."""

import json

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from objmapper.server import embedded

FIXED = settings(max_examples=400, deadline=None, derandomize=True, database=None)

NAMES = (
    "id name color type attributes sublabels svg deleted location cloud_storage_id values mutable"
    " input_type default_value var == in and or ! <= <"
).split()
KEYS = (
    "project_id owner_id assignee_id assignee bug_tracker subset overlap segment_size stage state"
    " target_storage source_storage username first_name last_name email groups is_staff is_active"
    " organization_id bogus"
    " job issue frame position message resolved"
    " frame_selection_method frames frame_count frame_share random_seed"
    " slug description contact role password"
    " expiry_date read_only"
).split()
QUERY = (
    "page page_size sort search filter status name project_id task_id org org_id type"
    " job_id issue_id frame_id resolved owner user_id accepted role slug read_only"
).split()
WORDS = [
    "annotation",
    "ground_truth",
    "manual",
    "random_uniform",
    "completed",
    "local",
    "x",
    "1",
    "2024-01-01",
    "2024-01-01T00:00Z",
    "",
    " a ",
]

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(WORDS),
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=8,
)
attributes = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("id", "name", "mutable", "default_value"), leaves)
    | {
        "input_type": st.sampled_from(["text", "number"]) | leaves,
        "values": st.lists(st.text(max_size=3), max_size=2) | leaves,
    },
)
labels = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("id", "name", "color", "type", "deleted", "svg"), leaves)
    | {"attributes": st.lists(attributes, max_size=2) | leaves, "sublabels": values},
)
bodies = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(KEYS, values)
    | {"name": st.text(max_size=5) | values, "labels": st.lists(labels, max_size=3) | values},
)


@pytest.fixture(scope="module")
def put():
    """Puts one request, and fails if it went against the contract."""
    with (
        embedded(
            "cvat",
            seed="2x3",
            users=["admin:secret", "alice:wonder"],
            tokens=["admin:given"],
            check=True,
        ) as server,
        requests.Session() as session,
    ):
        session.mount(server.base_url, server.adapter())
        issue = {"job": 1, "frame": 0, "position": [1, 2], "message": "first"}
        session.post(f"{server.base_url}/api/issues", json=issue)
        session.post(f"{server.base_url}/api/organizations", json={"slug": "acme"})
        invitation = {"email": "alice@example.com", "role": "worker"}
        session.post(f"{server.base_url}/api/invitations?org=acme", json=invitation)

        def put(method, path, **options):
            answer = session.request(method, f"{server.base_url}/api{path}", **options)
            assert server.violations == []
            return answer.status_code

        yield put


WRITES = [
    ("POST", "/tasks"),
    ("POST", "/projects"),
    ("POST", "/jobs"),
    ("POST", "/issues"),
    ("POST", "/comments"),
    ("PATCH", "/tasks/1"),
    ("PATCH", "/projects/1"),
    ("PATCH", "/jobs/1"),
    ("PATCH", "/labels/1"),
    ("PATCH", "/users/2"),
    ("PATCH", "/issues/1"),
    ("PATCH", "/comments/1"),
    ("POST", "/organizations"),
    ("PATCH", "/organizations/1"),
    ("PATCH", "/memberships/2"),
    ("POST", "/invitations?org_id=1"),
    ("POST", "/auth/access_tokens"),
    ("PATCH", "/auth/access_tokens/1"),
    ("POST", "/auth/login"),
]


@FIXED
@given(st.sampled_from(WRITES), bodies | labels | values)
def test_any_body(put, where, body):
    headers = {"Content-Type": "application/json"}
    status = put(*where, data=json.dumps(body), headers=headers)
    assert status in (200, 201, 400, 404, 500)


LISTS = (
    "/tasks /projects /jobs /labels /users /issues /comments /organizations /memberships"
    " /invitations /auth/access_tokens"
).split()


@FIXED
@given(
    st.sampled_from(LISTS),
    st.dictionaries(
        st.sampled_from(QUERY),
        st.text(max_size=6)
        | st.sampled_from(["1", "2", "-1", "name", "-id", "annotation", "last"])
        | values.map(json.dumps),
        max_size=4,
    ),
)
def test_any_query(put, path, query):
    assert put("GET", path, params=query) in (200, 400, 404, 500)
