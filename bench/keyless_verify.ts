import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { bundleFromJSON } from "@sigstore/bundle";
import { TrustedRoot } from "@sigstore/protobuf-specs";
import { toSignedEntity, toTrustMaterial, Verifier } from "@sigstore/verify";
import { parseAnyBundle } from "../engine/cli/blob_evidence.ts";
import { sha256 } from "../engine/crypto/hash.ts";
import { parseCheckpoint } from "../engine/formats/checkpoint.ts";
import { embeddedScts, signedByEmbedded } from "../engine/formats/sct.ts";
import { parseTimestamp } from "../engine/formats/timestamp.ts";
import { parseTrustedRoot } from "../engine/formats/trusted_root_json.ts";
import { parseCertificate } from "../engine/formats/x509.ts";
import { utf8 } from "../engine/model/bytes.ts";
import { verifyBlob } from "../engine/verify/blob.ts";
import { expectedSigner } from "../engine/verify/blob_signer.ts";
import { signerPolicy } from "../engine/verify/signer_policy.ts";
import { type SignedMessages, signMessages } from "./keyless_bundles.ts";
import { alternate, type Measurement } from "./measure.ts";

const BUNDLES = 200;
const ROUNDS = 7;
/** Five times as quick as `@sigstore/verify`, and 0.6 of what the signatures alone take. */
const PEER_LIMIT = 1 / 5;
const BOUND_LIMIT = 1 / 0.6;

/** One signature, ready to be checked. */
interface Check {
  readonly digest: "sha256" | null;
  readonly key: KeyObject;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Verifies the same bundles offline, in one thread: certificate, SCT, log (promise and proof), timestamp,
 * identity, signature. Against `@sigstore/verify`, and against the bare ECDSA checks of their signatures.
 */
export async function* measureKeylessVerify(): AsyncGenerator<Measurement, void, undefined> {
  const messages = await signMessages(BUNDLES);
  const ours = oursOf(messages);
  const peer = peerOf(messages);
  const bare = bareOf(messages);
  for (const run of [ours, peer, bare]) run(); // warm
  yield await alternate(
    { name: "keyless_verify, to @sigstore/verify", unit: "ms", limit: PEER_LIMIT },
    ROUNDS,
    () => timed(ours),
    () => timed(peer),
  );
  yield await alternate(
    { name: "keyless_verify, to the bare signatures", unit: "ms", limit: BOUND_LIMIT },
    ROUNDS,
    () => timed(ours),
    () => timed(bare),
  );
}

function timed(run: () => void): Promise<number> {
  Bun.gc(true);
  const startedMs = performance.now();
  run();
  return Promise.resolve(performance.now() - startedMs);
}

function oursOf({ trustedRoot, identity, issuer, signed }: SignedMessages): () => void {
  const root = parseTrustedRoot(utf8(trustedRoot));
  const identities = [{ subject: { exact: identity }, issuer: { exact: issuer } }];
  const demands = { identities, logThreshold: 1, timestampThreshold: 1, sct: true };
  const policy = signerPolicy([], demands, root);
  return () => {
    for (const { message, bundle } of signed) {
      const { evidence, claimed, material } = parseAnyBundle(bundle, "bundle");
      const blob = { source: "message", bytes: message, digests: { sha256: sha256(message) } };
      const signer = verifyBlob(blob, evidence, material, expectedSigner(policy, claimed).policy);
      if (signer.logEntries.length + signer.timestamps.length !== 2) throw new Error("too little");
    }
  };
}

function peerOf({ trustedRoot, identity, signed }: SignedMessages): () => void {
  const trust = toTrustMaterial(TrustedRoot.fromJSON(JSON.parse(trustedRoot)));
  const verifier = new Verifier(trust, {
    tlogThreshold: 1,
    ctlogThreshold: 1,
    timestampThreshold: 2,
  });
  const texts = signed.map(({ message, bundle }) => ({
    message: Buffer.from(message),
    json: new TextDecoder().decode(bundle),
  }));
  return () => {
    for (const { message, json } of texts) {
      const entity = toSignedEntity(bundleFromJSON(JSON.parse(json)), message);
      verifier.verify(entity, { subjectAlternativeName: identity });
    }
  };
}

/** The signatures of the bundles, and nothing else: what is signed, and all keys, are there already. */
function bareOf({ trustedRoot, signed }: SignedMessages): () => void {
  const root = parseTrustedRoot(utf8(trustedRoot));
  const [authority] = root.certificateAuthorities;
  const [issuer] = authority?.chain ?? [];
  const [ctLog] = root.ctLogs;
  const [stamper] = root.timestampAuthorities[0]?.chain ?? [];
  if (issuer === undefined || ctLog === undefined || stamper === undefined)
    throw new Error("no root");
  const keyOf = (spki: Uint8Array) =>
    createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  const [issuerKey, ctKey, stamperKey] = [issuer.spki, ctLog.key.spki, stamper.spki].map(keyOf);
  const checks: Check[] = [];
  for (const { message, bundle } of signed) {
    const { evidence, material } = parseAnyBundle(bundle, "bundle");
    const leaf = parseCertificate(material.certificates[0] ?? new Uint8Array());
    const [entry] = material.logEntries;
    const log = root.logs.find(({ keyId }) => Buffer.compare(keyId, entry?.logId ?? keyId) === 0);
    const [sct] = embeddedScts(leaf);
    const stamp = parseTimestamp(material.timestamps[0] ?? new Uint8Array());
    const checkpoint = parseCheckpoint(entry?.proof?.checkpoint ?? "");
    if (!entry || !log || !sct || evidence.kind !== "signature") throw new Error("no bundle");
    const logKey = keyOf(log.key.spki);
    const promised = JSON.stringify({
      body: entry.body.toBase64(),
      integratedTime: entry.integratedTime,
      logID: entry.logId.toHex(),
      logIndex: entry.logIndex,
    });
    const check = (
      key: KeyObject | undefined,
      of: Uint8Array,
      signature: Uint8Array | undefined,
    ): void => {
      if (key === undefined || signature === undefined) throw new Error("no signature");
      checks.push({ digest: "sha256", key, message: of, signature });
    };
    check(issuerKey, leaf.tbs, leaf.signature);
    check(ctKey, signedByEmbedded(sct, leaf, issuer), sct.signature);
    check(logKey, utf8(promised), entry.promise);
    check(logKey, checkpoint.signed, checkpoint.signatures[0]?.signature);
    check(stamperKey, stamp.signer.attributes, stamp.signer.signature);
    check(keyOf(leaf.spki), message, evidence.signature);
  }
  return () => {
    for (const { digest, key, message, signature } of checks) {
      if (!verify(digest, message, key, signature)) throw new Error("a bad signature");
    }
  };
}
