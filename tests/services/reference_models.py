"""What the tests of training and inference share: making models."""

import itertools
import time

TRAIN_SECONDS = 30
_names = itertools.count()


def create_model(training, kind, headers=None):
    answer = training.call("POST", "/api/v1/models", {"name": f"model-{next(_names)}", "kind": kind}, headers)
    assert answer.status == 201, answer.body
    return answer.json["id"]


def train(training, model, rows, headers=None, **options):
    """Trains and returns the model as it is after that."""
    answer = training.call("POST", f"/api/v1/models/{model}/train", {"rows": rows, **options}, headers)
    assert answer.status == 202, answer.body
    return finished(training, model, headers)


def finished(training, model, headers=None):
    """The model once its training has ended."""
    deadline = time.monotonic() + TRAIN_SECONDS
    while time.monotonic() < deadline:
        found = training.call("GET", f"/api/v1/models/{model}", headers=headers).json
        if found["state"] != "training":
            return found
        time.sleep(0.01)
    raise AssertionError(f"{model} is still training")


def line_rows():
    """Points of y = 3x + 2."""
    return [{"x": [x], "y": 3 * x + 2} for x in range(-10, 11)]


def separable_rows():
    """Two classes on either side of x = 0."""
    return [{"x": [x / 10], "y": int(x > 0)} for x in range(-20, 21) if x != 0]


def trained_line(training, headers=None):
    model = create_model(training, "linear", headers)
    assert train(training, model, line_rows(), headers)["state"] == "ready"
    return model
