"""Issues with their comments, and ground truth jobs: in the fewest requests that CVAT allows."""

import pickle

import pytest

from objmapper import CommitError, ReadOnlyFieldError, Session, ValidationError, inspect, signals
from objmapper.cvat import Comment, Issue, Job, Task, User
from objmapper.cvat.models import FrameSelection, JobType
from objmapper.exceptions import BadRequest, UnsupportedLookup

# What is sent is the same through both doors; test_both_doors has them both.
in_process = pytest.mark.parametrize("open_client", ["in process"], indirect=True)


@pytest.fixture
def job(seeded):
    """The third job of the first task."""
    return Job.objects.get(id=3)


def made(job, *texts, **values):
    """An issue of a job that is not sent yet, with these comments."""
    given = {
        "frame": 0,
        "position": [1, 2.5],
        "comments": [Comment(message=text) for text in texts],
    }
    return Issue(job=job, **(given | values))


def told(client, path):
    """What the server has, by the low-level reach."""
    return client.request("GET", path).json()


def messages(client, issue):
    """What was said of an issue, in the order of the ids."""
    rows = told(client, f"/comments?issue_id={issue.id}&sort=id&page_size=100")["results"]
    return [row["message"] for row in rows]


def test_both_doors_take_an_issue_with_its_comments(seeded, job):
    issue = made(job, "one", "two")
    issue.commit()
    assert messages(seeded, issue) == ["one", "two"]
    assert job.issues.get() is issue
    assert [comment.message for comment in issue.comments.order_by("id")] == ["one", "two"]
    issue.delete()
    assert Comment.objects.count() == 0


@in_process
class TestComments:
    def test_the_first_comment_goes_in_the_post_of_its_issue(self, seeded, job, requests_of):
        issue = made(job, "one")
        seeded.session.add(issue)
        with requests_of() as sent:
            report = seeded.session.commit()
        assert list(sent) == [("POST", "/issues")]
        assert sent.bodies == [{"job": 3, "frame": 0, "position": [1.0, 2.5], "message": "one"}]
        comment = report.created.objects[1]
        assert report.created.objects == [issue, comment]
        assert (comment.message, comment.issue) == ("one", issue)
        assert [inspect(obj).lifecycle for obj in (issue, comment)] == ["persistent"] * 2
        assert (report.requests, seeded.session.new, seeded.session.dirty) == (1, [], [])

    def test_the_others_follow_one_by_one_in_their_order(self, seeded, job, requests_of):
        issue = made(job, *"abcdef")
        with requests_of() as sent:
            report = seeded.session.commit_objects([issue], workers=4)
        assert list(sent) == [("POST", "/issues"), *[("POST", "/comments")] * 5]
        assert len(report.created) == 7
        assert messages(seeded, issue) == [*"abcdef"]

    def test_comments_of_several_issues_stay_in_order_side_by_side(self, seeded, job):
        issues = [made(job, *"abc", frame=frame) for frame in range(3)]
        seeded.session.add_all(issues)
        seeded.session.commit(workers=4)
        assert [messages(seeded, issue) for issue in issues] == [[*"abc"]] * 3

    def test_a_message_is_short_for_the_first_comment(self, seeded, job, requests_of):
        short = Issue(job=job, frame=0, position=[1], message="a")
        both = Issue(job=job, frame=0, position=[2], message="a", comments=[{"message": "b"}])
        seeded.session.add_all([short, both])
        with requests_of() as sent:
            report = seeded.session.commit()
        assert len(sent) == 3
        assert len(report.created) == 5
        assert (messages(seeded, short), messages(seeded, both)) == (["a"], ["a", "b"])

    def test_the_plan_tells_it_and_sends_nothing(self, seeded, job, requests_of):
        first, second, third = (Comment(message=text) for text in ("one", "two", "three"))
        issue = made(job, comments=[first, second, third])
        seeded.session.add(issue)
        with requests_of() as sent:
            plan = seeded.session.plan()
        assert len(sent) == 0
        assert [operation.objects for operation in plan] == [(issue, first), (second,), (third,)]
        assert [operation.wave for operation in plan] == [1, 2, 2]
        # One lane: they never go side by side.
        lanes = {operation.draft.lane for operation in plan.operations[1:]}
        assert len(lanes) == 1
        assert None not in lanes
        assert plan.operations[1].request.shown_body()["issue"].startswith("<key of <Issue")
        seeded.session.rollback()

    def test_a_comment_brings_its_new_issue_along(self, seeded, job, requests_of):
        comment = Comment(issue=Issue(job=job, frame=0, position=[1]), message="look")
        with requests_of() as sent:
            comment.commit()
        assert sent.bodies == [{"job": 3, "frame": 0, "position": [1.0], "message": "look"}]
        assert messages(seeded, comment.issue) == ["look"]

    def test_an_issue_without_a_comment_is_refused_before_anything_is_sent(
        self, seeded, job, requests_of
    ):
        bare, also = made(job), Issue(job=job, frame=1, position=[1])
        seeded.session.add_all([made(job, "fine"), bare, also])
        with requests_of() as sent, pytest.raises(ValidationError) as refused:
            seeded.session.commit()
        assert len(sent) == 0
        assert [(obj, name) for obj, name, _ in refused.value.errors] == [
            (bare, "comments"),
            (also, "comments"),
        ]
        seeded.session.rollback()

    def test_the_keys_of_first_comments_load_on_the_first_touch_of_one_together(
        self, seeded, job, requests_of
    ):
        firsts = [Comment(message=text) for text in ("same", "same", "other")]
        for frame, comment in enumerate(firsts):
            made(job, comments=[comment, Comment(message="later")], frame=frame).commit()
        assert [inspect(comment).identity for comment in firsts] == [None] * 3
        with requests_of() as sent:
            assert [comment.id for comment in firsts] == [1, 3, 5]
        assert len(sent) == 1

    def test_what_is_known_of_a_first_comment_is_read_without_a_request(
        self, seeded, job, requests_of
    ):
        issue = made(job, "  trimmed ")
        report = issue.commit()
        comment = report.created.objects[1]
        with requests_of() as sent:
            assert comment.message == "trimmed"
            assert comment.owner is issue.owner
            assert comment.issue is issue
        assert len(sent) == 0
        assert comment.id == 1
        assert comment.created_date is not None

    def test_of_two_comments_that_say_the_same_each_is_itself(self, seeded, job):
        first, second = Comment(message="same"), Comment(message="same")
        issue = made(job, comments=[first, second])
        issue.commit()
        assert [*issue.comments.order_by("-id")] == [second, first]
        assert (first.id, second.id) == (1, 2)

    def test_a_first_comment_without_a_key_is_changed_and_deleted(self, seeded, job, requests_of):
        first, second = Comment(message="one"), Comment(message="two")
        issue = made(job, comments=[first, second])
        issue.commit()
        first.message = "edited"
        first.commit()
        assert messages(seeded, issue) == ["edited", "two"]
        first.delete()
        assert messages(seeded, issue) == ["two"]
        second.update({"message": "last"})
        assert messages(seeded, issue) == ["last"]

    def test_a_refused_issue_is_told_with_all_its_comments_and_sent_again(self, seeded, job):
        first, second = Comment(message="one"), Comment(message="two")
        issue = made(job, comments=[first, second], assignee=9999)
        seeded.session.add(issue)
        with pytest.raises(CommitError) as refused:
            seeded.session.commit(on_error="continue")
        report = refused.value.report
        assert report.failed.objects == [issue, first]
        assert isinstance(report.failed[0].error, BadRequest)
        assert report.failed[0].error.errors["assignee"] == [
            'Invalid pk "9999" - object does not exist.'
        ]
        assert report.skipped.objects == [second]
        assert report.skipped[0].waited_for == (issue, first)
        issue.assignee = 1
        assert len(seeded.session.commit().created) == 3
        assert messages(seeded, issue) == ["one", "two"]

    def test_where_the_first_comment_is_vetoed_the_next_one_is_the_first(self, seeded, job, veto):
        first, second = Comment(message="bad"), Comment(message="good")
        issue = made(job, comments=[first, second])
        seeded.session.add(issue)
        with pytest.raises(CommitError) as refused:
            seeded.session.commit()
        report = refused.value.report
        assert report.created.objects == [issue, second]
        assert first in report.skipped
        assert messages(seeded, issue) == ["good"]
        seeded.session.rollback()

    def test_an_issue_whose_only_comment_is_vetoed_waits_for_it(self, seeded, job, veto):
        bad, good = made(job, "bad"), made(job, "good", frame=1)
        seeded.session.add_all([bad, good])
        with pytest.raises(CommitError) as refused:
            seeded.session.commit()
        report = refused.value.report
        assert report.created.objects[0] is good
        assert bad in report.skipped
        assert told(seeded, "/issues")["count"] == 1
        seeded.session.rollback()

    def test_comments_are_added_to_an_issue_that_exists(self, seeded, job, requests_of):
        issue = made(job, "one")
        issue.commit()
        with requests_of() as sent:
            comment = issue.comments.create(message="two")
            seeded.session.add_all(Comment(issue=key, message="more") for key in (issue, issue.id))
            seeded.session.commit()
        assert list(sent) == [("POST", "/comments")] * 3
        assert sent.bodies[0] == {"issue": issue.id, "message": "two"}
        assert (comment.issue, comment.owner.username) == (issue, "admin")
        assert messages(seeded, issue) == ["one", "two", "more", "more"]

    @pytest.mark.parametrize("text", ["", "  \n"])
    def test_a_blank_comment_is_refused_before_it_is_sent(self, seeded, job, requests_of, text):
        with requests_of() as sent, pytest.raises(ValidationError, match="blank"):
            made(job, text).commit()
        assert len(sent) == 0
        seeded.session.rollback()


@pytest.fixture
def veto():
    """Comments that say "bad" are vetoed."""

    def refuse(sender, instance, **_):
        if instance.message == "bad":
            raise signals.Veto("Not this one.")

    with signals.pre_create.connected_to(refuse, sender=Comment):
        yield


@in_process
class TestIssues:
    def test_an_assignee_is_read_as_an_object_and_written_as_an_id(self, seeded, job, requests_of):
        issue = made(job, "x")
        issue.commit()
        user = User.objects.get(username="annotator2")
        issue.assignee = user
        with requests_of() as sent:
            issue.commit()
            assert issue.assignee is user
        assert sent.bodies == [{"assignee": user.id}]
        assert told(seeded, f"/issues/{issue.id}")["assignee"]["username"] == "annotator2"
        issue.assignee = None
        issue.commit()
        assert told(seeded, f"/issues/{issue.id}")["assignee"] is None

    def test_the_owner_is_who_made_it(self, seeded, job):
        issue = made(job, "x")
        issue.commit()
        assert issue.owner.username == "admin"
        with pytest.raises(ReadOnlyFieldError, match="owner"):
            issue.owner = 2

    def test_only_what_changed_is_sent(self, seeded, job, requests_of):
        issue = made(job, "x")
        issue.commit()
        issue.resolved, issue.position = True, [1, 2.5]
        issue.position.append(7)
        with requests_of() as sent:
            issue.commit()
        assert sent.bodies == [{"position": [1.0, 2.5, 7.0], "resolved": True}]
        issue.position = [1, 2.5, 7]
        assert issue.changes == {}

    @pytest.mark.parametrize(("name", "value"), [("job", 1), ("frame", 5)])
    def test_where_it_stands_is_set_until_it_exists(self, seeded, job, name, value):
        issue = made(1, "x")
        issue.job = job
        issue.commit()
        assert issue.job is job
        with pytest.raises(ReadOnlyFieldError, match=name):
            setattr(issue, name, value)

    @pytest.mark.parametrize("change", [{"position": []}, {"frame": -1}, {"job": None}])
    def test_a_bad_value_is_refused_before_it_is_sent(self, seeded, requests_of, change):
        values = {"job": 3, "frame": 0, "position": [1], "message": "x"} | change
        with requests_of() as sent, pytest.raises(ValidationError, match=next(iter(change))):
            Issue(**values).commit()
        assert len(sent) == 0
        seeded.session.rollback()

    def test_a_manager_of_a_job_makes_and_finds_its_issues(self, seeded, job, requests_of):
        issue = job.issues.create(frame=2, position=[1], message="look")
        elsewhere = Job.objects.get(id=1).issues.create(frame=2, position=[1], message="there")
        assert [*job.issues] == [issue]
        assert job.issues.filter(frame=2).exists()
        assert not job.issues.filter(frame=3).exists()
        assert {*Issue.objects.filter(job__task=job.task)} == {issue, elsewhere}
        job.refresh()
        assert job.issue_count.count == 1
        assert issue.comment_count.count == 1

    def test_filters_are_cvats_own(self, seeded):
        keys = []
        for number, frame in ((1, 4), (1, 5), (20, 4)):
            keys.append(made(number, "x", frame=frame).commit().created.objects[0].id)
        one, two, three = keys
        someone = User.objects.get(username="annotator1")
        Issue.objects.get(id=two).update({"resolved": True, "assignee": someone.id})

        def found(**lookups):
            return [*Issue.objects.filter(**lookups).order_by("id").values_list("id", flat=True)]

        assert found(job=1) == found(job__id=1) == [one, two]
        assert found(job__task=1) == found(job__task__id=1) == [one, two]
        assert found(frame=4) == [one, three]
        assert found(resolved=True) == found(assignee__username="annotator1") == [two]
        assert found(owner__username="admin", resolved=False) == [one, three]
        assert found(job__in=[20, 2]) == [three]
        assert found(id__gt=one, frame__range=(1, 4)) == [three]
        with pytest.raises(UnsupportedLookup, match="position"):
            Issue.objects.filter(position=[1]).count()

    def test_filters_of_comments_lead_through_the_issue(self, seeded):
        for number, frame in ((1, 4), (1, 5), (20, 4)):
            made(number, f"on {number} at {frame}", frame=frame).commit()

        def found(**lookups):
            return [
                *Comment.objects.filter(**lookups).order_by("id").values_list("message", flat=True)
            ]

        assert found(issue=2) == found(issue__id=2) == ["on 1 at 5"]
        assert found(issue__job=1) == found(issue__job__id=1) == ["on 1 at 4", "on 1 at 5"]
        assert found(issue__frame=4) == ["on 1 at 4", "on 20 at 4"]
        assert found(issue__in=[1, 3], owner__username="admin") == ["on 1 at 4", "on 20 at 4"]
        with pytest.raises(UnsupportedLookup, match="message"):
            Comment.objects.filter(message="x").count()

    def test_comments_and_jobs_of_a_page_come_in_one_request_each(self, seeded, requests_of):
        for number in (1, 2, 3):
            made(number, "one", "two").commit()
        with Session(seeded):
            with requests_of() as sent:
                issues = list(Issue.objects.prefetch_related("comments"))
                assert [len(list(issue.comments)) for issue in issues] == [2, 2, 2]
            assert [path for _, path in sent] == ["/issues", "/comments"]
            with requests_of() as sent:
                assert [issue.job.task.id for issue in issues] == [1, 1, 1]
            assert [path for _, path in sent] == ["/jobs"]

    def test_the_verbs_of_the_seed(self, seeded, requests_of):
        spec = {"frame": 0, "position": [1.0, 2.0, 3.0, 4.0], "job": 1, "message": "look"}
        issue = seeded.issues.create(spec)
        assert issue.update({"resolved": True}).resolved is True
        assert seeded.issues.retrieve(issue.id) is issue
        assert seeded.issues.list() == [issue]
        comment = seeded.comments.create({"issue": issue.id, "message": "second"})
        assert seeded.comments.list(issue=issue)[0] is comment
        comment.remove()
        assert messages(seeded, issue) == ["look"]
        assert seeded.issues.remove_by_ids([issue.id]).ok
        assert seeded.comments.list() == []

    def test_an_issue_that_was_pickled_before_it_was_sent_has_its_comments(self, seeded):
        issue = pickle.loads(pickle.dumps(made(3, "x", "y")))
        assert len(issue.commit().created) == 3
        assert (issue.position, messages(seeded, issue)) == ([1, 2.5], ["x", "y"])

    def test_a_deleted_job_takes_its_issues_along(self, seeded, job):
        made(job, "x").commit()
        job.task.delete()
        assert Issue.objects.count() == Comment.objects.count() == 0


@in_process
class TestGroundTruthJobs:
    def test_one_is_made_of_chosen_frames(self, seeded, requests_of):
        task = Task.objects.get(id=1)
        job = Job(
            task=task,
            type="ground_truth",
            frame_selection_method="manual",
            frames=[0, 7],
            assignee=2,
        )
        with requests_of() as sent:
            job.commit()
        assert list(sent) == [("POST", "/jobs")]
        assert sent.bodies == [
            {
                "task_id": 1,
                "type": "ground_truth",
                "frame_selection_method": "manual",
                "frames": [0, 7],
                "assignee": 2,
            }
        ]
        assert job.type is JobType.GROUND_TRUTH
        assert (job.frame_count, job.start_frame, job.stop_frame) == (2, 0, 29)
        assert job.task is task
        task.refresh()
        assert (task.validation_mode, task.job_count.count) == ("gt", 4)
        assert task.jobs.get(type=JobType.GROUND_TRUTH) is job

    def test_what_only_its_making_is_told_reads_none_afterwards(self, seeded, requests_of):
        Job(
            task=1,
            type=JobType.GROUND_TRUTH,
            frame_selection_method=FrameSelection.RANDOM_PER_JOB,
            frames_per_job_share=0.5,
            random_seed=7,
        ).commit()
        with Session(seeded):
            job = Job.objects.get(type="ground_truth")
            with requests_of() as sent:
                assert (job.frames, job.frame_selection_method, job.random_seed) == (None,) * 3
            assert len(sent) == 0
            assert job.frame_count == 15
            with pytest.raises(ReadOnlyFieldError, match="frames"):
                job.frames = [1]

    def test_it_is_deleted_and_others_are_not(self, seeded):
        job = Job(task=1, type="ground_truth", frame_selection_method="manual", frames=[0])
        job.commit()
        job.delete()
        assert inspect(job).lifecycle == "detached"
        with pytest.raises(CommitError, match="Only ground truth jobs can be removed"):
            Job.objects.get(id=1).delete()
        seeded.session.rollback()

    def test_its_issues_go_with_it_in_one_commit(self, seeded, requests_of):
        job = Job(task=1, type="ground_truth", frame_selection_method="manual", frames=[0])
        issue = made(job, "one")
        with requests_of() as sent:
            issue.commit()
        assert list(sent) == [("POST", "/jobs"), ("POST", "/issues")]
        assert issue.job is job

    def test_no_job_has_replicas_here(self, seeded):
        job = Job.objects.get(id=1)
        assert (job.parent, job.replicas_count, [*job.replicas]) == (None, 0, [])
        assert Job.objects.filter(parent=job).count() == 0

    @pytest.mark.parametrize(
        "change", [{"type": None}, {"task": None}, {"type": "other"}, {"frame_share": 2}]
    )
    def test_a_bad_one_is_refused_before_it_is_sent(self, seeded, requests_of, change):
        values = {"task": 1, "type": "ground_truth"} | change
        with requests_of() as sent, pytest.raises(ValidationError, match=next(iter(change))):
            Job(**values).commit()
        assert len(sent) == 0
        seeded.session.rollback()
