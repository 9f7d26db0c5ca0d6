"""Keys of kinds that the platform refuses. They are made when a test asks for them: an RSA key takes long."""

from __future__ import annotations

from functools import cache
from typing import Literal

from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa

ForeignKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed448.Ed448PrivateKey


@cache
def foreign_key(kind: Literal["RSA", "P-384", "Ed448"]) -> ForeignKey:
    if kind == "RSA":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP384R1()) if kind == "P-384" else ed448.Ed448PrivateKey.generate()
