"""Predictions: single, in batches, as a stream; and what happens without a model or without the training service."""

import json

import pytest
from reference_services import Service, identity
from reference_models import create_model, separable_rows, train, trained_line


def infer(inference, body, headers=None):
    return inference.call("POST", "/api/v1/infer", body, headers)


def events_of(text):
    """[(event, data)] of a whole event stream."""
    events = []
    for block in text.strip("\n").split("\n\n"):
        event, data = block.split("\n")
        events.append((event.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events


@pytest.fixture(scope="module", name="line")
def fixture_line(training):
    return trained_line(training)


def test_one_prediction(inference, line):
    answer = infer(inference, {"model": line, "x": [4]})
    assert answer.status == 200
    assert answer.json == {"model": line, "version": 1, "prediction": {"y": pytest.approx(14, abs=1e-5)}}


def test_a_batch(inference, line):
    answer = infer(inference, {"model": line, "rows": [[0], [1], [-1]]})
    assert [p["y"] for p in answer.json["predictions"]] == [pytest.approx(y, abs=1e-5) for y in (2, 5, -1)]


def test_a_logistic_model_gives_probability_and_label(training, inference):
    model = create_model(training, "logistic")
    train(training, model, separable_rows())
    below, above = infer(inference, {"model": model, "rows": [[-2], [2]]}).json["predictions"]
    assert below["label"] == 0 and below["probability"] < 0.01
    assert above["label"] == 1 and above["probability"] > 0.99


@pytest.mark.parametrize("by", ["member", "accept"])
def test_a_stream(inference, line, by):
    body = {"model": line, "rows": [[0], [1], [2]]}
    headers = {}
    if by == "member":
        body["stream"] = True
    else:
        headers["Accept"] = "application/json;q=0.5, text/event-stream"
    answer = infer(inference, body, headers)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["Transfer-Encoding"] == "chunked"
    events = events_of(answer.body.decode())
    assert [name for name, _ in events] == ["prediction"] * 3 + ["done"]
    assert [data["index"] for _, data in events[:3]] == [0, 1, 2]
    assert [data["y"] for _, data in events[:3]] == [pytest.approx(y, abs=1e-5) for y in (2, 5, 8)]
    assert events[-1][1] == {"rows": 3}


def test_each_row_of_a_stream_is_sent_at_once(inference, line):
    # The pauses add up to over a minute: only a row that is flushed by itself can be read within the time-out.
    connection = inference.connect()
    body = {"model": line, "rows": [[x] for x in range(100)], "stream": True, "interval_ms": 1000}
    connection.request("POST", "/api/v1/infer", json.dumps(body))
    response = connection.getresponse()
    assert response.readline() == b"event: prediction\n"
    assert json.loads(response.readline().removeprefix(b"data: "))["index"] == 0
    connection.close()
    # The client has left; the service goes on.
    assert infer(inference, {"model": line, "x": [1]}).status == 200


def test_a_connection_is_used_again_after_a_stream(inference, line):
    connection = inference.connect()
    for _ in range(3):
        answer = inference.call("POST", "/api/v1/infer", {"model": line, "rows": [[1]], "stream": True},
                                connection=connection)
        assert answer.body.endswith(b"\n\n")
    connection.close()


def test_a_new_version_is_seen(training, inference):
    model = trained_line(training)
    assert infer(inference, {"model": model, "x": [1]}).json["version"] == 1
    train(training, model, [{"x": [x], "y": -x} for x in range(5)])
    # A fresh entry may be used for two seconds; each answer is either version, whole.
    while (answer := infer(inference, {"model": model, "x": [1]}).json)["version"] == 1:
        assert answer["prediction"]["y"] == pytest.approx(5, abs=1e-5)
    assert answer["version"] == 2
    assert answer["prediction"]["y"] == pytest.approx(-1, abs=1e-5)


@pytest.mark.parametrize("model", ["mdl_nothing", "", "../../healthz", "a/b", "x" * 100])
def test_an_unknown_model_is_404(inference, model):
    answer = infer(inference, {"model": model, "x": [1]})
    assert answer.status == 404 and answer.json["code"] == "unknown_model"


def test_an_untrained_model_is_409(training, inference):
    answer = infer(inference, {"model": create_model(training, "linear"), "x": [1]})
    assert answer.status == 409 and answer.json["code"] == "not_trained"


def test_another_tenants_model_is_unknown(training, inference):
    ours = identity(tenant="a")
    model = trained_line(training, ours)
    assert infer(inference, {"model": model, "x": [1]}, ours).status == 200
    assert infer(inference, {"model": model, "x": [1]}, identity(tenant="b")).status == 404


@pytest.mark.parametrize("body, status", [
    (b"", 400), ({"x": [1]}, 400), ({"model": "LINE"}, 400), ({"model": "LINE", "x": [1], "rows": [[1]]}, 400),
    ({"model": "LINE", "x": 1}, 400), ({"model": "LINE", "x": ["a"]}, 400), ({"model": "LINE", "rows": [1]}, 400),
    ({"model": "LINE", "x": [1], "stream": 1}, 400), ({"model": "LINE", "x": [1], "other": 1}, 400),
    ({"model": "LINE", "rows": []}, 422), ({"model": "LINE", "x": []}, 422), ({"model": "LINE", "x": [1, 2]}, 422),
    ({"model": "LINE", "rows": [[1], [1, 2]]}, 422), ({"model": "LINE", "x": [1], "interval_ms": 1001}, 422),
    ({"model": "LINE", "x": [1], "interval_ms": -1}, 422),
])
def test_a_bad_question_is_refused(inference, line, body, status):
    if isinstance(body, dict) and body.get("model") == "LINE":
        body = {**body, "model": line}
    answer = infer(inference, body)
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_without_the_training_service_it_is_503(start, tmp_path):
    training = start(Service, "training", "--listen", "127.0.0.1:0", "--data", tmp_path)
    inference = start(Service, "inference", "--listen", "127.0.0.1:0", "--data", tmp_path, "--training", training.origin)
    assert training.stop() == 0
    answer = infer(inference, {"model": "mdl_any", "x": [1]})
    assert answer.status == 503 and answer.json["code"] == "training_unavailable"
    assert answer.headers["Retry-After"] == "1"
    assert inference.call("GET", "/healthz").status == 200


def test_it_describes_itself(inference):
    assert inference.call("GET", "/api/v1/infer").json["status"] == "ok"
