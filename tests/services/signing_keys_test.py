"""Signing keys: what is published, when each signs, how they are shared and kept."""

import os
import stat
import time

import pytest
from access_tokens import claims_of, eventually, kid_of, number, published_keys, thumbprint, verify
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from reference_services import Users, run_to_failure

# Keys that live for seconds: each signs for six, is published two before and two after.
QUICK = ("--key-rotation", "6s", "--token-ttl", "1s", "--key-grace", "1s")
LEAD_SECONDS = 2


def token_of(users):
    return users.login_demo("viewer").json["access_token"]


def key_list(users):
    return users.internal("/internal/v1/keys").json["keys"]


def rotate(users, **body):
    return users.internal("/internal/v1/keys/rotate", "POST", body).json["keys"]


def states(keys):
    return [key["state"] for key in keys]


def flags_of(data, database=None):
    """For a start that must fail."""
    return ["--data", data, "--issuer", "i", "--audience", "a", "--service-token-file", data / "t",
            *(database.flags if database else [])]


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_tokens_are_verified_by_the_published_key(start, tmp_path, algorithm):
    users = start(Users, tmp_path, "--signing-algorithm", algorithm)
    keys = published_keys(users)
    assert [(kid, key["alg"]) for kid, key in keys.items()] == [(thumbprint(key), algorithm) for key in keys.values()]
    token = token_of(users)
    assert verify(token, keys)["iss"] == Users.ISSUER
    head, claims, signature = token.split(".")
    with pytest.raises(InvalidSignature):
        verify(f"{head}.{claims}.{signature[:-6]}AAAAAA", keys)
    discovery = users.call("GET", "/.well-known/openid-configuration").json
    assert discovery["id_token_signing_alg_values_supported"] == [algorithm]


def test_rs256_is_the_default(users):
    assert [key["alg"] for key in published_keys(users).values()] == ["RS256"]


@pytest.mark.parametrize("algorithm", ["HS256", "none", "rs256", ""])
def test_an_unknown_algorithm_is_refused(tmp_path, algorithm):
    status, lines = run_to_failure("users", *flags_of(tmp_path), "--signing-algorithm", algorithm)
    assert status == 1 and "--signing-algorithm" in lines[0]


def test_K04_keys_rotate_without_a_token_that_cannot_be_verified(start, tmp_path, database):
    users = start(Users, tmp_path, *QUICK, database=database)
    ever, live = set(), []

    def turn():
        """What a gateway and a client do, once."""
        nonlocal live
        fetched = time.monotonic()
        keys = published_keys(users)
        token = token_of(users)
        # Keys are fetched again after half the time that a key waits, and until then they verify what is signed.
        if time.monotonic() - fetched < LEAD_SECONDS / 2:
            verify(token, keys)
        now = time.time()
        keys = published_keys(users)
        live = [kept for kept in [*live, token] if claims_of(kept)["exp"] > now]
        for kept in live:
            verify(kept, keys)
        ever.update(keys)
        return len(ever) >= 3 and ever - set(keys)

    eventually(turn, 60)
    eventually(lambda: {row[0] for row in database.sql("SELECT id FROM signing_keys")} < ever)


def test_a_key_is_published_before_it_signs(start, tmp_path, database):
    users = start(Users, tmp_path, database=database)
    (old,) = key_list(users)
    before = time.time()
    keys = rotate(users)
    assert states(keys) == ["active", "next"] and keys[0] == old
    # An hour ahead; gateways fetch keys every five minutes, and answers may be kept for no longer.
    assert 3590 < keys[1]["active_from"] - before < 3610
    assert users.call("GET", "/.well-known/jwks.json").headers["Cache-Control"] == "public, max-age=300"
    assert set(published_keys(users)) == {key["kid"] for key in keys}
    assert kid_of(token_of(users)) == old["kid"]
    # Asked again, the key that waits is the one that comes: nobody can fill the key set.
    assert [key["kid"] for key in rotate(users)] == [key["kid"] for key in keys]


def test_documents_may_be_kept_for_less_than_keys_wait(start, tmp_path):
    users = start(Users, tmp_path, "--key-rotation", "60s", "--token-ttl", "20s")
    for path in ("/.well-known/jwks.json", "/.well-known/openid-configuration"):
        assert users.call("GET", path).headers["Cache-Control"] == "public, max-age=10"


def test_K04_an_emergency_ends_every_other_key_at_once(start, tmp_path, database):
    users = start(Users, tmp_path, database=database)
    rotate(users)
    token = token_of(users)
    (key,) = rotate(users, emergency=True)
    assert key["state"] == "active"
    keys = published_keys(users)
    assert set(keys) == {key["kid"]}
    with pytest.raises(KeyError):
        verify(token, keys)
    verify(token_of(users), keys)
    assert users.stop() == 0
    again = start(Users, tmp_path, database=database)
    assert published_keys(again) == keys


@pytest.mark.parametrize("body", [{"emergency": "yes"}, {"now": True}, []])
def test_a_malformed_rotation_is_refused(users, body):
    before = key_list(users)
    assert users.internal("/internal/v1/keys/rotate", "POST", body).status == 400
    assert key_list(users) == before


def test_rotating_needs_the_service_token(users):
    for token in ("", "Bearer ", "Bearer wrong"):
        assert users.call_inside("POST", "/internal/v1/keys/rotate", {"Authorization": token}).status == 401
    assert users.call("POST", "/internal/v1/keys/rotate").status == 404


def test_instances_share_their_keys(start, tmp_path, database):
    one = start(Users, tmp_path, database=database)
    two = start(Users, tmp_path, database=database)
    assert published_keys(one) == published_keys(two)
    verify(token_of(one), published_keys(two))
    old = set(published_keys(one))
    (new,) = rotate(one, emergency=True)
    eventually(lambda: set(published_keys(two)) == {new["kid"]})
    assert new["kid"] not in old
    assert kid_of(token_of(two)) == new["kid"]


def test_the_longest_life_of_any_instances_tokens_counts(start, tmp_path, database):
    quick = start(Users, tmp_path, *QUICK, database=database)
    slow = start(Users, tmp_path, "--key-rotation", "6s", "--token-ttl", "9s", "--key-grace", "1s", database=database)
    token = token_of(slow)
    while verify(token, published_keys(quick))["exp"] > time.time():
        verify(token, published_keys(slow))
        time.sleep(0.05)
    eventually(lambda: kid_of(token) not in published_keys(quick))


def test_another_master_key_is_refused(start, tmp_path, database):
    one = start(Users, tmp_path, database=database)
    other = tmp_path / "other"
    other.mkdir()
    if not database.url:
        (other / "users.db").symlink_to(database.path)
    status, lines = run_to_failure("users", *flags_of(other, database))
    assert status == 1 and "master key" in lines[0], lines
    two = start(Users, tmp_path, "--master-key-file", tmp_path / "master-key", database=database)
    assert published_keys(two) == published_keys(one)


@pytest.mark.parametrize("content", ["", "short", "A" * 44, "!" * 43])
def test_a_damaged_master_key_is_said(tmp_path, content):
    (tmp_path / "master-key").write_text(content)
    status, lines = run_to_failure("users", *flags_of(tmp_path))
    assert status == 1 and "master-key" in lines[0]


def test_private_keys_are_sealed_in_the_database(users):
    assert stat.S_IMODE(os.stat(users.data / "master-key").st_mode) == 0o600
    stored = " ".join(text for row in users.database.sql("SELECT * FROM signing_keys") for text in row)
    master = (users.data / "master-key").read_text().strip()
    assert "PRIVATE" not in stored and master not in stored
    for name in users.database.files():
        assert b"PRIVATE KEY" not in (users.data / name).read_bytes()


def test_a_sealed_key_is_bound_to_its_id(start, tmp_path, database):
    """Who can write to the database but has no master key cannot pass off one row's key as another's."""
    users = start(Users, tmp_path, database=database)
    rotate(users)
    assert users.stop() == 0
    (first, _), (_, sealed) = database.sql("SELECT id, sealed_key FROM signing_keys")
    database.sql(f"UPDATE signing_keys SET sealed_key = '{sealed}' WHERE id = '{first}'")
    status, lines = run_to_failure("users", *flags_of(tmp_path, database))
    assert status == 1 and "master key" in lines[0]


def test_the_key_of_an_older_version_is_taken_over_once(start, tmp_path, database):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = tmp_path / "signing-key.pem"
    pem.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                      serialization.NoEncryption()))
    users = start(Users, tmp_path, database=database)
    (jwk,) = published_keys(users).values()
    assert number(jwk["n"]) == key.public_key().public_numbers().n
    verify(token_of(users), published_keys(users))
    assert not pem.exists() and (tmp_path / "signing-key.pem.imported").exists()
    (new,) = rotate(users, emergency=True)
    assert users.stop() == 0
    again = start(Users, tmp_path, database=database)
    assert set(published_keys(again)) == {new["kid"]}


def test_another_algorithm_takes_over_like_another_key(start, tmp_path, database):
    first = start(Users, tmp_path, *QUICK, "--signing-algorithm", "RS256", database=database)
    assert first.stop() == 0
    users = start(Users, tmp_path, *QUICK, "--signing-algorithm", "EdDSA", database=database)

    def signs_with_eddsa():
        keys = published_keys(users)
        token = token_of(users)
        verify(token, keys)
        return keys[kid_of(token)]["alg"] == "EdDSA"

    eventually(signs_with_eddsa)


def test_keys_that_would_pile_up_are_refused(tmp_path):
    status, lines = run_to_failure("users", *flags_of(tmp_path), "--key-rotation", "3s", "--token-ttl", "1h")
    assert status == 1 and "--key-rotation" in lines[0]
