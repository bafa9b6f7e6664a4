"""Models: the registry, and that training really fits."""

import sqlite3
import time

import pytest
from reference_services import Service, identity
from reference_models import create_model, finished, line_rows, separable_rows, train

FLAGS = ("training", "--listen", "127.0.0.1:0", "--data")


def set_state(data, model, state):
    with sqlite3.connect(data / "training.db") as database:
        database.execute("UPDATE models SET state = ? WHERE id = ?", (state, model))
    database.close()


def test_a_line_is_recovered(training):
    model = create_model(training, "linear")
    trained = train(training, model, line_rows())
    assert trained["state"] == "ready"
    assert trained["version"] == 1 and trained["rows"] == 21 and trained["features"] == 1
    assert trained["metrics"]["mse"] < 1e-12
    assert trained["metrics"]["r2"] == pytest.approx(1, abs=1e-12)
    answer = training.call("GET", f"/api/v1/models/{model}/parameters").json
    assert answer["coefficients"] == [pytest.approx(3, abs=1e-6)]
    assert answer["intercept"] == pytest.approx(2, abs=1e-6)


def test_a_plane_of_unlike_units_is_recovered(training):
    model = create_model(training, "linear")
    rows = [{"x": [1e6 + 1000 * a, b / 1e6], "y": 0.5 * (1e6 + 1000 * a) - 4e6 * (b / 1e6) + 7}
            for a in range(10) for b in range(10)]
    assert train(training, model, rows)["state"] == "ready"
    answer = training.call("GET", f"/api/v1/models/{model}/parameters").json
    assert answer["coefficients"] == [pytest.approx(0.5, rel=1e-6), pytest.approx(-4e6, rel=1e-6)]
    assert answer["intercept"] == pytest.approx(7, abs=1e-2)


def test_features_that_depend_on_each_other_do_not_break_it(training):
    model = create_model(training, "linear")
    trained = train(training, model, [{"x": [x, 2 * x, 5], "y": 3 * x + 2} for x in range(10)])
    assert trained["state"] == "ready"
    assert trained["metrics"]["mse"] < 1e-8


def test_ridge_shrinks(training):
    model = create_model(training, "linear")
    train(training, model, line_rows(), ridge=1.0)
    slope = training.call("GET", f"/api/v1/models/{model}/parameters").json["coefficients"][0]
    assert slope == pytest.approx(1.5, abs=1e-6)  # on standardised features, ridge 1 halves it


def test_separable_classes_are_separated(training):
    model = create_model(training, "logistic")
    trained = train(training, model, separable_rows())
    assert trained["state"] == "ready"
    assert trained["metrics"]["accuracy"] == 1.0
    assert trained["metrics"]["log_loss"] < 0.05
    assert trained["metrics"]["iterations"] >= 2


def test_overlapping_classes_reach_the_known_maximum(training):
    # One feature with two values: the likelihood is greatest where each value's probability is its frequency.
    rows = [{"x": [0], "y": y} for y in (0, 0, 0, 1)] + [{"x": [1], "y": y} for y in (0, 1, 1, 1)]
    model = create_model(training, "logistic")
    assert train(training, model, rows)["metrics"]["accuracy"] == 0.75
    answer = training.call("GET", f"/api/v1/models/{model}/parameters").json
    assert answer["intercept"] == pytest.approx(-1.0986123, abs=1e-3)
    assert answer["coefficients"] == [pytest.approx(2.1972246, abs=1e-3)]


def test_epochs_bound_the_iterations(training):
    model = create_model(training, "logistic")
    assert train(training, model, separable_rows(), epochs=1)["metrics"]["iterations"] == 1


def test_numbers_beyond_range_fail_with_a_reason(training):
    model = create_model(training, "linear")
    trained = train(training, model, [{"x": [1e308], "y": 1}, {"x": [-1e308], "y": 2}])
    assert trained["state"] == "failed"
    assert trained["error"]
    assert training.call("GET", f"/api/v1/models/{model}/parameters").status == 409


def test_the_registry(training):
    made = training.call("POST", "/api/v1/models", {"name": "prices", "kind": "linear"})
    assert made.status == 201
    path = made.headers["Location"]
    assert made.json["state"] == "registered" and made.json["version"] == 0
    assert training.call("GET", path).json == made.json
    assert made.json in training.call("GET", "/api/v1/models").json["models"]
    again = training.call("POST", "/api/v1/models", {"name": "prices", "kind": "logistic"})
    assert again.status == 409 and again.json["code"] == "name_taken"
    assert training.call("GET", f"{path}/parameters").status == 409
    assert training.call("DELETE", path).status == 204
    for method, tail in (("GET", ""), ("DELETE", ""), ("GET", "/parameters"), ("POST", "/train")):
        assert training.call(method, path + tail, headers={"Content-Length": "0"}).status == 404


def test_training_again_makes_a_new_version(training):
    model = create_model(training, "linear")
    train(training, model, line_rows())
    path = f"/api/v1/models/{model}/parameters"
    first = training.call("GET", path)
    same = training.call("GET", path, headers={"If-None-Match": first.headers["ETag"]})
    assert same.status == 304 and same.body == b""
    assert train(training, model, [{"x": [x], "y": -x} for x in range(5)])["version"] == 2
    second = training.call("GET", path, headers={"If-None-Match": first.headers["ETag"]})
    assert second.status == 200
    assert second.json["version"] == 2
    assert second.json["coefficients"] == [pytest.approx(-1, abs=1e-6)]


@pytest.mark.parametrize("body, status", [
    ({"name": "x"}, 400), ({"kind": "linear"}, 400), ({"name": 1, "kind": "linear"}, 400), (b"{", 400), (b"", 400),
    ({"name": "", "kind": "linear"}, 422), ({"name": "x" * 129, "kind": "linear"}, 422),
    ({"name": "x", "kind": "forest"}, 422),
])
def test_a_bad_model_is_refused(training, body, status):
    answer = training.call("POST", "/api/v1/models", body)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"


ROW = {"x": [1], "y": 0}


@pytest.mark.parametrize("kind, body, status", [
    ("linear", {}, 400), ("linear", {"rows": 1}, 400), ("linear", {"rows": [1, 2]}, 400),
    ("linear", {"rows": [{"x": 1, "y": 1}, ROW]}, 400), ("linear", {"rows": [{"x": ["a"], "y": 1}, ROW]}, 400),
    ("linear", {"rows": [{"x": [1]}, ROW]}, 400), ("linear", {"rows": [ROW, ROW], "speed": 1}, 400),
    ("linear", {"rows": []}, 422), ("linear", {"rows": [ROW]}, 422), ("linear", {"rows": [ROW, {"x": [1, 2], "y": 1}]}, 422),
    ("linear", {"rows": [{"x": [], "y": 1}, {"x": [], "y": 2}]}, 422),
    ("linear", {"rows": [ROW, ROW], "epochs": 0}, 422), ("linear", {"rows": [ROW, ROW], "ridge": -1}, 422),
    ("logistic", {"rows": [ROW, {"x": [1], "y": 2}]}, 422), ("logistic", {"rows": [ROW, ROW]}, 422),
])
def test_bad_rows_are_refused_and_leave_the_model_as_it_was(training, kind, body, status):
    model = create_model(training, kind)
    answer = training.call("POST", f"/api/v1/models/{model}/train", body)
    assert answer.status == status, answer.body
    assert training.call("GET", f"/api/v1/models/{model}").json["state"] == "registered"


def test_tenants_do_not_see_each_other(training):
    ours, theirs = identity(tenant="a"), identity(tenant="b")
    model = create_model(training, "linear", ours)
    name = training.call("GET", f"/api/v1/models/{model}", headers=ours).json["name"]
    assert training.call("GET", f"/api/v1/models/{model}", headers=theirs).status == 404
    assert training.call("DELETE", f"/api/v1/models/{model}", headers=theirs).status == 404
    assert training.call("GET", "/api/v1/models", headers=theirs).json["models"] == []
    assert training.call("POST", "/api/v1/models", {"name": name, "kind": "linear"}, theirs).status == 201


def test_a_model_in_training_is_not_trained_twice(start, tmp_path):
    training = start(Service, *FLAGS, tmp_path)
    model = create_model(training, "linear")
    set_state(tmp_path, model, "training")
    answer = training.call("POST", f"/api/v1/models/{model}/train", {"rows": line_rows()})
    assert answer.status == 409 and answer.json["code"] == "already_training"


def test_a_restart_keeps_models_and_fails_interrupted_trainings(start, tmp_path):
    first = start(Service, *FLAGS, tmp_path)
    ready, interrupted = create_model(first, "linear"), create_model(first, "logistic")
    train(first, ready, line_rows())
    assert first.stop() == 0
    set_state(tmp_path, interrupted, "training")  # as a crash would leave it

    second = start(Service, *FLAGS, tmp_path)
    assert second.call("GET", f"/api/v1/models/{ready}/parameters").json["coefficients"] == [pytest.approx(3)]
    found = second.call("GET", f"/api/v1/models/{interrupted}").json
    assert found["state"] == "failed" and "restart" in found["error"]
    assert train(second, interrupted, separable_rows())["state"] == "ready"


def test_the_queue_is_bounded_and_does_not_hold_up_a_stop(start, tmp_path):
    training = start(Service, *FLAGS, tmp_path)
    # Each takes a good part of a second to fit, and a hundredth of that to send: far more is sent than is fitted.
    row = ",".join(str((7 * j) % 10) for j in range(127))
    rows = ",".join(f'{{"x":[{i % 10},{row}],"y":{i % 2}}}' for i in range(8000))
    body = f'{{"rows":[{rows}]}}'.encode()
    statuses = []
    while 503 not in statuses and len(statuses) < 40:
        model = create_model(training, "logistic")
        answer = training.call("POST", f"/api/v1/models/{model}/train", body)
        statuses.append(answer.status)
    assert statuses[-1] == 503 and answer.headers["Retry-After"] == "1"
    assert set(statuses[:-1]) == {202}
    assert training.call("GET", f"/api/v1/models/{model}").json["state"] == "registered"
    begun = time.monotonic()
    assert training.stop() == 0
    assert time.monotonic() - begun < 2


def test_a_model_deleted_while_it_is_trained_stays_deleted(training):
    model = create_model(training, "linear")
    training.call("POST", f"/api/v1/models/{model}/train", {"rows": line_rows()})
    assert training.call("DELETE", f"/api/v1/models/{model}").status == 204
    other = create_model(training, "linear")
    train(training, other, line_rows())
    assert finished(training, other)["state"] == "ready"
    assert training.call("GET", f"/api/v1/models/{model}").status == 404
