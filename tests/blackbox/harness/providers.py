"""Identity providers as the gateway meets them: their metadata, key sets and access tokens in the published shapes."""

import base64
import datetime
import json
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from harness import http1
from harness.backend import ScriptedBackend
from harness.tokens import b64url, encode


def certified(key, **members):
    """A JWK with the members that providers add for its self-signed certificate."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "lotabots")])
    now = datetime.datetime.utcnow()
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.private.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=3650)).sign(key.private, hashes.SHA256()))
    return {
        **key.jwk(), **members, "x5c": [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()],
        "x5t": b64url(certificate.fingerprint(hashes.SHA1())),  # nosec: what the member is defined as
    }


class Provider(ScriptedBackend):
    """Serves `documents`: JSON by path. `fields` go with every answer."""

    def __init__(self, key, fields=()):
        self.key = key
        self.documents = {}
        self.fields = fields
        super().__init__(self._serve_documents)

    def _serve_documents(self, connection):
        while True:
            document = self.documents.get(connection.read_request().target)
            if document is None:
                connection.send(http1.response_text(404, [], b"not found"))
                continue
            fields = [("Content-Type", "application/json"), *self.fields]
            connection.send(http1.response_text(200, fields, json.dumps(document).encode()))

    def _sign(self, typ, claims):
        now = int(time.time())
        claims = {"exp": now + 300, "iat": now, **claims}
        present = {name: value for name, value in claims.items() if value is not None}
        return encode({"alg": self.key.algorithm, "typ": typ, "kid": self.key.kid}, present, self.key.sign)


class Keycloak(Provider):
    """A realm of Keycloak 26 (its admin guide; `OIDCConfigurationRepresentation` and `AccessToken` of its sources)."""

    REALM = "/realms/lotabots"

    def __init__(self, key, encryption_key):
        super().__init__(key, [("Cache-Control", "no-cache")])
        self.issuer = self.url + self.REALM
        base = self.issuer + "/protocol/openid-connect"
        self.documents[self.REALM + "/.well-known/openid-configuration"] = {
            "issuer": self.issuer, "authorization_endpoint": base + "/auth", "token_endpoint": base + "/token",
            "introspection_endpoint": base + "/token/introspect", "userinfo_endpoint": base + "/userinfo",
            "end_session_endpoint": base + "/logout", "frontchannel_logout_session_supported": True,
            "frontchannel_logout_supported": True, "jwks_uri": base + "/certs",
            "check_session_iframe": base + "/login-status-iframe.html",
            "grant_types_supported": ["authorization_code", "client_credentials", "password", "refresh_token"],
            "acr_values_supported": ["0", "1"], "response_types_supported": ["code", "none", "id_token"],
            "subject_types_supported": ["public", "pairwise"],
            "id_token_signing_alg_values_supported": ["PS384", "RS384", "EdDSA", "ES384", "HS256", "RS256"],
            "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "name", "preferred_username"],
            "scopes_supported": ["openid", "roles", "basic", "profile", "email", "offline_access"],
            "code_challenge_methods_supported": ["plain", "S256"],
            "mtls_endpoint_aliases": {"token_endpoint": base + "/token"},
        }
        self.documents[self.REALM + "/protocol/openid-connect/certs"] = {
            "keys": [certified(encryption_key, use="enc", alg="RSA-OAEP"), certified(key)]}

    def access_token(self, typ="at+jwt", roles=("models-viewer",), **claims):
        """Of a user. `typ` is the header's: at+jwt if the client is set to it, else JWT."""
        return self._sign(typ, {
            "auth_time": int(time.time()), "jti": "onrtac:9c9ff2b4-5bd1-6b41-5d20-2a1ba0b1fc31", "iss": self.issuer,
            "aud": ["lotabots-api", "account"], "sub": "f1c4f64e-2c0c-4cda-8c9f-9f3f8f3a2b0e", "typ": "Bearer",
            "azp": "lotabots-web", "sid": "4c0a3a8a-3a47-4f2f-8e89-9e5f9b0a0a0a", "acr": "1",
            "allowed-origins": ["https://app.lotabots.example"],
            "realm_access": {"roles": ["default-roles-lotabots", "offline_access", *roles]},
            "resource_access": {"account": {"roles": ["manage-account", "view-profile"]}},
            "scope": "openid email profile", "email_verified": True, "name": "Ada Lovelace",
            "preferred_username": "ada", "email": "ada@lotabots.example", **claims})

    def id_token(self):
        return self._sign("JWT", {
            "auth_time": int(time.time()), "jti": "c1f9c3d0-0b0c-4f7e-9b1c-0c5f5b0f6f10", "iss": self.issuer,
            "aud": "lotabots-web", "sub": "f1c4f64e-2c0c-4cda-8c9f-9f3f8f3a2b0e", "typ": "ID", "azp": "lotabots-web",
            "sid": "4c0a3a8a-3a47-4f2f-8e89-9e5f9b0a0a0a", "at_hash": "y3G-3yGbhGLrCwEi9yGX0g", "acr": "1",
            "email_verified": True, "preferred_username": "ada"})


class Auth0(Provider):
    """An Auth0 tenant (its documentation of access token profiles and of JSON Web Key Set properties)."""

    AUDIENCE = "https://api.lotabots.example"

    def __init__(self, key, next_key):
        super().__init__(key, [("Cache-Control", "public, max-age=15, stale-while-revalidate=15, stale-if-error=86400")])
        self.issuer = self.url + "/"
        self.documents["/.well-known/openid-configuration"] = {
            "issuer": self.issuer, "authorization_endpoint": self.url + "/authorize",
            "token_endpoint": self.url + "/oauth/token", "device_authorization_endpoint": self.url + "/oauth/device/code",
            "userinfo_endpoint": self.url + "/userinfo", "mfa_challenge_endpoint": self.url + "/mfa/challenge",
            "jwks_uri": self.url + "/.well-known/jwks.json", "registration_endpoint": self.url + "/oidc/register",
            "revocation_endpoint": self.url + "/oauth/revoke",
            "scopes_supported": ["openid", "profile", "offline_access", "name", "email"],
            "response_types_supported": ["code", "token", "id_token"],
            "id_token_signing_alg_values_supported": ["HS256", "RS256", "PS256"],
            "subject_types_supported": ["public"], "end_session_endpoint": self.url + "/oidc/logout",
        }
        self.documents["/.well-known/jwks.json"] = {"keys": [certified(key), certified(next_key)]}

    def access_token(self, permissions=("read:models",), scope="openid profile read:models", typ="JWT", **claims):
        return self._sign(typ, {
            "iss": self.issuer, "sub": "auth0|6553da60a54af58e29493993", "aud": [self.AUDIENCE, self.issuer + "userinfo"],
            "scope": scope, "azp": "K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja", "permissions": list(permissions),
            "https://lotabots.example/email": "ada@lotabots.example", "https://lotabots.example/tenant": "acme", **claims})

    def machine_token(self, permissions):
        """Of the client credentials flow."""
        client = "awZfdIir8YFdGZWkvCejDoUb7SjTDicx"
        return self._sign("JWT", {
            "iss": self.issuer, "sub": client + "@clients", "aud": self.AUDIENCE, "azp": client,
            "gty": "client-credentials", "scope": " ".join(permissions), "permissions": list(permissions)})
