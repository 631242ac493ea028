import {
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  X509Certificate,
} from "node:crypto";
import { concatBytes, utf8 } from "../../engine/model/bytes.ts";
import {
  checkDigestSignature,
  checkpointOf,
  digestOfKey,
  hashOf,
  spkiOf,
  type TestKeys,
  type TestLog,
} from "./_sigstore_log.ts";
import { MerkleTree } from "./_sigstore_tree.ts";

// biome-ignore lint/suspicious/noExplicitAny: what a client posts is looked at as the server finds it
type Posted = any;

/** Rekor v2: tiles, no promise, no time; checkpoints that a witness signs too. */
export function makeRekorV2(keys: TestKeys): TestLog {
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

/** Adds the signature of a witness (c2sp.org/tlog-cosignature). */
function cosigned(note: string, name: string, { privateKey, publicKey }: TestKeys): string {
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

function detailsOf(key: KeyObject): string {
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === "ed25519") return "PKIX_ED25519_PH";
  if (key.asymmetricKeyType === "rsa") return `PKIX_RSA_PKCS1V15_${modulusLength}_SHA256`;
  const curve = namedCurve === "prime256v1" ? "256" : namedCurve?.slice(4, 7);
  return `PKIX_ECDSA_P${curve}_SHA_${digestOfKey(key).slice(3)}`;
}
