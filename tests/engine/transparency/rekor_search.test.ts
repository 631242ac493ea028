import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { ed25519, ed25519ph } from "@noble/curves/ed25519.js";
import { generatePrivateKey } from "../../../engine/crypto/private_key.ts";
import { publicKeyOf } from "../../../engine/crypto/public_key.ts";
import { signMessage } from "../../../engine/crypto/signature.ts";
import { type DsseEnvelope, encodeOldDsse, encodePae } from "../../../engine/formats/dsse.ts";
import { NO_MATERIAL } from "../../../engine/formats/evidence.ts";
import type { LogEntry } from "../../../engine/formats/log_entry.ts";
import { parseTrustedRoot } from "../../../engine/formats/trusted_root_json.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import type { KeyType, PublicKey } from "../../../engine/model/key.ts";
import { searchedLog, withLookedUp } from "../../../engine/transparency/look_up.ts";
import { type EntryProposal, uploadEntry } from "../../../engine/transparency/rekor.ts";
import { findEntries } from "../../../engine/transparency/rekor_search.ts";
import { envelopeContent, messageContent } from "../../../engine/verify/signer.ts";
import {
  type UnloggedSignature,
  unloggedEnvelope,
  unloggedIn,
} from "../../../engine/verify/unlogged.ts";
import { type Sigstore, startSigstore } from "../../support/sigstore_server.ts";
import { testContext } from "./_context.ts";

let sigstore: Sigstore;
beforeAll(async () => {
  sigstore = await startSigstore();
});
afterAll(() => sigstore.close());
afterEach(() => sigstore.heal());

const STATEMENT = "application/vnd.in-toto+json";
const RETRIEVE = "/api/v1/log/entries/retrieve";
const DIGESTS = { "ecdsa-p384": "sha384", "ecdsa-p521": "sha512", ed25519: "sha512" } as const;
const digestFor = (type: KeyType) =>
  type === "ecdsa-p384" || type === "ecdsa-p521" || type === "ed25519" ? DIGESTS[type] : "sha256";
const trusted = () => parseTrustedRoot(utf8(sigstore.trustedRootJson)).logs;
const policyOf = (key: PublicKey) => ({
  keys: [key],
  witnesses: { logs: trusted(), logThreshold: 1, timestampAuthorities: [], timestampThreshold: 0 },
});
const find = (unlogged: UnloggedSignature) =>
  findEntries(unlogged, sigstore.rekorUrl, testContext());
const upload = (proposal: EntryProposal) =>
  uploadEntry(proposal, { url: sigstore.rekorUrl, majorVersion: 1 }, testContext());

let serial = 0;
/** A signature of a message, and what is missing of it: its entry. */
function message(type: KeyType = "ecdsa-p256", isPlain = false) {
  const bytes = utf8(`searched ${serial++}`);
  const privateKey = generatePrivateKey(type);
  const publicKey = publicKeyOf(privateKey, "test");
  const algorithm = digestFor(type);
  const seed = new Uint8Array(privateKey.export({ format: "der", type: "pkcs8" })).slice(-32);
  const signature = isPlain
    ? ed25519.sign(bytes, seed)
    : type === "ed25519"
      ? ed25519ph.sign(bytes, seed)
      : signMessage(privateKey, type, bytes, algorithm);
  const digest = new Uint8Array(createHash(algorithm).update(bytes).digest());
  const proposal: EntryProposal = {
    kind: "hashedrekord",
    digest: { algorithm, digest },
    signature,
    verifier: { publicKey },
  };
  const policy = policyOf(publicKey);
  const unlogged = unloggedIn(messageContent(bytes), [signature], NO_MATERIAL, policy);
  return { proposal, policy, unlogged };
}

function envelope(kind: "dsse" | "intoto", spaces = "") {
  const payload = utf8(`{"searched":${serial++}}`);
  const privateKey = generatePrivateKey("ecdsa-p256");
  const publicKey = publicKeyOf(privateKey, "test");
  const sig = signMessage(privateKey, "ecdsa-p256", encodePae(STATEMENT, payload));
  const signed: DsseEnvelope = {
    payloadType: STATEMENT,
    payload,
    signatures: [{ keyid: "", sig }],
  };
  const text = encodeOldDsse(signed).replace("{", `{${spaces}`);
  const proposal: EntryProposal = { kind, envelope: signed, text, verifier: { publicKey } };
  const unlogged = unloggedEnvelope(signed, text, NO_MATERIAL, policyOf(publicKey));
  return { proposal, unlogged };
}

const only = ([first]: readonly UnloggedSignature[]): UnloggedSignature => {
  if (first === undefined) throw new Error("nothing is unlogged");
  return first;
};

describe("findEntries()", () => {
  test.each(["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519", "rsa-2048"] as const)(
    "finds the entry of a signature by a key of type %s",
    async (type) => {
      const { proposal, unlogged } = message(type);
      expect(await find(only(unlogged))).toEqual([]);
      const { kindVersion, ...entry } = await upload(proposal);
      const [found, ...more] = await find(only(unlogged));
      expect(more).toEqual([]);
      expect(found).toMatchObject({ body: entry.body, logIndex: entry.logIndex, lookedUp: true });
    },
  );

  test.each(["dsse", "intoto"] as const)(
    "finds the entry of an envelope of the type %s, by the bytes that lie there",
    async (kind) => {
      const { proposal, unlogged } = envelope(kind, "  ");
      expect(await find(only(unlogged))).toEqual([]);
      await upload(proposal);
      expect(await find(only(unlogged))).toHaveLength(1);
      const { text, ...withoutText } = only(unlogged);
      expect(await find(withoutText)).toEqual([]);
    },
  );

  test("finds entries in shards that are closed, each with the proof of its own shard", async () => {
    const sharded = await startSigstore({ shardOffset: 0 });
    const service = { url: sharded.rekorUrl, majorVersion: 1 } as const;
    const { proposal, unlogged, policy } = message();
    await uploadEntry(message().proposal, service, testContext());
    await uploadEntry(proposal, service, testContext());
    sharded.rekor.rotate();
    await uploadEntry(message().proposal, service, testContext());
    const logs = parseTrustedRoot(utf8(sharded.trustedRootJson)).logs;
    const one = { ...policy, witnesses: { ...policy.witnesses, logs } };
    const taken = async () => {
      const search = searchedLog(sharded.rekorUrl, testContext());
      return await withLookedUp(NO_MATERIAL, unlogged, one, search);
    };
    expect(await taken()).toMatchObject({
      logEntries: [{ logIndex: 1, proof: { logIndex: 1, treeSize: 2 } }],
    });
    // Logged again, in another shard of the same log: the two are no duplicates.
    const again = await uploadEntry(proposal, service, testContext());
    expect(again).toMatchObject({ logIndex: 3, proof: { logIndex: 1, treeSize: 2 } });
    expect(await findEntries(only(unlogged), sharded.rekorUrl, testContext())).toHaveLength(2);
    expect((await taken()).logEntries).toHaveLength(1);
    await sharded.close();
  });

  test("asks nobody about plain Ed25519, which no hashedrekord can be", async () => {
    const { unlogged } = message("ed25519", true);
    const before = sigstore.count("rekor");
    expect(await find(only(unlogged))).toEqual([]);
    expect(sigstore.count("rekor")).toBe(before);
  });

  test("CVE-2024-51746: passes over entries of other signatures, wherever they stand in the answer", async () => {
    const mine = message();
    await upload(mine.proposal);
    const others = [message(), message()];
    for (const { proposal } of others) await upload(proposal);
    const answers: string[] = [];
    const keep = async (answer: Response) => {
      const text = await answer.text();
      answers.push(text.trim().slice(1, -1));
      return new Response(text);
    };
    for (const { unlogged } of [...others, mine]) {
      sigstore.fail("rekor", { kind: "answer", change: keep }, 1);
      await find(only(unlogged));
    }
    sigstore.fail("rekor", { kind: "answer", change: () => new Response(`[${answers.join()}]`) });
    const found = await find(only(mine.unlogged));
    expect(found).toHaveLength(1);
    const { about } = only(mine.unlogged);
    expect(new TextDecoder().decode(found[0]?.body)).toContain(about.signature.toBase64());
  });

  test("throws SERVICE_UNAVAILABLE where the log does not answer: that is not the same as having none", async () => {
    sigstore.fail("rekor", { kind: "status", status: 503 });
    await expect(find(only(message().unlogged))).rejects.toMatchObject({
      code: "SERVICE_UNAVAILABLE",
    });
    const nowhere = findEntries(only(message().unlogged), "http://127.0.0.1:1", testContext());
    await expect(nowhere).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
  });

  test("asks again after 429, as late as the log wants", async () => {
    const { proposal, unlogged } = message();
    await upload(proposal);
    const before = sigstore.count("rekor", RETRIEVE);
    sigstore.fail("rekor", { kind: "status", status: 429, retryAfter: "0" }, 2);
    expect(await find(only(unlogged))).toHaveLength(1);
    expect(sigstore.count("rekor", RETRIEVE)).toBe(before + 3);
  });

  test("throws LOG_REFUSED for what is no log of Rekor v1", async () => {
    const asked = findEntries(only(message().unlogged), sigstore.rekorV2Url, testContext());
    await expect(asked).rejects.toMatchObject({
      code: "LOG_REFUSED",
      hint: expect.stringContaining("--rekor-url"),
    });
  });

  test("throws SERVICE_PROTOCOL for a redirect", async () => {
    sigstore.fail("rekor", { kind: "redirect", location: sigstore.fulcioUrl });
    const before = sigstore.count("fulcio");
    await expect(find(only(message().unlogged))).rejects.toMatchObject({
      code: "SERVICE_PROTOCOL",
    });
    expect(sigstore.count("fulcio")).toBe(before);
  });

  test.each(["", "{}", "null", "<html></html>", '[{"a":1}]', "[1]", `[${"{},".repeat(40)}{}]`])(
    "throws SERVICE_PROTOCOL for the answer %j",
    async (body) => {
      sigstore.fail("rekor", { kind: "answer", change: () => new Response(body) });
      await expect(find(only(message().unlogged))).rejects.toMatchObject({
        code: "SERVICE_PROTOCOL",
      });
    },
  );

  test("throws LIMIT_EXCEEDED for an answer without end", async () => {
    const endless = () =>
      new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) });
    sigstore.fail("rekor", { kind: "answer", change: () => new Response(endless()) });
    await expect(find(only(message().unlogged))).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  });
});

describe("withLookedUp()", () => {
  const log = () => searchedLog(sigstore.rekorUrl, testContext());

  test("puts the entry among what vouches", async () => {
    const { proposal, unlogged, policy } = message();
    await upload(proposal);
    const material = await withLookedUp(NO_MATERIAL, unlogged, policy, log());
    expect(material).toMatchObject({ logEvidence: "promise", logEntries: [{ lookedUp: true }] });
  });

  test("throws LOG_ENTRY_MISSING where the log has none, or none may be asked", async () => {
    const { unlogged, policy } = message();
    await expect(withLookedUp(NO_MATERIAL, unlogged, policy, log())).rejects.toMatchObject({
      code: "LOG_ENTRY_MISSING",
      message: expect.stringContaining("signature not found in transparency log"),
    });
    await expect(withLookedUp(NO_MATERIAL, unlogged, policy, undefined)).rejects.toMatchObject({
      code: "LOG_ENTRY_MISSING",
      message: expect.stringContaining("offline verification failed"),
    });
  });

  test("takes the earliest of the entries that a trusted log vouches for", async () => {
    const second = await startSigstore({ now: () => new Date("2024-01-01T00:00:00Z") });
    const { proposal, unlogged, policy } = message();
    const late = await upload(proposal);
    const early = await uploadEntry(
      proposal,
      { url: second.rekorUrl, majorVersion: 1 },
      testContext(),
    );
    await second.close();
    const found = { ...log(), find: async (): Promise<LogEntry[]> => [late, early] };
    const logs = [...trusted(), ...parseTrustedRoot(utf8(second.trustedRootJson)).logs];
    const both = { ...policy, witnesses: { ...policy.witnesses, logs } };
    const takenOf = async (one: typeof policy) =>
      (await withLookedUp(NO_MATERIAL, unlogged, one, found)).logEntries;
    expect(await takenOf(both)).toEqual([early]);
    expect(await takenOf(policy)).toEqual([late]);
  });

  test("asks once for a signature that lies there many times", async () => {
    const { unlogged, policy } = message();
    const before = sigstore.count("rekor", RETRIEVE);
    const one = log();
    await Promise.allSettled(
      Array.from({ length: 50 }, () => withLookedUp(NO_MATERIAL, unlogged, policy, one)),
    );
    expect(sigstore.count("rekor", RETRIEVE)).toBe(before + 1);
  });
});

describe("unloggedIn()", () => {
  const signed = () => {
    const privateKey = generatePrivateKey("ecdsa-p256");
    const key = publicKeyOf(privateKey, "test");
    return { key, bytes: utf8("x"), signature: signMessage(privateKey, "ecdsa-p256", utf8("x")) };
  };

  test("has nothing to ask about signatures by others, however many there are", () => {
    const { bytes, signature } = signed();
    const policy = policyOf(signed().key);
    const many = Array.from({ length: 1000 }, () => signature);
    expect(unloggedIn(messageContent(bytes), many, NO_MATERIAL, policy)).toEqual([]);
  });

  test("has nothing to ask where no log is demanded, or an entry lies there", async () => {
    const { bytes, signature, key } = signed();
    const content = messageContent(bytes);
    expect(unloggedIn(content, [signature], NO_MATERIAL, { keys: [key] })).toEqual([]);
    const entry = await upload(message().proposal);
    const material = { ...NO_MATERIAL, logEntries: [entry] };
    expect(unloggedIn(content, [signature], material, policyOf(key))).toEqual([]);
    expect(unloggedIn(content, [signature], NO_MATERIAL, policyOf(key))).toHaveLength(1);
  });

  test("passes over the signatures of an envelope that are not by the key", () => {
    const { key, signature } = signed();
    const mixed: DsseEnvelope = { payloadType: STATEMENT, payload: utf8("{}"), signatures: [] };
    const found = unloggedIn(envelopeContent(mixed), [signature], NO_MATERIAL, policyOf(key));
    expect(found).toEqual([]);
  });
});
