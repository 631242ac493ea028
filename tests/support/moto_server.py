"""moto's server on a free port of the loopback, until standard input ends; prints the port.

moto takes the digest of a Sign request (MessageType DIGEST) for the message and hashes it once more.
KMS does not: https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html#KMS-Sign-request-MessageType
"""

import logging
import sys
import threading

from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from moto.kms import responses, utils
from moto.kms.exceptions import ValidationException
from moto.server import ThreadedMotoServer

of_digest = threading.local()


def hashes_once(owner, name):
    original = getattr(owner, name)

    def wrapped(self, signing_algorithm):
        found = original(self, signing_algorithm)
        if not getattr(of_digest, "active", False):
            return found
        if isinstance(found, tuple):
            return found[0], Prehashed(found[1])
        return Prehashed(found)

    setattr(owner, name, wrapped)


hashes_once(utils.RSAPrivateKey, "_RSAPrivateKey__padding_and_hash_algorithm")
hashes_once(utils.ECDSAPrivateKey, "_ECDSAPrivateKey__hash_algorithm")
sign_message = responses.KmsResponse.sign


def sign(self):
    of_digest.active = self._get_param("MessageType") == "DIGEST"
    try:
        return sign_message(self)
    except ValueError as error:
        algorithm = self._get_param("SigningAlgorithm")
        raise ValidationException(f"Digest is invalid length for algorithm {algorithm}.") from error
    finally:
        of_digest.active = False


responses.KmsResponse.sign = sign

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
