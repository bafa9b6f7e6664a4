"""The database and the service killed, restarted and frozen under load, behind a gateway that runs on.

No request without a right is ever answered with 2xx, no account that was answered with 201 is lost, and everything
recovers by itself."""

import re

import pytest
from access_tokens import eventually
from administration import PASSWORD, Organisation, fresh, unless_busy
from gateway_platform import Platform
from outage_load import AWAY, RECOVERY_SECONDS, Load
from postgres_server import PostgresServer
from reference_services import Database, Users, lasting_port


@pytest.fixture(name="victim", scope="module")
def fixture_victim():
    """A server that tests may kill."""
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture(name="build")
def fixture_build(start, tmp_path):
    """build(database): a users service, a gateway before it that asks it often, and load on both."""
    ended = []

    def build(database):
        users = start(Users, tmp_path, database=database, ports=(lasting_port(), lasting_port()))
        platform = Platform(users, tmp_path, fresh_for="100ms")
        ended.append(platform.gateway.stop)
        load = Load(platform, users)
        ended.append(load.finish)
        load.wait_for_more()
        return users, platform, load

    yield build
    for end in reversed(ended):
        end()


class Losers:
    """Two who lose their right at the last moment before a blow: by a logout, and by being disabled."""

    def __init__(self, platform, users):
        self._platform = platform
        self._users = users
        organisation = Organisation(users)
        self._person, self._disabled = (organisation.member("viewer", kind="person") for _ in range(2))
        self._session, self._other = (self._log_in(who) for who in (self._person, self._disabled))

    def _log_in(self, who):
        answer = unless_busy(lambda: self._platform.login(who.account["username"], PASSWORD))
        assert answer.status == 200, answer.body
        return answer.json

    def lose(self):
        assert self._platform.log_out(self._session["refresh_token"]).status == 204
        assert self._users.as_admin("PATCH", f"/api/v1/users/{self._disabled.id}", {"disabled": True}).status == 200

    def wrong_password(self):
        """Its status, which is no 2xx either."""
        status = self._platform.login(self._person.account["username"], "wrong horse battery").status
        assert status in AWAY | {401}, status
        return status

    def check(self, load):
        """They lost it for good, even if the gateway had not heard of it before the blow."""
        load.intruders.add(fresh("who logged out"), self._session["access_token"])
        load.intruders.add(fresh("who was disabled"), self._other["access_token"])


def complaints(users):
    """What it logged but where it listens, that the database was away, and that nobody knows what became of a commit."""
    expected = re.compile(r"(internal endpoints )?listening on |database |[A-Z]+ /[\w/.-]+: .*\ba commit\b")
    return [line for line in users.log if not expected.match(line)]


def strike(users, platform, load, blow, recover):
    losers = Losers(platform, users)
    load.forget_statuses()
    losers.lose()
    blow()
    try:
        load.wait_until_it_is_noticed()
        assert losers.wrong_password() in AWAY
    finally:
        recover()
    load.wait_for_more()
    losers.check(load)
    eventually(lambda: losers.wrong_password() == 401, RECOVERY_SECONDS)


@pytest.mark.parametrize("blow, recover, times", [("kill", "start", 2), ("freeze", "thaw", 1)])
def test_U01_a_database_that_dies_under_load(build, tmp_path, victim, blow, recover, times):
    database = Database(tmp_path / "users.db", victim)
    users, platform, load = build(database)
    for _ in range(times):
        strike(users, platform, load, getattr(victim, blow), getattr(victim, recover))
    load.finish()
    load.check(database)
    assert users.process.poll() is None and platform.gateway.process.poll() is None
    assert not complaints(users), users.log


def test_U01_a_database_that_is_restarted_under_load(build, tmp_path, victim):
    """As an administrator does it; it takes less time than anybody need notice."""
    database = Database(tmp_path / "users.db", victim)
    users, _, load = build(database)
    for _ in range(3):
        victim.restart()
        load.wait_for_more()
    load.finish()
    load.check(database)
    assert not complaints(users), users.log


def test_U01_a_service_that_dies_under_load(build, start, tmp_path, database):
    users, platform, load = build(database)
    ports = users.port, users.internal_port
    for _ in range(2):
        def recover():
            nonlocal users
            users = start(Users, tmp_path, database=database, ports=ports)

        strike(users, platform, load, users.kill, recover)
    load.finish()
    load.check(database)
    assert platform.gateway.process.poll() is None
