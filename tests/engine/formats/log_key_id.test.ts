import { expect, test } from "bun:test";
import { parsePublicKeyPem } from "../../../engine/crypto/public_key.ts";
import { logKeyId } from "../../../engine/formats/log_key_id.ts";
import { encodeBase64 } from "../../../engine/model/bytes.ts";
import { readVectorText } from "../../support/vectors.ts";

const idOf = (name: string, origin?: string) => {
  const key = parsePublicKeyPem(readVectorText(`files/${name}.pub`), name);
  return encodeBase64(logKeyId(key, origin));
};

test("logKeyId() calls keys of signed notes what cosign 3.1.2 calls them in trusted roots", () => {
  expect(idOf("import-rsa2048-v1", "r.test")).toBe("j7y51FuvB9aFDaGOQpQ49q1BCMj9mt7/G1gcLi02zLk=");
  expect(idOf("import-ed25519-v1", "c.test/2026")).toBe(
    "1jQce0GrW4ol6Mi4tp+EgyVIE2d1h9Xu2SMJ3t4CfY8=",
  );
});

test("logKeyId() has one id for an ECDSA key, with an origin and without", () => {
  expect(idOf("key-v3", "r.test")).toBe(idOf("key-v3"));
  expect(idOf("import-rsa2048-v1", "r.test")).not.toBe(idOf("import-rsa2048-v1"));
});
