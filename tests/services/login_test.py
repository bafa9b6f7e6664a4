"""Logging in: the answers, and what a token says and is signed with."""

import os
import stat
import time

import pytest
from access_tokens import parts_of, published_keys, verify
from reference_services import Users, identity


def test_a_good_login_gives_a_token(users):
    answer = users.login_demo("admin")
    assert answer.status == 200
    assert answer.json["token_type"] == "Bearer"
    assert answer.json["expires_in"] == 900
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_claims_of_a_token(users):
    before = int(time.time())
    header, claims, _ = parts_of(users.login_demo("trainer").json["access_token"])
    assert header["alg"] == "RS256" and header["typ"] == "at+jwt"
    assert claims["iss"] == Users.ISSUER
    assert claims["aud"] == Users.AUDIENCE
    assert claims["sub"] == users.account_id("trainer")
    assert claims["sub"].startswith("usr_")
    assert claims["tenant"] == "lotabots"
    assert before <= claims["iat"] <= int(time.time())
    assert claims["nbf"] == claims["iat"]
    assert claims["exp"] == claims["iat"] + 900
    _, again, _ = parts_of(users.login_demo("trainer").json["access_token"])
    assert again["jti"] != claims["jti"]


def test_a_wrong_password_and_an_unknown_user_read_the_same(users):
    wrong = users.login("admin", "not the password")
    unknown = users.login("nobody", "not the password")
    assert wrong.status == unknown.status == 401
    assert wrong.body == unknown.body
    assert wrong.json["code"] == "invalid_credentials"
    assert wrong.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"username":"admin"}', b'{"username":"admin","password":7}',
                                  b'{"username":"a","password":"b","x":1}',
                                  b'{"username":"a","username":"b","password":"c"}'])
def test_a_malformed_login_is_refused(users, body):
    answer = users.call("POST", "/api/v1/users/login", body)
    assert answer.status == 400
    assert answer.json["status"] == 400 and answer.json["detail"]


def test_a_disabled_account_cannot_log_in(users):
    made = users.as_admin("POST", "/api/v1/users", {"username": "gone", "password": "long enough now", "roles": []}).json
    assert users.login("gone", "long enough now").status == 200
    users.as_admin("PATCH", f"/api/v1/users/{made['id']}", {"disabled": True})
    assert users.login("gone", "long enough now").status == 403
    assert users.login("gone", "wrong password").status == 401


def test_keys_and_discovery_may_be_cached(users):
    for path in ("/.well-known/jwks.json", "/.well-known/openid-configuration"):
        assert "max-age=" in users.call("GET", path).headers["Cache-Control"]
    discovery = users.call("GET", "/.well-known/openid-configuration").json
    assert discovery["issuer"] == Users.ISSUER
    assert discovery["jwks_uri"] == f"{Users.ISSUER}/.well-known/jwks.json"


def test_the_life_of_tokens_is_a_flag(start, tmp_path):
    users = start(Users, tmp_path, "--token-ttl", 60)
    answer = users.login_demo("viewer").json
    _, claims, _ = parts_of(answer["access_token"])
    assert answer["expires_in"] == 60
    assert claims["exp"] - claims["iat"] == 60


def test_a_restart_keeps_accounts_key_and_secrets(start, tmp_path, database):
    first = start(Users, tmp_path, database=database)
    token = first.login_demo("admin").json["access_token"]
    assert first.stop() == 0

    second = start(Users, tmp_path, database=database)
    assert second.demo == first.demo and second.service_token == first.service_token
    assert second.login_demo("admin").status == 200
    verify(token, published_keys(second))


def test_secrets_are_for_their_owner_only(users):
    for name in ("master-key", "demo-accounts.json", "service.token", *users.database.files()):
        assert stat.S_IMODE(os.stat(users.data / name).st_mode) == 0o600, name


def test_passwords_are_kept_as_scrypt(users):
    for stored, in users.database.sql("SELECT password_hash FROM accounts"):
        assert stored.startswith("$scrypt$ln=15,r=8,p=3$")
    for name in users.database.files():
        assert users.demo["admin"]["password"].encode() not in (users.data / name).read_bytes()


def test_the_caller_reads_itself(users):
    subject = users.account_id("trainer")
    me = users.call("GET", "/api/v1/users/me", headers=identity(subject, roles="trainer")).json
    assert me["id"] == subject and me["username"] == "trainer"
    assert me["roles"] == ["trainer"]
    assert me["permissions"] == ["infer:run", "models:read", "models:write", "roles:read", "users:read"]
    assert me["plan"] == "pro" and me["disabled"] is False
