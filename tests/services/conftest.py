"""Fixtures: running services, and the databases behind them. What a test calls on them is in reference_services.py."""

import pytest
from persons import Person
from postgres_server import PostgresServer
from reference_services import Database, Service, Users


@pytest.fixture(name="start")
def fixture_start():
    """Starts services (`start(Users, directory)`) and ends them after the test."""
    running = []

    def start(kind, *arguments, **more):
        running.append(kind(*arguments, **more))
        return running[-1]

    yield start
    for service in running:
        service.kill()


@pytest.fixture(scope="session", name="postgres")
def fixture_postgres():
    server = PostgresServer()
    yield server
    server.stop()


def new_database(request, directory):
    """Empty, and of the kind that the fixture's parameter says."""
    if request.param == "sqlite":
        return Database(directory / "users.db")
    return Database(directory / "users.db", request.getfixturevalue("postgres"))


@pytest.fixture(name="database", params=["sqlite", "postgres"])
def fixture_database(request, tmp_path):
    """For `start(Users, directory, database=database)`. Instances that share it need not share the directory."""
    return new_database(request, tmp_path)


@pytest.fixture(scope="module", name="users", params=["sqlite", "postgres"])
def fixture_users(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("users")
    service = Users(directory, database=new_database(request, directory))
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


@pytest.fixture(name="person")
def fixture_person(users):
    return Person(users)
