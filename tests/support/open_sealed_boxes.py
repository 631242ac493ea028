"""Opens sealed boxes with libsodium: reads [[secret key, box], …] in base64 as JSON, prints the texts as JSON."""

import base64
import json
import sys

from nacl.public import PrivateKey, SealedBox

boxes = json.load(sys.stdin)
texts = [
    SealedBox(PrivateKey(base64.b64decode(key))).decrypt(base64.b64decode(box)).decode()
    for key, box in boxes
]
print(json.dumps(texts))
