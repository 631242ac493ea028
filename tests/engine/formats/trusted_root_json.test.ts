import { expect, setDefaultTimeout, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { encodeTrustedRoot, parseTrustedRoot } from "../../../engine/formats/trusted_root_json.ts";
import { encodeBase64, equalBytes, utf8 } from "../../../engine/model/bytes.ts";
import { embeddedTrustedRoot } from "../../../engine/trust/embedded.ts";
import { readVectorText } from "../../support/vectors.ts";

setDefaultTimeout(60_000); // it makes RSA keys, on a busy machine

type Changed = Record<string, Record<string, unknown>[]>;

/** The root of the vectors with something changed in it. */
function changed(change: (root: Changed) => void): Uint8Array {
  const root: Changed = JSON.parse(readVectorText("trust/trusted-root-v1.json", "keyless"));
  change(root);
  return utf8(JSON.stringify(root));
}

test("parseTrustedRoot() reads the root that is built in, and what encodeTrustedRoot() writes of it is the same", async () => {
  const root = parseTrustedRoot(await embeddedTrustedRoot());
  expect(root.logs.length).toBeGreaterThan(0);
  expect(root.certificateAuthorities.length).toBeGreaterThan(1);
  expect(parseTrustedRoot(encodeTrustedRoot(root))).toEqual(root);
});

test("parseTrustedRoot() reads an RSA key in PKCS#1, as Sigstore's staging log of certificates has it", () => {
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 4096 });
  const rawBytes = publicKey.export({ format: "der", type: "pkcs1" }).toString("base64");
  const spki = new Uint8Array(publicKey.export({ format: "der", type: "spki" }));
  const root = parseTrustedRoot(
    changed(({ ctlogs: [log = {}] = [] }) => {
      Object.assign(log["publicKey"] as object, { rawBytes, keyDetails: "PKCS1_RSA_PKCS1V5" });
    }),
  );
  const [log] = root.ctLogs;
  expect(log?.key.type).toBe("rsa-4096");
  expect(equalBytes(log?.key.spki ?? new Uint8Array(), spki)).toBe(true);
});

test.each(["tlogs", "ctlogs", "certificateAuthorities", "timestampAuthorities"])(
  "parseTrustedRoot() takes no interval without a start for an open one: %s",
  (name) => {
    for (const validFor of [undefined, {}, { end: "2030-01-01T00:00:00Z" }]) {
      const bytes = changed((root) => {
        const [member = {}] = root[name] ?? [];
        const holder = name.endsWith("logs") ? (member["publicKey"] as typeof member) : member;
        holder["validFor"] = validFor;
      });
      expect(() => parseTrustedRoot(bytes)).toThrow("validFor has no start");
    }
  },
);

test("encodeTrustedRoot() says since when certificates of the user's own are valid", () => {
  const root = parseTrustedRoot(changed(() => undefined));
  const [authority] = root.certificateAuthorities;
  if (authority === undefined) throw new Error("there is no authority");
  const encoded = encodeTrustedRoot({
    ...root,
    certificateAuthorities: [{ ...authority, validFor: {} }],
  });
  expect(parseTrustedRoot(encoded).certificateAuthorities[0]?.validFor).toEqual({
    start: new Date(0),
  });
});

test("parseTrustedRoot() refuses keys that stand twice, unknown versions and members without a key", () => {
  const text = readVectorText("trust/trusted-root.json", "keyless");
  const twice = `{"tlogs":[],${text.trim().slice(1)}`;
  expect(() => parseTrustedRoot(utf8(twice))).toThrow("twice");
  expect(() => parseTrustedRoot(utf8(text.replace(/version=0\.1|v0\.1/, "version=9")))).toThrow(
    "media type",
  );
  expect(() =>
    parseTrustedRoot(
      changed(({ tlogs: [log = {}] = [] }) => {
        log["publicKey"] = {
          rawBytes: encodeBase64(new Uint8Array(5)),
          keyDetails: "PKIX_ED25519",
        };
      }),
    ),
  ).toThrow(SyntaxError);
});
