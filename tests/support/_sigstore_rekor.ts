import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
  X509Certificate,
} from "node:crypto";
import { verifyDigest } from "../../engine/crypto/digest_signature.ts";
import { parsePublicKeyDer } from "../../engine/crypto/public_key.ts";
import { concatBytes, utf8 } from "../../engine/model/bytes.ts";
import { MerkleTree } from "./_sigstore_tree.ts";
import type { SigstoreSettings } from "./sigstore_server.ts";

/** A transparency log in memory. */
export interface TestLog {
  /** What its checkpoints and promises are signed with. */
  readonly publicKey: KeyObject;
  /** `logId.keyId` of a trusted root. */
  readonly keyId: Uint8Array;
  readonly tree: MerkleTree;
  handle(request: Request): Promise<Response>;
}

// biome-ignore lint/suspicious/noExplicitAny: what a client posts is looked at as the server finds it
type Posted = any;
const HEX_TREE_ID = 16;
const TREE_ID = "1193050959916656506";

/** Rekor v1: one active shard, whose entries begin at `settings.shardOffset` of the whole log. */
export function makeRekorV1(
  keys: { readonly privateKey: KeyObject; readonly publicKey: KeyObject },
  settings: SigstoreSettings,
): TestLog {
  const tree = new MerkleTree();
  const times: number[] = [];
  const spki = spkiOf(keys.publicKey);
  const keyId = hashOf(spki);
  const prefix = BigInt(TREE_ID).toString(16).padStart(HEX_TREE_ID, "0");
  const uuidOf = (index: number): string => prefix + tree.leafHash(index).toHex();
  const origin = `rekor.test - ${TREE_ID}`;
  const answer = (index: number): object => {
    const body = (tree.entries[index] ?? new Uint8Array()).toBase64();
    const integratedTime = times[index] ?? 0;
    const logID = keyId.toHex();
    const logIndex = index + settings.shardOffset;
    const promise = sign(
      "sha256",
      utf8(JSON.stringify({ body, integratedTime, logID, logIndex })),
      keys.privateKey,
    );
    return {
      body,
      integratedTime,
      logID,
      logIndex,
      verification: {
        inclusionProof: {
          checkpoint: checkpointOf(tree, origin, "rekor.test", keyId, keys.privateKey),
          hashes: tree.proof(index).map((hash) => hash.toHex()),
          logIndex: index,
          rootHash: tree.root().toHex(),
          treeSize: tree.size,
        },
        signedEntryTimestamp: promise.toString("base64"),
      },
    };
  };
  const find = (uuid: string): number =>
    tree.entries.findIndex((_, index) => uuidOf(index).endsWith(uuid.slice(-64)));
  const isHere = (index: number): boolean => index >= 0 && index < tree.size;

  const create = async (request: Request): Promise<Response> => {
    let body: Uint8Array;
    try {
      body = canonicalV1(await request.json());
    } catch (error) {
      return problem(400, `error processing entry: ${String(error)}`);
    }
    const known = tree.entries.findIndex((entry) => Buffer.compare(entry, body) === 0);
    if (known >= 0) {
      return Response.json(
        {
          code: 409,
          message: `an equivalent entry already exists in the transparency log with UUID ${uuidOf(known)}`,
        },
        { status: 409, headers: { Location: `/api/v1/log/entries/${uuidOf(known)}` } },
      );
    }
    times.push(Math.floor(settings.now().getTime() / 1000));
    const index = tree.append(body);
    return Response.json(
      { [uuidOf(index)]: answer(index) },
      {
        status: 201,
        headers: { Location: `/api/v1/log/entries/${uuidOf(index)}`, ETag: uuidOf(index) },
      },
    );
  };

  const retrieve = async (request: Request): Promise<Response> => {
    const { entryUUIDs = [], logIndexes = [], entries = [] }: Posted = await request.json();
    let indexes: readonly number[];
    try {
      indexes = [
        ...entryUUIDs.map(find),
        ...logIndexes.map((index: number) => index - settings.shardOffset),
        ...entries.map((each: Posted) => {
          const body = canonicalV1(each);
          return tree.entries.findIndex((entry) => Buffer.compare(entry, body) === 0);
        }),
      ];
    } catch (error) {
      return problem(400, `error processing entry: ${String(error)}`);
    }
    if (indexes.length === 0 || indexes.length > 10)
      return problem(422, "between 1 and 10 entries");
    return Response.json(
      indexes.filter(isHere).map((index) => ({ [uuidOf(index)]: answer(index) })),
    );
  };

  const search = async (request: Request): Promise<Response> => {
    const { hash }: Posted = await request.json();
    if (typeof hash !== "string") return problem(400, "no hash");
    const hex = hash.replace(/^sha256:/, "");
    const found = tree.entries.flatMap((entry, index) =>
      new TextDecoder().decode(entry).includes(`"${hex}"`) ? [uuidOf(index)] : [],
    );
    return Response.json(found);
  };

  return {
    publicKey: keys.publicKey,
    keyId,
    tree,
    handle: async (request) => {
      const { pathname, searchParams } = new URL(request.url);
      const path = `${request.method} ${pathname}`;
      if (path === "POST /api/v1/log/entries") return await create(request);
      if (path === "POST /api/v1/log/entries/retrieve") return await retrieve(request);
      if (path === "POST /api/v1/index/retrieve") return await search(request);
      if (path === "GET /api/v1/log/publicKey") {
        return new Response(pemOf(keys.publicKey), {
          headers: { "content-type": "application/x-pem-file" },
        });
      }
      if (path === "GET /api/v1/log") {
        return Response.json({
          inactiveShards: [],
          rootHash: tree.root().toHex(),
          signedTreeHead: checkpointOf(tree, origin, "rekor.test", keyId, keys.privateKey),
          treeID: TREE_ID,
          treeSize: tree.size,
        });
      }
      if (path === "GET /api/v1/log/entries") {
        const index = Number(searchParams.get("logIndex") ?? Number.NaN) - settings.shardOffset;
        return isHere(index)
          ? Response.json({ [uuidOf(index)]: answer(index) })
          : problem(404, "entry not found");
      }
      const uuid = /^GET \/api\/v1\/log\/entries\/((?:[0-9a-f]{16})?[0-9a-f]{64})$/.exec(path)?.[1];
      if (uuid !== undefined && isHere(find(uuid))) {
        return Response.json({ [uuidOf(find(uuid))]: answer(find(uuid)) });
      }
      return problem(404, "entry not found");
    },
  };
}

/** Rekor v2: tiles, no promise, no time; checkpoints that a witness signs too. */
export function makeRekorV2(keys: {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}): TestLog {
  const tree = new MerkleTree();
  const name = "127.0.0.1"; // the host that it is served at, without the port
  const raw = spkiOf(keys.publicKey).slice(-32);
  const keyId = hashOf(concatBytes(utf8(`${name}\n`), Uint8Array.of(1), raw));
  const witness = generateKeyPairSync("ed25519");
  const checkpoint = (): string =>
    cosigned(checkpointOf(tree, name, name, keyId, keys.privateKey), "witness.test", witness);

  const create = async (request: Request): Promise<Response> => {
    let body: Uint8Array;
    try {
      body = canonicalV2(await request.json());
    } catch (error) {
      return Response.json({ code: 3, message: String(error), details: [] }, { status: 400 });
    }
    const known = tree.entries.findIndex((entry) => Buffer.compare(entry, body) === 0);
    if (known >= 0) {
      return Response.json(
        {
          code: 6,
          message: `an equivalent entry already exists in the transparency log with index ${known}`,
          details: [],
        },
        { status: 409, headers: { "x-log-index": `${known}` } },
      );
    }
    const index = tree.append(body);
    return Response.json(
      {
        logIndex: String(index),
        logId: { keyId: keyId.toBase64() },
        kindVersion: { kind: "hashedrekord", version: "0.0.2" },
        integratedTime: "0",
        inclusionPromise: null,
        inclusionProof: {
          logIndex: String(index),
          rootHash: tree.root().toBase64(),
          treeSize: String(tree.size),
          hashes: tree.proof(index).map((hash) => hash.toBase64()),
          checkpoint: { envelope: checkpoint() },
        },
        canonicalizedBody: body.toBase64(),
      },
      { status: 201 },
    );
  };

  return {
    publicKey: keys.publicKey,
    keyId,
    tree,
    handle: async (request) => {
      const path = `${request.method} ${new URL(request.url).pathname}`;
      if (path === "POST /api/v2/log/entries") return await create(request);
      if (path === "GET /api/v2/checkpoint") return new Response(checkpoint());
      const tile = /^GET \/api\/v2\/tile\/(entries|\d+)\/((?:x\d{3}\/)*\d{3})(?:\.p\/(\d+))?$/.exec(
        path,
      );
      if (tile === null) return Response.json({ code: 5, message: "Not Found" }, { status: 404 });
      const [, level = "", index = "", width = "256"] = tile;
      const number = Number(index.replaceAll(/[x/]/g, ""));
      const content =
        level === "entries"
          ? tree.entryTile(number, Number(width))
          : tree.tile(Number(level), number, Number(width));
      return content === undefined
        ? new Response("not found", { status: 404 })
        : new Response(new Uint8Array(content));
    },
  };
}

/** A signed note (c2sp.org/tlog-checkpoint). */
function checkpointOf(
  tree: MerkleTree,
  origin: string,
  name: string,
  keyId: Uint8Array,
  key: KeyObject,
): string {
  const text = `${origin}\n${tree.size}\n${tree.root().toBase64()}\n`;
  const digest = key.asymmetricKeyType === "ed25519" ? null : "sha256";
  const signature = new Uint8Array(sign(digest, utf8(text), key));
  return `${text}\n\u2014 ${name} ${concatBytes(keyId.subarray(0, 4), signature).toBase64()}\n`;
}

/** Adds the signature of a witness (c2sp.org/tlog-cosignature). */
function cosigned(
  note: string,
  name: string,
  { privateKey, publicKey }: { readonly privateKey: KeyObject; readonly publicKey: KeyObject },
): string {
  const seconds = Math.floor(Date.now() / 1000);
  const text = note.slice(0, note.indexOf("\n\n") + 1);
  const signature = sign(null, utf8(`cosignature/v1\ntime ${seconds}\n${text}`), privateKey);
  const time = new Uint8Array(8);
  new DataView(time.buffer).setBigUint64(0, BigInt(seconds));
  const raw = spkiOf(publicKey).slice(-32);
  const keyId = hashOf(concatBytes(utf8(`${name}\n`), Uint8Array.of(4), raw));
  const content = concatBytes(keyId.subarray(0, 4), time, new Uint8Array(signature));
  return `${note}\u2014 ${name} ${content.toBase64()}\n`;
}

/** What Rekor v1 makes of a proposed entry, once the signature holds. Members in the order of RFC 8785. */
function canonicalV1(proposed: Posted): Uint8Array {
  const { kind, apiVersion, spec } = proposed;
  const entry = (canonical: object): Uint8Array =>
    utf8(JSON.stringify({ apiVersion, kind, spec: canonical }));
  const textOf = (base64: string): string => Buffer.from(base64, "base64").toString();
  if (kind === "hashedrekord" && apiVersion === "0.0.1") {
    const { algorithm, value } = spec.data.hash;
    const { content, publicKey } = spec.signature;
    const key = keyOf(textOf(publicKey.content));
    checkDigestSignature(key, algorithm, Uint8Array.fromHex(value), content);
    return entry({
      data: { hash: { algorithm, value } },
      signature: { content, publicKey: { content: publicKey.content } },
    });
  }
  if (kind === "rekord" && apiVersion === "0.0.1") {
    const data = Buffer.from(spec.data.content, "base64");
    const { content, format, publicKey } = spec.signature;
    checkSignature(textOf(publicKey.content), data, content);
    return entry({
      data: { hash: { algorithm: "sha256", value: hashOf(data).toHex() } },
      signature: { content, format, publicKey: { content: publicKey.content } },
    });
  }
  if (kind === "dsse" && apiVersion === "0.0.1") {
    const { envelope, verifiers } = spec.proposedContent;
    const { payload, payloadType, signatures } = JSON.parse(envelope);
    const bytes = Buffer.from(payload, "base64");
    const signed = signatures.map(({ sig }: Posted) => {
      const verifier = verifiers.find((each: string) =>
        isSignedBy(textOf(each), paeOf(payloadType, bytes), sig),
      );
      if (verifier === undefined)
        throw new Error("all signatures must have a key that verifies it");
      return { signature: sig, verifier };
    });
    return entry({
      envelopeHash: { algorithm: "sha256", value: hashOf(utf8(envelope)).toHex() },
      payloadHash: { algorithm: "sha256", value: hashOf(bytes).toHex() },
      signatures: signed,
    });
  }
  if (kind === "intoto" && apiVersion === "0.0.1") {
    const { envelope } = spec.content;
    const { payload, payloadType, signatures } = JSON.parse(envelope);
    const bytes = Buffer.from(payload, "base64");
    checkSignature(textOf(spec.publicKey), paeOf(payloadType, bytes), signatures[0].sig);
    return entry({
      content: {
        hash: { algorithm: "sha256", value: hashOf(utf8(envelope)).toHex() },
        payloadHash: { algorithm: "sha256", value: hashOf(bytes).toHex() },
      },
      publicKey: spec.publicKey,
    });
  }
  throw new Error(`unknown kind ${kind} ${apiVersion}`);
}

/** What Rekor v2 makes of a request: a `hashedrekord`, and nothing else (rekor-tiles, `service.go`). */
function canonicalV2(posted: Posted): Uint8Array {
  const { hashedRekordRequestV002: hashed } = posted;
  if (hashed === undefined) throw new Error("invalid type, must be hashedrekord");
  const { content, verifier } = hashed.signature;
  const { keyDetails, publicKey, x509Certificate } = verifier;
  const { rawBytes } = x509Certificate ?? publicKey;
  const der = Buffer.from(rawBytes, "base64");
  const key =
    x509Certificate === undefined
      ? createPublicKey({ key: der, format: "der", type: "spki" })
      : new X509Certificate(der).publicKey;
  const digest = new Uint8Array(Buffer.from(hashed.digest, "base64"));
  const algorithm = digestOfKey(key);
  if (keyDetails !== detailsOf(key)) throw new Error(`unsupported algorithm ${keyDetails}`);
  checkDigestSignature(key, algorithm, digest, content);
  const spec = {
    hashedRekordV002: {
      data: { algorithm: `SHA2_${algorithm.slice(3)}`, digest: hashed.digest },
      signature: {
        content,
        verifier:
          x509Certificate === undefined
            ? { keyDetails, publicKey: { rawBytes } }
            : { keyDetails, x509Certificate: { rawBytes } },
      },
    },
  };
  return utf8(JSON.stringify({ apiVersion: "0.0.2", kind: "hashedrekord", spec }));
}

/** The digest that a key's signatures must be over (sigstore, `algorithm_registry.go`). */
function digestOfKey(key: KeyObject): "sha256" | "sha384" | "sha512" {
  if (key.asymmetricKeyType === "ed25519") return "sha512";
  const curve = key.asymmetricKeyDetails?.namedCurve;
  return curve === "secp384r1" ? "sha384" : curve === "secp521r1" ? "sha512" : "sha256";
}

function detailsOf(key: KeyObject): string {
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === "ed25519") return "PKIX_ED25519_PH";
  if (key.asymmetricKeyType === "rsa") return `PKIX_RSA_PKCS1V15_${modulusLength}_SHA256`;
  const curve = namedCurve === "prime256v1" ? "256" : namedCurve?.slice(4, 7);
  return `PKIX_ECDSA_P${curve}_SHA_${digestOfKey(key).slice(3)}`;
}

/** Both versions demand a signature over the digest that goes with the key; by Ed25519, Ed25519ph. */
function checkDigestSignature(
  key: KeyObject,
  algorithm: string,
  digest: Uint8Array,
  signature: string,
): void {
  const wanted = digestOfKey(key);
  if (algorithm !== wanted) throw new Error("entry algorithms are not allowed");
  if (digest.length * 8 !== Number(wanted.slice(3))) throw new Error("invalid value for hash");
  const publicKey = parsePublicKeyDer(spkiOf(key), "test");
  verifyDigest(publicKey, { [wanted]: digest }, new Uint8Array(Buffer.from(signature, "base64")));
}

function keyOf(pem: string): KeyObject {
  return pem.includes("CERTIFICATE") ? new X509Certificate(pem).publicKey : createPublicKey(pem);
}

function isSignedBy(pem: string, message: Uint8Array, signature: string): boolean {
  const key = keyOf(pem);
  const digest = key.asymmetricKeyType === "ed25519" ? null : "sha256";
  return verify(digest, message, key, Buffer.from(signature, "base64"));
}

function checkSignature(pem: string, message: Uint8Array, signature: string): void {
  if (!isSignedBy(pem, message, signature))
    throw new Error("verifying signature: invalid signature");
}

function paeOf(type: string, payload: Uint8Array): Uint8Array {
  return concatBytes(utf8(`DSSEv1 ${utf8(type).length} ${type} ${payload.length} `), payload);
}

function problem(code: number, message: string): Response {
  return Response.json({ code, message }, { status: code });
}

function hashOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}

function spkiOf(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ format: "der", type: "spki" }));
}

function pemOf(key: KeyObject): string {
  return key.export({ format: "pem", type: "spki" }).toString();
}
