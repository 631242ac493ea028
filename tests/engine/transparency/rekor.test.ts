import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { ed25519ph } from "@noble/curves/ed25519.js";
import { generatePrivateKey } from "../../../engine/crypto/private_key.ts";
import { publicKeyOf } from "../../../engine/crypto/public_key.ts";
import { signMessage } from "../../../engine/crypto/signature.ts";
import { type DsseEnvelope, encodePae } from "../../../engine/formats/dsse.ts";
import type { LogEntry } from "../../../engine/formats/log_entry.ts";
import { parseTrustedRoot } from "../../../engine/formats/trusted_root_json.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import type { KeyType, PublicKey, WeakKeyType } from "../../../engine/model/key.ts";
import { requestCertificate } from "../../../engine/transparency/fulcio.ts";
import { parseIdentityToken } from "../../../engine/transparency/identity_token.ts";
import {
  type EntryProposal,
  type LogService,
  uploadEntry,
} from "../../../engine/transparency/rekor.ts";
import type { ServiceContext } from "../../../engine/transparency/service.ts";
import { type LoggedSignature, verifyLogEntry } from "../../../engine/verify/log_entry.ts";
import { type Sigstore, startSigstore } from "../../support/sigstore_server.ts";
import { testContext } from "./_context.ts";

let sigstore: Sigstore;
beforeAll(async () => {
  sigstore = await startSigstore();
});
afterAll(() => sigstore.close());
afterEach(() => sigstore.heal());

/** The keys that Rekor v2 takes. */
type SoundType = Exclude<KeyType, WeakKeyType>;
type Hash = "sha256" | "sha384" | "sha512";
const DIGESTS: Readonly<Record<SoundType, Hash>> = {
  "ecdsa-p256": "sha256",
  "ecdsa-p384": "sha384",
  "ecdsa-p521": "sha512",
  ed25519: "sha512",
  "rsa-2048": "sha256",
  "rsa-3072": "sha256",
  "rsa-4096": "sha256",
};
const TYPES = ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519", "rsa-2048"] as const;
const STATEMENT = "application/vnd.in-toto+json";

const trusted = () => parseTrustedRoot(utf8(sigstore.trustedRootJson)).logs;
const logOf = (majorVersion: 1 | 2): LogService =>
  majorVersion === 1
    ? { url: sigstore.rekorUrl, majorVersion }
    : { url: sigstore.rekorV2Url, majorVersion, trusted: trusted() };
const upload = (
  proposal: EntryProposal,
  version: 1 | 2,
  context: Partial<ServiceContext> = {},
): Promise<LogEntry> => uploadEntry(proposal, logOf(version), testContext(context));
const serviceOf = (version: 1 | 2) => (version === 1 ? "rekor" : "rekorV2");
const hash = (algorithm: Hash, bytes: Uint8Array): Uint8Array =>
  new Uint8Array(createHash(algorithm).update(bytes).digest());

/** What is signed, and by what, with the digest that goes with the key. */
function signed(type: SoundType, message: Uint8Array) {
  const privateKey = generatePrivateKey(type);
  const publicKey = publicKeyOf(privateKey, "test");
  const algorithm = DIGESTS[type];
  const seed = new Uint8Array(privateKey.export({ format: "der", type: "pkcs8" })).slice(-32);
  const signature =
    type === "ed25519"
      ? ed25519ph.sign(message, seed)
      : signMessage(privateKey, type, message, algorithm);
  return { publicKey, signature, digest: { algorithm, digest: hash(algorithm, message) } };
}

let serial = 0;
function blob(type: SoundType = "ecdsa-p256") {
  const message = utf8(`message ${serial++}`);
  const { publicKey, signature, digest } = signed(type, message);
  const proposal: EntryProposal = {
    kind: "hashedrekord",
    digest,
    signature,
    verifier: { publicKey },
  };
  const about: LoggedSignature = {
    signature,
    signer: { spki: publicKey.spki },
    content: { kind: "message", digests: { [digest.algorithm]: digest.digest } },
  };
  return { proposal, about };
}

function attestation(kind: "dsse" | "intoto", type: SoundType = "ecdsa-p256") {
  const payload = utf8(`{"statement":${serial++}}`);
  const { publicKey, signature } = signed(type, encodePae(STATEMENT, payload));
  const envelope: DsseEnvelope = {
    payloadType: STATEMENT,
    payload,
    signatures: [{ keyid: "", sig: signature }],
  };
  const proposal: EntryProposal = { kind, envelope, verifier: { publicKey } };
  const about: LoggedSignature = {
    signature,
    signer: { spki: publicKey.spki },
    content: { kind: "dsse", envelope },
  };
  return { proposal, about };
}

async function certified(message: Uint8Array) {
  const privateKey = generatePrivateKey("ecdsa-p256");
  const publicKey = publicKeyOf(privateKey, "test");
  const token = parseIdentityToken(sigstore.oidcToken());
  const proof = signMessage(privateKey, "ecdsa-p256", utf8(token.proofSubject));
  const { certificate } = await requestCertificate(
    { token, publicKey, proof },
    sigstore.fulcioUrl,
    testContext(),
  );
  const signature = signMessage(privateKey, "ecdsa-p256", message);
  return { publicKey, certificate: certificate.der, signature };
}

describe("uploadEntry()", () => {
  test.each(TYPES.flatMap((type) => [[type, 1] as const, [type, 2] as const]))(
    "logs a signature by a key of type %s in Rekor v%d, and the trusted root vouches for it",
    async (type, version) => {
      const { proposal, about } = blob(type);
      const entry = await upload(proposal, version);
      const verified = verifyLogEntry(entry, about, trusted(), "either");
      expect(verified).toMatchObject({ byPromise: version === 1, byProof: true });
      expect(entry.kindVersion).toEqual({
        kind: "hashedrekord",
        version: version === 1 ? "0.0.1" : "0.0.2",
      });
    },
  );

  test.each([1, 2] as const)("logs a signature by a certificate in Rekor v%d", async (version) => {
    const message = utf8(`message ${serial++}`);
    const { certificate, signature, publicKey } = await certified(message);
    const digests = { sha256: hash("sha256", message) };
    const digest = { algorithm: "sha256", digest: digests.sha256 } as const;
    const verifier = { certificate };
    const entry = await upload({ kind: "hashedrekord", digest, signature, verifier }, version);
    const about: LoggedSignature = {
      signature,
      signer: { spki: publicKey.spki, certificate },
      content: { kind: "message", digests },
    };
    verifyLogEntry(entry, about, trusted(), "proof");
  });

  test.each([
    ["dsse", 1, "dsse", "0.0.1"],
    ["intoto", 1, "intoto", "0.0.1"],
    ["dsse", 2, "hashedrekord", "0.0.2"],
  ] as const)("logs an envelope as %s in Rekor v%d: %s %s", async (kind, log, logged, version) => {
    const { proposal, about } = attestation(kind);
    const entry = await upload(proposal, log);
    expect(entry.kindVersion).toEqual({ kind: logged, version });
    verifyLogEntry(entry, about, trusted(), "proof");
  });

  test.each(["ecdsa-p384", "ed25519"] as const)(
    "logs an envelope by a key of type %s in Rekor v2 by the hash that goes with the key",
    async (type) => {
      const { proposal, about } = attestation("dsse", type);
      verifyLogEntry(await upload(proposal, 2), about, trusted(), "proof");
    },
  );

  test("gives entries of a later shard their index in the whole log, and their proof that in the shard", async () => {
    const entry = await upload(blob().proposal, 1);
    expect(entry.logIndex).toBe((entry.proof?.logIndex ?? 0) + sigstore.settings.shardOffset);
  });

  test.each([1, 2] as const)(
    "takes the same entry from Rekor v%d that has it already",
    async (version) => {
      const { proposal, about } = blob();
      for (let i = 0; i < 300 && version === 2; i++) await upload(blob("ed25519").proposal, 2);
      const first = await upload(proposal, version);
      for (let i = 0; i < 5; i++) await upload(blob().proposal, version);
      const second = await upload(proposal, version);
      expect(second.logIndex).toBe(first.logIndex);
      expect(second.body).toEqual(first.body);
      expect(second.proof?.treeSize).toBeGreaterThan(first.proof?.treeSize ?? 0);
      verifyLogEntry(second, about, trusted(), "proof");
    },
    60_000,
  );

  test("proves an entry of v2 that is there already by tiles of several levels", async () => {
    const log = await startSigstore();
    const { tree } = log.rekorV2;
    const fill = (count: number) => {
      for (let i = 0; i < count; i++) tree.append(utf8(`filler ${tree.size}`));
    };
    const trusted = parseTrustedRoot(utf8(log.trustedRootJson)).logs;
    const service: LogService = { url: log.rekorV2Url, majorVersion: 2, trusted };
    const { proposal, about } = blob();
    fill(65_536 + 700);
    const { logIndex } = await uploadEntry(proposal, service, testContext());
    expect(logIndex).toBe(66_236);
    fill(1000);
    const again = await uploadEntry(proposal, service, testContext());
    expect(again).toMatchObject({ logIndex, proof: { treeSize: 67_237 } });
    expect(again.proof?.hashes).toEqual([...tree.proof(logIndex)]);
    verifyLogEntry(again, about, trusted, "proof");
    const tiles = log.requests.flatMap(({ path }) => /tile\/(\w+)\//.exec(path)?.[1] ?? []);
    expect(new Set(tiles)).toEqual(new Set(["entries", "0", "1", "2"]));
    await log.close();
  }, 60_000);

  test.each([1, 2] as const)(
    "has one entry when the answer of Rekor v%d was lost",
    async (version) => {
      const { proposal, about } = blob();
      const { tree } = sigstore[serviceOf(version)];
      const before = tree.size;
      sigstore.fail(serviceOf(version), { kind: "lost" }, 1);
      verifyLogEntry(await upload(proposal, version), about, trusted(), "proof");
      expect(tree.size).toBe(before + 1);
    },
  );
});

describe("uploadEntry() where the log misbehaves", () => {
  const both = [1, 2] as const;

  test.each(both)("asks Rekor v%d again after 429, 500 and 503", async (version) => {
    for (const status of [429, 500, 503]) {
      sigstore.fail(serviceOf(version), { kind: "status", status, retryAfter: "0" }, 2);
      await upload(blob().proposal, version);
    }
  });

  test.each(both)("throws SERVICE_UNAVAILABLE when Rekor v%d stays away", async (version) => {
    sigstore.fail(serviceOf(version), { kind: "status", status: 503, body: "in repair" });
    await expect(upload(blob().proposal, version)).rejects.toMatchObject({
      code: "SERVICE_UNAVAILABLE",
      message: expect.stringContaining("in repair"),
    });
  });

  test.each(both)("throws SERVICE_UNAVAILABLE when Rekor v%d says nothing", async (version) => {
    sigstore.fail(serviceOf(version), { kind: "stall" });
    await expect(upload(blob().proposal, version, { timeoutMs: 50 })).rejects.toMatchObject({
      code: "SERVICE_UNAVAILABLE",
    });
  });

  test.each(both)("throws LOG_REFUSED with what Rekor v%d says", async (version) => {
    const { proposal } = blob();
    const other = blob().proposal;
    const swapped = { ...proposal, verifier: other.verifier } as EntryProposal;
    await expect(upload(swapped, version)).rejects.toMatchObject({
      code: "LOG_REFUSED",
      message: expect.stringMatching(/the log answers 400: .*does not match/),
    });
  });

  test("throws LOG_REFUSED with a hint for a log that is closed", async () => {
    const body = "This log has been frozen, please switch to the latest log.\n";
    sigstore.fail("rekorV2", { kind: "status", status: 405, body });
    await expect(upload(blob().proposal, 2)).rejects.toMatchObject({
      code: "LOG_REFUSED",
      message: expect.stringContaining("frozen"),
      hint: expect.stringContaining("--signing-config"),
    });
  });

  test.each(both)("throws SERVICE_PROTOCOL for a redirect of Rekor v%d", async (version) => {
    sigstore.fail(serviceOf(version), { kind: "redirect", location: sigstore.fulcioUrl });
    const before = sigstore.count("fulcio");
    await expect(upload(blob().proposal, version)).rejects.toMatchObject({
      code: "SERVICE_PROTOCOL",
    });
    expect(sigstore.count("fulcio")).toBe(before);
  });

  test.each(both)(
    "throws LIMIT_EXCEEDED for an answer without end of Rekor v%d",
    async (version) => {
      const endless = () =>
        new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) });
      const change = () => new Response(endless(), { status: 201 });
      sigstore.fail(serviceOf(version), { kind: "answer", change });
      await expect(upload(blob().proposal, version)).rejects.toMatchObject({
        code: "LIMIT_EXCEEDED",
      });
    },
  );

  test.each(
    both.flatMap((version) =>
      ["", "<html></html>", "{}", "[]", "null", '{"a":1,"a":2}', '{"logIndex":"1"}'].map(
        (body) => [version, body] as const,
      ),
    ),
  )("throws SERVICE_PROTOCOL when Rekor v%d answers %j", async (version, body) => {
    const change = () => new Response(body, { status: 201 });
    sigstore.fail(serviceOf(version), { kind: "answer", change });
    await expect(upload(blob().proposal, version)).rejects.toMatchObject({
      code: "SERVICE_PROTOCOL",
    });
  });

  test.each(both)(
    "throws LOG_ENTRY_MISMATCH for the entry of another in Rekor v%d",
    async (version) => {
      let other: string | undefined;
      const keep = async (answer: Response) => {
        other ??= await answer.clone().text();
        return new Response(other, { status: 201 });
      };
      sigstore.fail(serviceOf(version), { kind: "answer", change: keep });
      await upload(blob().proposal, version);
      await expect(upload(blob().proposal, version)).rejects.toMatchObject({
        code: "LOG_ENTRY_MISMATCH",
      });
    },
  );

  test("throws SERVICE_PROTOCOL for an entry under the UUID of another", async () => {
    const change = async (answer: Response) => {
      const text = (await answer.text()).replace(/^\{"[0-9a-f]+"/, `{"${"0".repeat(64)}"`);
      return new Response(text, { status: 201 });
    };
    sigstore.fail("rekor", { kind: "answer", change });
    await expect(upload(blob().proposal, 1)).rejects.toMatchObject({ code: "SERVICE_PROTOCOL" });
  });

  test("throws SERVICE_PROTOCOL for an entry of v1 without the log's promise, of v2 without a checkpoint", async () => {
    const without = (pattern: RegExp) => async (answer: Response) =>
      new Response((await answer.text()).replace(pattern, '"other":'), { status: 201 });
    const withoutPromise = without(/"signedEntryTimestamp":/);
    sigstore.fail("rekor", { kind: "answer", change: withoutPromise });
    await expect(upload(blob().proposal, 1)).rejects.toMatchObject({
      code: "SERVICE_PROTOCOL",
      message: expect.stringContaining("no signed entry timestamp"),
    });
    const withoutProof = async (answer: Response) => {
      const text = (await answer.text()).replace(/"inclusionProof":\{.*\},"canon/, '"canon');
      return new Response(text, { status: 201 });
    };
    sigstore.fail("rekorV2", { kind: "answer", change: withoutProof });
    await expect(upload(blob().proposal, 2)).rejects.toMatchObject({
      code: "SERVICE_PROTOCOL",
      message: expect.stringContaining("no inclusion proof"),
    });
  });
});

describe("uploadEntry() when the log has an entry already (409)", () => {
  const conflict = (headers: Readonly<Record<string, string>>, message = "conflict") =>
    Response.json({ code: 409, message }, { status: 409, headers });

  test("throws LOG_REFUSED when that is about something else, in v1", async () => {
    await upload(blob().proposal, 1);
    const uuid = (sigstore.rekor.tree.leafHash(sigstore.rekor.tree.size - 1) ?? []).toHex();
    const location = `/api/v1/log/entries/${uuid}`;
    sigstore.fail("rekor", { kind: "answer", change: () => conflict({ location }) }, 1);
    await expect(upload(blob().proposal, 1)).rejects.toMatchObject({
      code: "LOG_REFUSED",
      message: expect.stringContaining("that one is another"),
    });
  });

  test("throws LOG_REFUSED when that is about something else, in v2", async () => {
    await upload(blob().proposal, 2);
    const index = `${sigstore.rekorV2.tree.size - 1}`;
    const change = () => conflict({ "x-log-index": index });
    sigstore.fail("rekorV2", { kind: "answer", change }, 1);
    await expect(upload(blob().proposal, 2)).rejects.toMatchObject({
      code: "LOG_REFUSED",
      message: expect.stringContaining("that one is another"),
    });
  });

  test("asks nobody but the log for the entry, wherever Location leads", async () => {
    const { proposal, about } = blob();
    await upload(proposal, 1);
    const uuid = sigstore.rekor.tree.leafHash(sigstore.rekor.tree.size - 1).toHex();
    const location = `${sigstore.fulcioUrl}/stolen/${uuid}`;
    const before = sigstore.count("fulcio");
    sigstore.fail("rekor", { kind: "answer", change: () => conflict({ location }) }, 1);
    verifyLogEntry(await upload(proposal, 1), about, trusted(), "either");
    expect(sigstore.count("fulcio")).toBe(before);
  });

  test.each([1, 2] as const)(
    "throws SERVICE_PROTOCOL when v%d does not say which entry",
    async (version) => {
      sigstore.fail(serviceOf(version), { kind: "answer", change: () => conflict({}) }, 1);
      await expect(upload(blob().proposal, version)).rejects.toMatchObject({
        code: "SERVICE_PROTOCOL",
      });
    },
  );

  test("throws SERVICE_PROTOCOL when the log has no entry of the UUID that it names", async () => {
    const location = `/api/v1/log/entries/${"ab".repeat(32)}`;
    sigstore.fail("rekor", { kind: "answer", change: () => conflict({ location }) }, 1);
    await expect(upload(blob().proposal, 1)).rejects.toMatchObject({ code: "SERVICE_PROTOCOL" });
  });

  test("throws SERVICE_PROTOCOL when the checkpoint never gets to the index", async () => {
    const change = () => conflict({ "x-log-index": "123456789" });
    sigstore.fail("rekorV2", { kind: "answer", change }, 1);
    await expect(upload(blob().proposal, 2)).rejects.toMatchObject({ code: "SERVICE_PROTOCOL" });
  });

  test.each([
    ["entries that are cut", /tile\/entries/, (bytes: Uint8Array) => bytes.slice(0, 20)],
    ["hashes that are none", /tile\/0/, (bytes: Uint8Array) => bytes.slice(0, 20)],
    ["other hashes", /tile\/0/, (bytes: Uint8Array) => new Uint8Array(bytes.length)],
    ["no checkpoint", /checkpoint/, () => utf8("nothing\n")],
    ["a checkpoint that is no text", /checkpoint/, () => Uint8Array.of(255)],
  ])("throws SERVICE_PROTOCOL for %s in v2", async (_, path, change) => {
    for (let i = 0; i < 3; i++) await upload(blob().proposal, 2);
    const { proposal } = blob();
    await upload(proposal, 2);
    const lie = async (answer: Response, url: string) =>
      path.test(url) ? new Response(new Uint8Array(change(await answer.bytes()))) : answer;
    sigstore.fail("rekorV2", { kind: "answer", change: lie });
    await expect(upload(proposal, 2)).rejects.toMatchObject({ code: "SERVICE_PROTOCOL" });
  });

  test("takes the full tile where the partial one of an older checkpoint is there no more", async () => {
    const log = await startSigstore();
    const trusted = parseTrustedRoot(utf8(log.trustedRootJson)).logs;
    const service: LogService = { url: log.rekorV2Url, majorVersion: 2, trusted };
    const { proposal, about } = blob();
    await uploadEntry(proposal, service, testContext());
    await uploadEntry(blob().proposal, service, testContext());
    const note = await (await fetch(`${log.rekorV2Url}/api/v2/checkpoint`)).text();
    while (log.rekorV2.tree.size < 256) log.rekorV2.tree.append(utf8("filler"));
    const change = async (answer: Response, url: string) => {
      if (/\.p\//.test(url)) return new Response("gone", { status: 404 });
      return url.endsWith("/checkpoint") ? new Response(note) : answer;
    };
    log.fail("rekorV2", { kind: "answer", change });
    const found = await uploadEntry(proposal, service, testContext());
    expect(found.proof?.treeSize).toBe(2);
    verifyLogEntry(found, about, trusted, "proof");
    await log.close();
  });

  test("throws LOG_REFUSED when no trusted log has signed the checkpoint", async () => {
    const { proposal } = blob();
    await upload(proposal, 2);
    const log: LogService = { url: sigstore.rekorV2Url, majorVersion: 2 };
    await expect(uploadEntry(proposal, log, testContext())).rejects.toMatchObject({
      code: "LOG_REFUSED",
      hint: expect.stringContaining("--trusted-root"),
    });
  });
});

describe("uploadEntry() refuses before it asks", () => {
  const key = (type: SoundType): PublicKey => publicKeyOf(generatePrivateKey(type), "test");
  const unasked = async (proposal: EntryProposal, version: 1 | 2, code: string) => {
    const before = sigstore.count(serviceOf(version));
    await expect(upload(proposal, version)).rejects.toMatchObject({ code });
    expect(sigstore.count(serviceOf(version))).toBe(before);
  };

  test("plain Ed25519 over SHA-256, which no log takes", async () => {
    const digest = { algorithm: "sha256", digest: new Uint8Array(32) } as const;
    const verifier = { publicKey: key("ed25519") };
    const signature = new Uint8Array(64);
    for (const version of [1, 2] as const) {
      await unasked(
        { kind: "hashedrekord", digest, signature, verifier },
        version,
        "KEY_UNSUPPORTED",
      );
    }
  });

  test("P-384 over SHA-256 for Rekor v2", async () => {
    const digest = { algorithm: "sha256", digest: new Uint8Array(32) } as const;
    const verifier = { publicKey: key("ecdsa-p384") };
    const signature = new Uint8Array(64);
    await unasked({ kind: "hashedrekord", digest, signature, verifier }, 2, "KEY_UNSUPPORTED");
  });

  test("a weak key for Rekor v2, although it was allowed", async () => {
    const publicKey = publicKeyOf(generatePrivateKey("rsa-1024"), "test", ["rsa-1024"]);
    const digest = { algorithm: "sha256", digest: new Uint8Array(32) } as const;
    const signature = new Uint8Array(128);
    const verifier = { publicKey };
    await unasked({ kind: "hashedrekord", digest, signature, verifier }, 2, "KEY_UNSUPPORTED");
  });

  test.each(["ecdsa-p384", "ecdsa-p521", "ed25519"] as const)(
    "an envelope by a key of type %s over its own digest for Rekor v1",
    async (type) => {
      for (const kind of ["dsse", "intoto"] as const) {
        await unasked(attestation(kind, type).proposal, 1, "KEY_UNSUPPORTED");
      }
    },
  );

  test("an entry of the type intoto for Rekor v2", async () => {
    await unasked(attestation("intoto").proposal, 2, "USAGE");
  });

  const large = (sizeBytes: number): EntryProposal => {
    const payload = new Uint8Array(sizeBytes);
    const { publicKey, signature } = signed("ecdsa-p256", encodePae(STATEMENT, payload));
    const signatures = [{ keyid: "", sig: signature }];
    const envelope: DsseEnvelope = { payloadType: STATEMENT, payload, signatures };
    return { kind: "dsse", envelope, verifier: { publicKey } };
  };

  test("an envelope that is too large, and names hashedrekord", async () => {
    const proposal = large(26 * 1024 * 1024);
    await unasked(proposal, 1, "LIMIT_EXCEEDED");
    await expect(upload(proposal, 1)).rejects.toMatchObject({
      hint: expect.stringContaining("hashedrekord"),
    });
  });

  test("names hashedrekord too when a log hangs up on a large envelope", async () => {
    sigstore.fail("rekor", { kind: "status", status: 502 });
    await expect(upload(large(2 * 1024 * 1024), 1)).rejects.toMatchObject({
      code: "SERVICE_UNAVAILABLE",
      hint: expect.stringContaining("hashedrekord"),
    });
  });
});
