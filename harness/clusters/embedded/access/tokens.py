"""Tokens of ServiceAccounts: JSON Web Tokens (RFC 7519), signed with a key that this server makes when it needs one."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from harness.clusters.embedded import errors
from harness.clusters.embedded.access.users import AUTHENTICATED, User, account_groups
from harness.clusters.embedded.errors import bad_request
from harness.clusters.embedded.state import State
from harness.clusters.embedded.values import Object, lookup
from harness.core.identifiers import Randomness

__all__ = ["ISSUER", "Tokens"]

ISSUER = "https://kubernetes.default.svc"
SHORTEST, LONGEST, USUAL = 600, 1 << 32, 3600
"""Seconds for which a token is valid."""
_TOKEN_LIMIT = 8192
"""Characters; longer ones are refused before they are decoded."""
_BOUND = {"Pod": "pods", "Secret": "secrets", "Node": "nodes"}
_CLAIMS = "kubernetes.io"


class Tokens:
    """Makes tokens, and knows whose they are."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._made_key: ec.EllipticCurvePrivateKey | None = None

    def use(self, key: ec.EllipticCurvePrivateKey) -> None:
        """Sign with ``key``, so that tokens of before a restart stay valid."""
        self._made_key = key

    @property
    def _key(self) -> ec.EllipticCurvePrivateKey:
        if self._made_key is None:
            self._made_key = ec.generate_private_key(ec.SECP256R1())
        return self._made_key

    def request(self, namespace: str, name: str, body: Any) -> Object:
        """Answer a TokenRequest. Raises the refusals 400, 404 and 422."""
        account = self._object("serviceaccounts", namespace, name)
        if account is None:
            raise errors.not_found("", "serviceaccounts", name)
        if not isinstance(body, dict) or not isinstance(body.get("spec") or {}, dict):
            raise bad_request("the body of the request is not a TokenRequest")
        spec = body.get("spec") or {}
        seconds = spec.get("expirationSeconds") or USUAL
        if type(seconds) is not int or not SHORTEST <= seconds <= LONGEST:
            detail = "may not specify a duration less than 10 minutes"
            if type(seconds) is int and seconds > LONGEST:
                detail = "may not specify a duration larger than 2^32 seconds"
            cause = errors.invalid_value("spec.expirationSeconds", seconds, detail)
            raise errors.invalid("authentication.k8s.io", "TokenRequest", "", [cause])
        audiences = list(spec.get("audiences") or (ISSUER,))
        bound = spec.get("boundObjectRef")
        now = int(self._state.clock.now())
        uid = account["metadata"]["uid"]
        about: Object = {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}}
        if bound:
            about[bound.get("kind", "").lower()] = self._bound(namespace, bound)
        claims = {
            "aud": audiences,
            "exp": now + seconds,
            "iat": now,
            "nbf": now,
            "iss": ISSUER,
            "jti": Randomness().uuid(),
            "sub": f"system:serviceaccount:{namespace}:{name}",
            _CLAIMS: about,
        }
        until = datetime.fromtimestamp(now + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": name, "namespace": namespace, "uid": uid, "creationTimestamp": self._state.now()},
            "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": bound},
            "status": {"token": self._sign(claims), "expirationTimestamp": until},
        }

    def _bound(self, namespace: str, reference: Object) -> Object:
        """The object that a token ends with. Raises the refusals 400, 404 and 409."""
        kind, name, uid = reference.get("kind", ""), reference.get("name", ""), reference.get("uid")
        plural = _BOUND.get(kind)
        if plural is None:
            raise bad_request(f"cannot bind token to object of type {reference.get('apiVersion', '')}, Kind={kind}")
        found = self._object(plural, "" if kind == "Node" else namespace, name)
        if found is None:
            raise errors.not_found("", plural, name)
        actual = found["metadata"]["uid"]
        if uid and uid != actual:
            why = f"the UID in the bound object reference ({uid}) does not match the UID in record. "
            why += "The object might have been deleted and then recreated"
            raise errors.conflict("", plural, name, why)
        return {"name": name, "uid": actual}

    def user(self, token: str, audiences: tuple[str, ...] = (ISSUER,)) -> User | None:
        """The bearer of a token for one of these audiences; None for a token that is not valid now."""
        claims = self._verified(token)
        if claims is None or not set(claims["aud"]) & set(audiences):
            return None
        now = self._state.clock.now()
        if claims["iss"] != ISSUER or not claims["nbf"] <= now < claims["exp"]:
            return None
        about = claims[_CLAIMS]
        namespace, account = about["namespace"], about["serviceaccount"]
        found = self._object("serviceaccounts", namespace, account["name"])
        if found is None or found["metadata"]["uid"] != account["uid"]:
            return None
        extra = {"authentication.kubernetes.io/credential-id": [f"JTI={claims['jti']}"]}
        for kind, plural in _BOUND.items():
            if (bound := about.get(kind.lower())) is None:
                continue
            held = self._object(plural, "" if kind == "Node" else namespace, bound["name"])
            if held is None or held["metadata"]["uid"] != bound["uid"]:
                return None
            extra[f"authentication.kubernetes.io/{kind.lower()}-name"] = [bound["name"]]
            extra[f"authentication.kubernetes.io/{kind.lower()}-uid"] = [bound["uid"]]
        return User(claims["sub"], (*account_groups(claims["sub"]), AUTHENTICATED), account["uid"], extra)

    def _object(self, plural: str, namespace: str, name: str) -> Object | None:
        entry = self._state.store.collection(plural).get((namespace, name))
        return entry.object if entry is not None else None

    def _sign(self, claims: Object) -> str:
        head = _text(orjson.dumps({"alg": "ES256", "kid": self._key_id()}))
        signed = f"{head}.{_text(orjson.dumps(claims))}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_text(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def _verified(self, token: str) -> Object | None:
        """The claims of a token that this server signed."""
        signed, _, signature = token.rpartition(".")
        if len(token) > _TOKEN_LIMIT or signed.count(".") != 1 or self._made_key is None:
            return None
        try:
            raw = _bytes(signature)
            pair = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
            self._made_key.public_key().verify(pair, signed.encode(), ec.ECDSA(hashes.SHA256()))
            claims: Object = orjson.loads(_bytes(signed.partition(".")[2]))
        except (InvalidSignature, ValueError):
            return None
        return claims

    def _key_id(self) -> str:
        numbers = self._key.public_key().public_numbers()
        return _text(hashlib.sha256(f"{numbers.x}/{numbers.y}".encode()).digest())

    def configuration(self, address: str) -> Object:
        """``/.well-known/openid-configuration``."""
        return {
            "issuer": ISSUER,
            "jwks_uri": f"https://{address}/openid/v1/jwks",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        }

    def keys(self) -> Object:
        """``/openid/v1/jwks``: the key with which others can verify tokens (RFC 7517)."""
        numbers = self._key.public_key().public_numbers()
        point = {name: _text(getattr(numbers, name).to_bytes(32, "big")) for name in ("x", "y")}
        return {"keys": [{"use": "sig", "kty": "EC", "kid": self._key_id(), "crv": "P-256", "alg": "ES256", **point}]}

    def review(self, body: Any) -> Object:
        """Answer a TokenReview. Raises the 400 refusal."""
        spec = body.get("spec") if isinstance(body, dict) else None
        token = lookup(spec, ("token",)) or ""
        if not isinstance(token, str) or not token:
            raise bad_request("token is required for TokenReview in authentication")
        audiences = tuple((spec or {}).get("audiences") or (ISSUER,))
        user = self.user(token, audiences)
        claims = self._verified(token)
        if user is None or claims is None:
            error = "invalid bearer token"
            if claims is not None and not set(claims["aud"]) & set(audiences):
                own, wanted = (orjson.dumps(names).decode().replace(",", " ") for names in (claims["aud"], audiences))
                error = f"[{error}, token audiences {own} is invalid for the target audiences {wanted}]"
            return {"user": {}, "error": error}
        named = [name for name in audiences if name in claims["aud"]]
        return {"authenticated": True, "user": user.info(), "audiences": named}


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
