import { afterAll, beforeAll, expect, test } from "bun:test";
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { utf8 } from "../../engine/model/bytes.ts";
import { hashOf } from "./_sigstore_log.ts";
import { type Sigstore, startSigstore } from "./sigstore_server.ts";

let sigstore: Sigstore;
beforeAll(async () => {
  sigstore = await startSigstore();
});
afterAll(() => sigstore.close());

const post = async (path: string, body: object): Promise<unknown> => {
  const response = await fetch(`${sigstore.rekorUrl}${path}`, {
    method: "POST",
    body: JSON.stringify(body),
  });
  return JSON.parse(await response.text());
};
const search = (query: object) => post("/api/v1/index/retrieve", query);
const pemOf = (key: KeyObject) => key.export({ format: "pem", type: "spki" }).toString();

test("the test log is searched by hash and by key, by one of them or by both", async () => {
  const keys = [0, 1].map(() => generateKeyPairSync("ec", { namedCurve: "P-256" }));
  const messages = ["one", "two"].map(utf8);
  const uuids: string[][] = [];
  for (const { privateKey, publicKey } of keys) {
    const mine: string[] = [];
    for (const message of messages) {
      const answer = await post("/api/v1/log/entries", {
        apiVersion: "0.0.1",
        kind: "hashedrekord",
        spec: {
          data: { hash: { algorithm: "sha256", value: hashOf(message).toHex() } },
          signature: {
            content: sign("sha256", message, privateKey).toString("base64"),
            publicKey: { content: utf8(pemOf(publicKey)).toBase64() },
          },
        },
      });
      mine.push(...Object.keys(Object(answer)));
    }
    uuids.push(mine);
  }
  const [first] = keys;
  const [mine = [], others = []] = uuids;
  const hash = hashOf(utf8("one")).toHex();
  const content = first === undefined ? "" : utf8(pemOf(first.publicKey)).toBase64();
  const publicKey = { format: "x509", content };
  expect(await search({ hash })).toEqual([mine[0], others[0]]);
  expect(await search({ hash: `sha256:${hash}` })).toEqual([mine[0], others[0]]);
  expect(await search({ publicKey })).toEqual(mine);
  expect(await search({ hash, publicKey, operator: "and" })).toEqual([mine[0]]);
  expect(await search({ hash, publicKey })).toEqual([mine[0], others[0], mine[1]]);
  expect(await search({ email: "mail@example.com" })).toEqual([]);
  const retrieved = await post("/api/v1/log/entries/retrieve", { entryUUIDs: mine });
  expect(retrieved).toMatchObject(mine.map((uuid) => ({ [uuid]: {} })));
});
