import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { encodePem } from "../../engine/crypto/pem.ts";
import { parsePublicKeyDer } from "../../engine/crypto/public_key.ts";
import { encodePae } from "../../engine/formats/dsse.ts";
import type { SignatureMaterial } from "../../engine/formats/evidence.ts";
import type { LogEntry } from "../../engine/formats/log_entry.ts";
import { encodeTimestampRequest } from "../../engine/formats/timestamp_request.ts";
import type {
  TrustedAuthority,
  TrustedLog,
  TrustedRoot,
} from "../../engine/formats/trusted_root.ts";
import { parseCertificate } from "../../engine/formats/x509.ts";
import { concatBytes, utf8 } from "../../engine/model/bytes.ts";
import type { SignerPolicy } from "../../engine/verify/signer.ts";
import { checkpointOf, hashOf, spkiOf, type TestKeys } from "./_sigstore_log.ts";
import { MerkleTree } from "./_sigstore_tree.ts";
import { makeTimestampAuthority, type TestTimestampAuthority } from "./_sigstore_tsa.ts";
import { makeAuthority, makeLeaf, newKey, type TestCertificate } from "./certificates.ts";

/** When things are signed, where a test says nothing else. */
export const SIGNED_AT: Date = new Date("2026-05-05T05:05:05Z");
export const SUBJECT = "mail@example.com";
/** How long a certificate lives. */
export const LIFE_MS: number = 600_000;

/** A log of Rekor's in memory, whose entries and checkpoints a test makes as it likes. */
export class KitLog {
  readonly version: 1 | 2;
  readonly name: string;
  readonly keys: TestKeys;
  readonly tree: MerkleTree = new MerkleTree();
  readonly keyId: Uint8Array;

  /** @param name The host of its address, and the name that it signs under. */
  constructor(version: 1 | 2, name: string) {
    this.version = version;
    this.name = name;
    this.keys =
      version === 1
        ? generateKeyPairSync("ec", { namedCurve: "P-256" })
        : generateKeyPairSync("ed25519");
    const spki = spkiOf(this.keys.publicKey);
    this.keyId =
      version === 1
        ? hashOf(spki)
        : hashOf(concatBytes(utf8(`${name}\n`), Uint8Array.of(1), spki.slice(-32)));
    for (let i = 0; i < 5; i++) this.tree.append(utf8(`something else ${i}`));
  }

  trusted(changes: Partial<TrustedLog> = {}): TrustedLog {
    return {
      baseUrl: `https://${this.name}`,
      key: parsePublicKeyDer(spkiOf(this.keys.publicKey), this.name),
      keyId: this.keyId,
      validFor: {},
      ...changes,
    };
  }

  /** Takes a body in, and answers with all that vouches for it. */
  take(body: object, time: Date = SIGNED_AT): LogEntry {
    const bytes = utf8(JSON.stringify(body));
    const logIndex = this.tree.append(bytes);
    for (let i = 0; i < 3; i++) this.tree.append(utf8(`something later ${logIndex} ${i}`));
    return this.entry(bytes, logIndex, time);
  }

  entry(body: Uint8Array, logIndex: number, time: Date): LogEntry {
    const { kind, apiVersion: version } = JSON.parse(new TextDecoder().decode(body));
    const common = {
      logIndex,
      logId: this.keyId,
      kindVersion: { kind, version },
      body,
      proof: {
        logIndex,
        treeSize: this.tree.size,
        rootHash: this.tree.root(),
        hashes: this.tree.proof(logIndex),
        checkpoint: this.checkpoint(),
      },
    };
    if (this.version === 2) return common;
    const integratedTime = Math.floor(time.getTime() / 1000);
    return { ...common, integratedTime, promise: this.promise(body, integratedTime, logIndex) };
  }

  checkpoint(tree: MerkleTree = this.tree, origin: string = this.#origin): string {
    return checkpointOf(tree, origin, this.name, this.keyId, this.keys.privateKey);
  }

  /** A signed entry timestamp. */
  promise(body: Uint8Array, integratedTime: number, logIndex: number): Uint8Array {
    const signed = JSON.stringify({
      body: body.toBase64(),
      integratedTime,
      logID: this.keyId.toHex(),
      logIndex,
    });
    return new Uint8Array(sign("sha256", utf8(signed), this.keys.privateKey));
  }

  get #origin(): string {
    return this.version === 1 ? `${this.name} - 1193050959916656506` : this.name;
  }
}

/** A whole Sigstore without servers: who trusts `root` believes what the others of it make. */
export interface Kit {
  readonly authority: TestCertificate;
  readonly intermediate: TestCertificate;
  readonly v1: KitLog;
  readonly v2: KitLog;
  readonly tsa: TestTimestampAuthority;
  readonly root: TrustedRoot;
  /** A new certificate, valid for ten minutes. */
  certify(at?: Date, key?: KeyObject): TestCertificate;
}

/** Makes one with keys of its own. Authorities are valid from 2020 to 2046. */
export function makeKit(): Kit {
  const long = { notBefore: "20200101000000Z", notAfter: "20460101000000Z" };
  const authority = makeAuthority("root of the kit", undefined, long);
  const intermediate = makeAuthority("intermediate of the kit", authority, long);
  const v1 = new KitLog(1, "rekor.test");
  const v2 = new KitLog(2, "log2026.rekor.test");
  const tsa = makeTimestampAuthority();
  return {
    authority,
    intermediate,
    v1,
    v2,
    tsa,
    root: {
      logs: [v1.trusted(), v2.trusted()],
      certificateAuthorities: [authorityOf("https://fulcio.test", [intermediate, authority])],
      ctLogs: [],
      timestampAuthorities: [authorityOf("https://tsa.test", tsa.chain)],
    },
    certify: (at = SIGNED_AT, key = newKey()) =>
      makeLeaf(intermediate, {
        key,
        notBefore: derTime(at),
        notAfter: derTime(new Date(at.getTime() + LIFE_MS)),
        names: [[0x81, SUBJECT]],
      }),
  };
}

/** An authority of a trusted root. */
export function authorityOf(
  uri: string,
  chain: readonly TestCertificate[],
  validFor: TrustedAuthority["validFor"] = {},
): TrustedAuthority {
  return { uri, chain: chain.map(({ der }) => parseCertificate(der)), validFor };
}

/** Who trusts a kit, and demands a log. No log of certificates is asked. */
export function policyOf(
  root: TrustedRoot,
  changes: { readonly logs?: number; readonly timestamps?: number; readonly now?: Date } = {},
): SignerPolicy {
  return {
    keys: [],
    certificates: {
      authorities: root.certificateAuthorities,
      identities: [{ identity: { exact: SUBJECT } }],
      ...(changes.now === undefined ? {} : { now: changes.now }),
    },
    witnesses: {
      logs: root.logs,
      logThreshold: changes.logs ?? 1,
      timestampAuthorities: root.timestampAuthorities,
      timestampThreshold: changes.timestamps ?? 0,
    },
  };
}

/** Signs bytes with the digest that goes with the key. */
export function signBytes({ privateKey }: TestCertificate, bytes: Uint8Array): Uint8Array {
  return new Uint8Array(sign(digestOf(privateKey), bytes, privateKey));
}

/** The body of a `hashedrekord` of Rekor v1 or v2; each part may be somebody else's. */
export function hashedRekord(
  version: 1 | 2,
  parts: { readonly message: Uint8Array; readonly signature: Uint8Array; readonly der: Uint8Array },
  digest: "sha256" | "sha384" | "sha512" = "sha256",
): object {
  const hash = createHash(digest).update(parts.message).digest();
  const content = parts.signature.toBase64();
  if (version === 1) {
    const pem = utf8(encodePem("CERTIFICATE", parts.der)).toBase64();
    return {
      apiVersion: "0.0.1",
      kind: "hashedrekord",
      spec: {
        data: { hash: { algorithm: digest, value: hash.toString("hex") } },
        signature: { content, publicKey: { content: pem } },
      },
    };
  }
  return {
    apiVersion: "0.0.2",
    kind: "hashedrekord",
    spec: {
      hashedRekordV002: {
        data: { algorithm: `SHA2_${digest.slice(3)}`, digest: hash.toString("base64") },
        signature: {
          content,
          verifier: {
            keyDetails: "PKIX_ECDSA_P256_SHA_256",
            x509Certificate: { rawBytes: parts.der.toBase64() },
          },
        },
      },
    },
  };
}

/** A timestamp of a signature. */
export function stamp(
  tsa: TestTimestampAuthority,
  signature: Uint8Array,
  time: Date = SIGNED_AT,
): Uint8Array {
  const nonce = Uint8Array.of(1, 2, 3);
  const request = encodeTimestampRequest({ algorithm: "sha256", digest: hashOf(signature), nonce });
  return tsa.answer(request, { time });
}

/** What lies beside a signature; a test says what it brings along. */
export function materialOf(
  certificate: TestCertificate,
  witnesses: Partial<Pick<SignatureMaterial, "logEntries" | "timestamps" | "logEvidence">>,
): SignatureMaterial {
  return {
    certificates: [certificate.der],
    logEntries: [],
    logEvidence: "proof",
    timestamps: [],
    ...witnesses,
  };
}

/** The bytes that an envelope's signature is over, of a statement about nothing. */
export function statementPae(payload: Uint8Array): Uint8Array {
  return encodePae("application/vnd.in-toto+json", payload);
}

function digestOf(key: KeyObject): string {
  const curve = key.asymmetricKeyDetails?.namedCurve;
  return curve === "secp384r1" ? "sha384" : curve === "secp521r1" ? "sha512" : "sha256";
}

function derTime(time: Date): string {
  return `${time.toISOString().replaceAll(/[-:T]|\.\d+Z$/g, "")}Z`;
}
