"""What simvue 2.6.2 and 2.5.3 do wrongly or dearly, and the test here of what is right instead.

By performance (P) and correctness (C), as they were found by reading the client and running it; then what
else was confirmed by running it (X).
"""

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BUGS = {
    "P1": (
        "each read of a writable object's property asks for the whole object",
        "runs::test_five_properties_of_a_run_that_is_read_to_be_written_are_one_request",
    ),
    "P2": (
        "what was set is not what is read until it is committed",
        "runs::test_own_edits_are_read_before_they_are_sent",
    ),
    "P3": (
        "some properties of what is listed or read-only ask each time",
        "bugs::test_what_is_listed_is_read_without_a_request_and_unlocked_it_sends_nothing_back",
        "runs::test_names_of_a_hundred_folders_are_one_request",
        "alerts::test_definitions_are_read_without_a_request_each",
    ),
    "P4": (
        "alerts, artifacts and storages by id are fetched twice; == and repr ask again and again",
        "alerts::test_an_alert_by_id_is_of_its_kind_in_one_request",
        "names::test_an_artifact_by_id_is_one_request",
        "telemetry::test_storages_are_of_their_kind_in_one_request",
        "bugs::test_alerts_are_compared_without_a_request",
        "names::test_repr_and_to_dict_send_nothing",
    ),
    "P5": (
        "the configuration is read for each object",
        "client::test_the_configuration_and_the_version_are_asked_for_once",
    ),
    "P6": (
        "a connection for each request",
        "network::test_one_after_the_other_all_requests_take_one_connection",
        "network::test_a_commit_takes_as_many_connections_as_it_has_workers_and_keeps_them",
    ),
    "P7": (
        "new runs alone can be sent together, and the sender sends one by one",
        "runs::test_new_runs_of_one_commit_are_one_list",
        "runs::test_a_hundred_runs_are_renamed_by_a_page_and_a_put_each",
        "offline::test_runs_folders_events_and_metrics_go_in_order_in_batches",
    ),
    "C1": (
        "more come than were asked for",
        "runs::test_as_many_come_as_are_asked_for",
        "paging::test_as_many_points_come_as_are_asked_for",
    ),
    "C2": (
        "the count is the sum of each page's, and none at all is an error",
        "runs::test_the_count_is_exact_and_one_request",
    ),
    "C3": (
        "a list of hundreds ends with an empty page",
        "runs::test_as_many_come_as_are_asked_for",
        "runs::test_names_of_a_hundred_folders_are_one_request",
    ),
    "C4": (
        "a threshold of 0 makes an alert one on a range",
        "alerts::test_a_threshold_of_zero_is_a_threshold",
    ),
    "C5": (
        "changes inside lists and dicts are lost",
        "runs::test_in_place_changes_count_and_equal_values_do_not",
        "runs::test_nested_values_are_tracked_in_place",
    ),
    "C6": (
        "what is listed and unlocked sends all of it back",
        "bugs::test_what_is_listed_is_read_without_a_request_and_unlocked_it_sends_nothing_back",
        "names::test_repr_and_to_dict_send_nothing",
    ),
    "C7": (
        "no category is told; storage and server of an artifact are dropped; counts are others'",
        "artifacts::test_artifacts_are_attached_to_runs_and_found_there",
        "artifacts::test_the_storage_that_is_named_is_taken",
        "bugs::test_an_object_artifact_goes_to_the_server_that_is_named",
        "bugs::test_a_run_without_artifacts_has_none",
        "properties::test_statistics_have_their_four_counts",
    ),
    "C8": (
        "a POST whose answer was lost is sent again, and makes another one",
        "network::test_a_post_whose_answer_is_lost_is_not_repeated",
        "network::test_a_run_is_posted_once_however_the_answer_is_lost",
        "client::test_a_lost_answer_makes_nothing_twice",
    ),
    "C9": (
        "an upload that is repeated has nothing left to send; a large download fills the memory",
        "bugs::test_an_upload_that_is_sent_again_is_sent_whole",
        "artifacts::test_an_artifact_may_be_larger_than_an_answer",
    ),
    "C10": (
        "keys go out that the server does not know",
        "bugs::test_nothing_is_sent_that_was_not_said",
    ),
    "C11": (
        "offline: doubles, stale locks, other letters than ASCII, files that are never tried again",
        "offline::test_what_is_sent_twice_is_made_once",
        "offline::test_an_alert_that_each_process_makes_is_one_and_its_words_are_any",
        "cache::test_two_senders_at_once_are_one_too_many",
        "cache::test_what_is_broken_stays_and_is_told_and_the_rest_is_sent",
        "cache::test_a_dispatch_that_is_killed_is_finished_by_another",
    ),
    "C12": (
        "the server that is named and the certificate are forgotten here and there",
        "client::test_a_server_is_named_by_argument",
        "bugs::test_the_certificate_that_is_configured_counts_for_lists_as_well",
    ),
    "C13": (
        "answers that make no sense end in errors of any kind, and their text is a tuple",
        "odd_answers::test_a_malformed_value_is_told_when_it_is_touched",
        "odd_answers::test_a_malformed_page_is_told",
        "odd_answers::test_a_malformed_answer_to_a_verb_is_told",
        "odd_answers::test_a_malformed_answer_to_a_question_is_told",
    ),
    "C14": (
        # Nor does it see what others have changed since: the server tells no version of an object.
        "one run is several objects; misspelt names are taken; what is read-only is deleted",
        "runs::test_own_edits_are_read_before_they_are_sent",
        "runs::test_a_misspelt_property_is_an_error",
        "runs::test_what_is_fetched_is_read_only_until_it_is_unlocked",
    ),
    "C15": (
        "lists of alerts, artifacts and storages end with the first page",
        "bugs::test_kinds_that_are_listed_come_to_the_last",
    ),
    "C16": (
        "what a sender has noted of a server keeps every later process from beginning",
        "bugs::test_what_a_sender_noted_of_versions_locks_nobody_out",
    ),
    "X1": (
        "alerts of a run are joined with what it has, in any order",
        "bugs::test_alerts_of_a_run_keep_their_order_and_may_be_taken_out",
    ),
    "X2": (
        "an equal value is sent, a typing error is an attribute",
        "runs::test_in_place_changes_count_and_equal_values_do_not",
        "runs::test_a_misspelt_property_is_an_error",
    ),
    "X3": (
        "filters lose their values: has_gpu(processor=...), exclude_platform(...)",
        "filters::test_runs_are_asked_for_as_runsfilter_asks",
    ),
    "X4": (
        "a DELETE that is answered without a word fails",
        "bugs::test_a_deletion_without_a_word_is_one",
    ),
    "X5": (
        "what a 422 tells of a PUT is lost",
        "bugs::test_what_the_server_finds_wrong_is_told_field_by_field",
    ),
    "X6": (
        "times of one object are in two zones",
        "runs::test_times_travel_as_utc_without_a_zone",
    ),
    "X7": (
        "a dead host takes 20 seconds, whatever is configured",
        "network::test_a_port_that_nobody_listens_on_is_told_at_the_first_request",
        "network::test_a_server_that_never_answers_is_left_when_the_time_is_over",
    ),
    "X8": (
        "the size of an object is that of its memory",
        "names::test_an_artifact_by_id_is_one_request",
    ),
}


@pytest.fixture(scope="module")
def tests():
    """``module::test`` of each test of this folder, as pytest collects them."""
    return {
        f"{path.stem.removeprefix('test_simvue_')}::{node.name}"
        for path in HERE.glob("test_simvue_*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_item_is_there():
    numbered = [f"P{n}" for n in range(1, 8)] + [f"C{n}" for n in range(1, 17)]
    assert [item for item in BUGS if item[0] != "X"] == numbered


@pytest.mark.parametrize("item", BUGS)
def test_an_item_has_a_test_of_what_is_right(tests, item):
    what, *names = BUGS[item]
    assert what
    assert names
    assert [name for name in names if name not in tests] == []
