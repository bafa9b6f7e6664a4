"""The users service on PostgreSQL as it happens to be: away, killed, restarted, frozen, shared by several instances.

What was answered with 2xx must be there afterwards, whole; what was not may be there or not, but never in part."""

import concurrent.futures
import contextlib
import itertools
import subprocess
import threading
import time

import pytest
from access_tokens import eventually, published_keys
from postgres_server import PASSWORD, PostgresServer
from reference_services import BUILD, Database, Service, Users, run_to_failure

names = itertools.count()


@pytest.fixture(name="victim", scope="module")
def fixture_victim():
    """A server that tests may kill."""
    server = PostgresServer()
    yield server
    server.stop()


def new_users(start, directory, server, *flags):
    return start(Users, directory, *flags, database=Database(directory / "users.db", server))


def service_account(users, name=None, **more):
    """A machine's account: made without hashing a password, so many can be made."""
    body = {"username": name or f"machine-{next(names)}", "kind": "service", "roles": ["viewer", "trainer"]}
    return users.as_admin("POST", "/api/v1/users", body | more)


def refresh(users, token):
    return users.call("POST", "/api/v1/users/refresh", {"refresh_token": token})


def works(users):
    return service_account(users).status == 201


# Away


def test_while_the_database_is_away_every_call_says_so(start, tmp_path, victim):
    users = new_users(start, tmp_path, victim)
    tokens = users.login_demo("viewer").json
    keys = published_keys(users)
    users.identity("admin")
    victim.kill()
    try:
        def calls():
            yield users.login_demo("viewer")
            yield refresh(users, tokens["refresh_token"])
            yield users.call("POST", "/api/v1/users/logout", {"refresh_token": tokens["refresh_token"]})
            yield users.as_admin("GET", "/api/v1/users")
            yield users.as_admin("POST", "/api/v1/users", {"username": "x", "kind": "service", "roles": []})
            yield users.internal("/internal/v1/users/usr_x/access")
            yield users.internal("/internal/v1/changes")

        for answer in calls():
            assert answer.status == 503 and answer.json["code"] == "database_unavailable", answer.body
            assert int(answer.headers["Retry-After"]) >= 1
        # What needs no database goes on: gateways verify tokens, and whoever watches the process sees it live.
        assert published_keys(users) == keys
        assert users.call("GET", "/healthz").status == 200
        # A crowd is told at once; nobody waits for what is not there.
        begun = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            statuses = set(pool.map(lambda _: users.internal("/internal/v1/changes").status, range(500)))
        assert statuses == {503} and time.monotonic() - begun < 15
    finally:
        victim.start()
    eventually(lambda: works(users))
    assert refresh(users, tokens["refresh_token"]).status == 200
    assert users.process.poll() is None
    # Once for each time, not for each request.
    away = [line for line in users.log if "is away" in line]
    assert len(away) == 1 and sum("is back" in line for line in users.log) == 1
    assert PASSWORD not in str(users.log) and "pass%20word" not in str(users.log)


def test_a_server_that_freezes_is_given_up(start, tmp_path, victim):
    users = new_users(start, tmp_path, victim)
    assert works(users)
    victim.freeze()
    try:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: users.internal("/internal/v1/changes"), range(4)))
        assert {answer.status for answer in answers} == {503}
    finally:
        victim.thaw()
    eventually(lambda: works(users))


def test_a_connection_that_the_server_ends_is_replaced_unnoticed(start, tmp_path, victim):
    users = new_users(start, tmp_path, victim)
    name = users.database.url.rsplit("/", 1)[1]
    for _ in range(5):
        assert works(users)
        victim.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'", "postgres")
        assert works(users)
        assert users.login_demo("viewer").status == 200


def test_a_start_waits_for_the_server(start, tmp_path, victim):
    database = Database(tmp_path / "users.db", victim)
    victim.kill()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        starting = pool.submit(start, Users, tmp_path, database=database)
        with pytest.raises(concurrent.futures.TimeoutError):
            starting.result(1)
        victim.start()
        assert works(starting.result(30))


# Several instances


def test_a_change_by_one_instance_reaches_who_waits_at_another(start, tmp_path, database):
    one = start(Users, tmp_path, database=database)
    two = start(Users, tmp_path, database=database)
    account = service_account(one).json["id"]
    for disabled in (True, False, True):
        since = two.revision()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(two.internal, f"/internal/v1/changes?since={since}")
            begun = time.monotonic()
            assert one.as_admin("PATCH", f"/api/v1/users/{account}", {"disabled": disabled}).status == 200
            assert waiting.result().json == {"revision": since + 1, "subjects": [account]}
            # Far from the 30 s of the poll; the look every 200 ms is what a quiet machine shows.
            assert time.monotonic() - begun < 10
        assert two.internal(f"/internal/v1/users/{account}/access").json["disabled"] is disabled


def test_a_reader_misses_no_change_of_many_writers(start, tmp_path, database):
    """Revisions are committed in their order: a reader that has seen one has seen all before it."""
    writers = [start(Users, tmp_path, database=database) for _ in range(2)]
    reader = start(Users, tmp_path, database=database)
    for users in writers:
        users.identity("admin")
    begin = reader.revision()
    seen, done = set(), threading.Event()

    def follow():
        since = begin
        while True:
            ended = done.is_set()
            answer = reader.internal(f"/internal/v1/changes?since={since}&wait=0").json
            assert answer["revision"] >= since
            seen.update(answer["subjects"])
            since = answer["revision"]
            if ended and not answer["subjects"]:
                return

    with concurrent.futures.ThreadPoolExecutor(9) as pool:
        reading = pool.submit(follow)
        try:
            made = list(pool.map(lambda n: service_account(writers[n % 2]), range(160)))
        finally:
            done.set()
        reading.result()
    assert {answer.status for answer in made} == {201}
    assert seen == {answer.json["id"] for answer in made}


def test_one_of_many_gets_a_username(start, tmp_path, database):
    instances = [start(Users, tmp_path, database=database) for _ in range(2)]
    for users in instances:
        users.identity("admin")
    for _ in range(5):
        name = f"wanted-{next(names)}"
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda n, name=name: service_account(instances[n % 2], name.upper() if n % 3 else name),
                                    range(8)))
        assert sorted(answer.status for answer in answers) == [201] + [409] * 7


def test_of_two_admins_who_remove_each_other_one_stays(start, tmp_path, database):
    instances = [start(Users, tmp_path, database=database) for _ in range(2)]
    first = instances[0].identity("admin")["X-Auth-Subject"]
    made = instances[0].as_admin("POST", "/api/v1/users", {"username": "second", "password": "correct horse battery",
                                                          "roles": ["admin"]})
    second = made.json["id"]
    headers = {account: dict(instances[0].identity("admin"), **{"X-Auth-Subject": account}) for account in (first, second)}
    for _ in range(5):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            results = list(pool.map(
                lambda pair: instances[pair[0]].call("PATCH", f"/api/v1/users/{pair[2]}", {"disabled": True}, headers[pair[1]]),
                [(0, first, second), (1, second, first)]))
        assert sorted(answer.status for answer in results)[0] == 200
        live = database.sql("SELECT id FROM accounts JOIN account_roles ON account = id "
                            "WHERE role = 'admin' AND disabled = 0")
        assert len(live) == 1
        (survivor,), = live
        loser = second if survivor == first else first
        assert instances[0].call("PATCH", f"/api/v1/users/{loser}", {"disabled": False}, headers[survivor]).status == 200


def test_instances_that_start_together_make_one_schema(start, tmp_path, database):
    """Also one master key, one service token and one signing key."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        flags = ["--listen", "127.0.0.1:0", "--data", tmp_path, "--issuer", "i", "--audience", "a",
                 "--service-token-file", tmp_path / "service.token", *database.flags]
        instances = list(pool.map(lambda _: start(Service, "users", *flags), range(4)))
    assert len({str(published_keys(instance)) for instance in instances}) == 1
    (version,), = database.sql("SELECT version FROM schema_version")
    assert int(version) >= 4
    assert database.sql("SELECT count(*) FROM tenants") == [["1"]]


def test_a_newer_schema_is_refused(start, tmp_path, database):
    users = start(Users, tmp_path, database=database)
    assert users.stop() == 0
    database.sql("UPDATE schema_version SET version = 1000")
    status, lines = run_to_failure("users", *flags_of(tmp_path, *database.flags))
    assert status == 1 and len(lines) == 1 and "newer than this program knows" in lines[0], lines


# The command line


def flags_of(directory, *more):
    return ["--data", directory, "--issuer", "i", "--audience", "a", "--service-token-file", directory / "t", *more]


def test_what_waiting_does_not_cure_is_said_at_once(tmp_path, postgres):
    url = postgres.new_database()
    cases = {url.replace("pass%20", "fail%20"): "password authentication failed",
             url + "_nowhere": "does not exist",
             "mysql://localhost/x": "postgresql://",
             "postgresql://lotagate:se%cret@localhost/x": "postgresql://",
             "postgresql://lotagate:secret@localhost/x?colour=red": "postgresql://"}
    for location, reason in cases.items():
        begun = time.monotonic()
        status, lines = run_to_failure("users", *flags_of(tmp_path, "--database", location))
        assert status == 1 and len(lines) == 1 and reason in lines[0], lines
        assert "cret" not in lines[0] and "word%40" not in lines[0] and PASSWORD not in lines[0]
        assert time.monotonic() - begun < 15


def test_the_url_may_lie_in_a_file(start, tmp_path, postgres):
    database = Database(tmp_path / "users.db", postgres)
    users = start(Users, tmp_path, database=database)
    command = (b"".join(open(f"/proc/{users.process.pid}/cmdline", "rb"))).decode()
    assert "pass" not in command.replace(str(tmp_path), "")
    status, lines = run_to_failure("users", *flags_of(tmp_path, "--database", database.url, *database.flags))
    assert status == 1 and "--database-file" in lines[0]
    status, lines = run_to_failure("users", *flags_of(tmp_path, "--database-file", tmp_path / "nothing"))
    assert status == 1 and "nothing" in lines[0]
    (tmp_path / "empty").write_text("\n")
    status, lines = run_to_failure("users", *flags_of(tmp_path, "--database-file", tmp_path / "empty"))
    assert status == 1


def test_an_encoding_that_cannot_hold_every_name_is_refused(tmp_path, postgres):
    with contextlib.suppress(subprocess.CalledProcessError):
        postgres.sql("DROP DATABASE IF EXISTS ascii_only", "postgres")
    postgres.sql("CREATE DATABASE ascii_only ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0", "postgres")
    status, lines = run_to_failure("users", *flags_of(tmp_path, "--database", postgres.url("ascii_only")))
    assert status == 1 and "UTF8" in lines[0]


def test_an_answered_change_is_on_disk_whatever_the_default(start, tmp_path, postgres):
    """`synchronous_commit = off` may be an administrator's choice for others on the same server."""
    database = Database(tmp_path / "users.db", postgres)
    name = database.url.rsplit("/", 1)[1]
    postgres.sql(f"ALTER DATABASE {name} SET synchronous_commit = off", "postgres")
    # Each commit writes down what its session has set.
    postgres.sql("CREATE TABLE settings (value TEXT)", database.url)
    users = start(Users, tmp_path, database=database)
    postgres.sql("""CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO settings VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$;
        CREATE TRIGGER note AFTER INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION note()""", database.url)
    assert works(users)
    assert postgres.sql("SELECT value FROM settings", database.url) == [["on"]]


def test_the_program_needs_no_server_to_say_what_it_can(tmp_path):
    done = subprocess.run([BUILD / "services" / "lotagate-users", "--help"], capture_output=True, text=True, check=True)
    assert "--database-file" in done.stdout and "--internal-listen" in done.stdout
