"""HashiCorp's own client for Python does with a Vault what a plugin does: prints what it saw, as JSON."""

import base64
import hashlib
import json
import sys

import hvac
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, utils
from cryptography.hazmat.primitives.serialization import load_pem_public_key

url, token = sys.argv[1:3]
message = b"a message"
digest = hashlib.sha256(message).digest()
client = hvac.Client(url=url, token=token)
transit = client.secrets.transit


def check(kind, key, signature):
    if kind == "ed25519":
        point = base64.b64decode(key["public_key"])
        return ed25519.Ed25519PublicKey.from_public_bytes(point).verify(signature, message)
    public = load_pem_public_key(key["public_key"].encode())
    if kind.startswith("rsa"):
        return public.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    return public.verify(signature, digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))


seen = {}
for kind in ("ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519", "rsa-2048"):
    transit.create_key(name=kind, key_type=kind)
    data = transit.read_key(name=kind)["data"]
    answer = transit.sign_data(
        name=kind,
        hash_input=base64.b64encode(message if kind == "ed25519" else digest).decode(),
        hash_algorithm="sha2-256",
        prehashed=kind != "ed25519",
        signature_algorithm="pkcs1v15",
        marshaling_algorithm="asn1",
    )["data"]
    prefix, version, text = answer["signature"].split(":")
    check(kind, data["keys"][str(data["latest_version"])], base64.b64decode(text))
    seen[kind] = [data["type"], data["latest_version"], prefix, version, data["supports_signing"]]


def refused(call):
    try:
        call()
    except hvac.exceptions.VaultError as error:
        return [type(error).__name__, *(error.errors or [])]


seen["missing key"] = refused(lambda: transit.read_key(name="missing"))
seen["missing key signs"] = refused(lambda: transit.sign_data(name="missing", hash_input=""))
seen["missing engine"] = refused(lambda: transit.read_key(name="k", mount_point="nowhere"))
client.token = "unknown"
seen["unknown token"] = refused(lambda: transit.read_key(name="ed25519"))
print(json.dumps(seen))
