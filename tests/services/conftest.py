"""Fixtures: running services. What a test calls on them is in reference_services.py."""

import pytest
from reference_services import Service, Users


@pytest.fixture(name="start")
def fixture_start():
    """Starts services (`start(Users, directory)`) and ends them after the test."""
    running = []

    def start(kind, *arguments):
        running.append(kind(*arguments))
        return running[-1]

    yield start
    for service in running:
        service.kill()


@pytest.fixture(scope="module", name="users")
def fixture_users(tmp_path_factory):
    service = Users(tmp_path_factory.mktemp("users"))
    yield service
    assert service.stop() == 0


@pytest.fixture(scope="module", name="training")
def fixture_training(tmp_path_factory):
    service = Service("training", "--listen", "127.0.0.1:0", "--data", tmp_path_factory.mktemp("training"))
    yield service
    assert service.stop() == 0


@pytest.fixture(scope="module", name="inference")
def fixture_inference(training):
    service = Service("inference", "--listen", "127.0.0.1:0", "--training", training.origin)
    yield service
    assert service.stop() == 0
