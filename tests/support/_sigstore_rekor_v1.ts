import { sign, verify, X509Certificate } from "node:crypto";
import { concatBytes, utf8 } from "../../engine/model/bytes.ts";
import {
  checkDigestSignature,
  checkpointOf,
  hashOf,
  keyOf,
  spkiOf,
  type TestKeys,
  type TestLog,
} from "./_sigstore_log.ts";
import { MerkleTree } from "./_sigstore_tree.ts";
import type { SigstoreSettings } from "./sigstore_server.ts";

/** Rekor v1, whose log is a row of shards. */
export interface TestLogV1 extends TestLog {
  /** Closes the shard that grows, and begins another. */
  rotate(): void;
}

/** A tree, and what stands beside its leaves. */
interface Shard {
  readonly treeId: bigint;
  /** Where its entries begin in the whole log. */
  readonly offset: number;
  readonly tree: MerkleTree;
  readonly times: number[];
}

interface Place {
  readonly shard: Shard;
  readonly index: number;
}

// biome-ignore lint/suspicious/noExplicitAny: what a client posts is looked at as the server finds it
type Posted = any;
const HEX_TREE_ID = 16;
const FIRST_TREE_ID = 1_193_050_959_916_656_506n;
const MAX_QUERIES = 10;

/** Rekor v1. The entries of its first shard begin at `settings.shardOffset` of the whole log. */
export function makeRekorV1(keys: TestKeys, settings: SigstoreSettings): TestLogV1 {
  const shards: Shard[] = [];
  const begin = (offset: number): void => {
    const treeId = FIRST_TREE_ID + BigInt(shards.length);
    shards.push({ treeId, offset, tree: new MerkleTree(), times: [] });
  };
  begin(settings.shardOffset);
  const active = (): Shard => {
    const last = shards.at(-1);
    if (last === undefined) throw new TypeError("a log without shards");
    return last;
  };
  /** UUIDs of entries by what they can be searched for. */
  const indexed = new Map<string, Set<string>>();
  const keyId = hashOf(spkiOf(keys.publicKey));

  const uuidOf = ({ shard, index }: Place): string =>
    shard.treeId.toString(16).padStart(HEX_TREE_ID, "0") + shard.tree.leafHash(index).toHex();
  const checkpoint = ({ tree, treeId }: Shard): string =>
    checkpointOf(tree, `rekor.test - ${treeId}`, "rekor.test", keyId, keys.privateKey);
  const answer = (place: Place): object => {
    const { shard, index } = place;
    const { tree, times, offset } = shard;
    const body = (tree.entries[index] ?? new Uint8Array()).toBase64();
    const integratedTime = times[index] ?? 0;
    const logID = keyId.toHex();
    const logIndex = index + offset;
    const promise = sign(
      "sha256",
      utf8(JSON.stringify({ body, integratedTime, logID, logIndex })),
      keys.privateKey,
    );
    const inclusionProof = {
      checkpoint: checkpoint(shard),
      hashes: tree.proof(index).map((hash) => hash.toHex()),
      logIndex: index,
      rootHash: tree.root().toHex(),
      treeSize: tree.size,
    };
    const verification = {
      inclusionProof,
      signedEntryTimestamp: promise.toString("base64"),
    };
    return { [uuidOf(place)]: { body, integratedTime, logID, logIndex, verification } };
  };
  const placesOf = (matches: (entry: Uint8Array, place: Place) => boolean): readonly Place[] =>
    shards.flatMap((shard) =>
      shard.tree.entries.flatMap((entry, index) =>
        matches(entry, { shard, index }) ? [{ shard, index }] : [],
      ),
    );
  /** By the leaf's hash in all shards, with a tree's id in front of it in that one. */
  const byUuid = (uuid: string): readonly Place[] =>
    placesOf((_, place) => uuidOf(place).endsWith(uuid));
  const byBody = (body: Uint8Array): readonly Place[] =>
    placesOf((entry) => Buffer.compare(entry, body) === 0);
  const byIndex = (logIndex: number): readonly Place[] =>
    placesOf((_, { shard, index }) => shard.offset + index === logIndex);

  const create = async (request: Request): Promise<Response> => {
    let proposed: Posted;
    let body: Uint8Array;
    try {
      proposed = await request.json();
      body = canonicalV1(proposed);
    } catch (error) {
      return problem(400, `error processing entry: ${String(error)}`);
    }
    const shard = active();
    // What stands in an older shard is logged again.
    const known = byBody(body).find((place) => place.shard === shard);
    if (known !== undefined) {
      const uuid = uuidOf(known);
      const message = `an equivalent entry already exists in the transparency log with UUID ${uuid}`;
      const headers = { Location: `/api/v1/log/entries/${uuid}` };
      return Response.json({ code: 409, message }, { status: 409, headers });
    }
    shard.times.push(Math.floor(settings.now().getTime() / 1000));
    const place = { shard, index: shard.tree.append(body) };
    const uuid = uuidOf(place);
    for (const key of indexKeys(proposed, body)) {
      indexed.set(key, (indexed.get(key) ?? new Set()).add(uuid));
    }
    const headers = { Location: `/api/v1/log/entries/${uuid}`, ETag: uuid };
    return Response.json(answer(place), { status: 201, headers });
  };

  const retrieve = async (request: Request): Promise<Response> => {
    const posted: Posted = await request.json();
    // Go's clients say null where they ask for none.
    const entryUUIDs = posted.entryUUIDs ?? [];
    const logIndexes = posted.logIndexes ?? [];
    const entries = posted.entries ?? [];
    const count = entryUUIDs.length + logIndexes.length + entries.length;
    if (count === 0 || count > MAX_QUERIES) {
      return problem(422, `between 1 and ${MAX_QUERIES} queries`);
    }
    try {
      const places: readonly Place[] = [
        ...entryUUIDs.flatMap(byUuid),
        ...logIndexes.flatMap(byIndex),
        ...entries.map(canonicalV1).flatMap(byBody),
      ];
      return Response.json(places.map(answer));
    } catch (error) {
      return problem(400, `error processing entry: ${String(error)}`);
    }
  };

  const search = async (request: Request): Promise<Response> => {
    const { hash, publicKey, email, operator = "or" }: Posted = await request.json();
    const wanted = [
      ...(hash === undefined ? [] : [prefixed(hash)]),
      ...(publicKey === undefined
        ? []
        : [hashOf(Buffer.from(publicKey.content, "base64")).toHex()]),
      ...(email === undefined ? [] : [email]),
    ].map((key) => indexed.get(key.toLowerCase()) ?? new Set<string>());
    const [first = new Set<string>(), ...more] = wanted;
    const found = more.reduce(
      (all, each) => (operator === "and" ? all.intersection(each) : all.union(each)),
      first,
    );
    return Response.json([...found]);
  };

  return {
    publicKey: keys.publicKey,
    keyId,
    get tree() {
      return active().tree;
    },
    rotate: () => begin(active().offset + active().tree.size),
    handle: async (request) => {
      const { pathname, searchParams } = new URL(request.url);
      const path = `${request.method} ${pathname}`;
      if (path === "POST /api/v1/log/entries") return await create(request);
      if (path === "POST /api/v1/log/entries/retrieve") return await retrieve(request);
      if (path === "POST /api/v1/index/retrieve") return await search(request);
      if (path === "GET /api/v1/log/publicKey") {
        return new Response(keys.publicKey.export({ format: "pem", type: "spki" }).toString(), {
          headers: { "content-type": "application/x-pem-file" },
        });
      }
      if (path === "GET /api/v1/log") {
        const infoOf = (shard: Shard): object => ({
          rootHash: shard.tree.root().toHex(),
          signedTreeHead: checkpoint(shard),
          treeID: `${shard.treeId}`,
          treeSize: shard.tree.size,
        });
        const inactiveShards = shards.slice(0, -1).map(infoOf);
        return Response.json({ inactiveShards, ...infoOf(active()) });
      }
      const uuid = /^GET \/api\/v1\/log\/entries\/((?:[0-9a-f]{16})?[0-9a-f]{64})$/.exec(path)?.[1];
      const [found] =
        uuid !== undefined
          ? byUuid(uuid)
          : path === "GET /api/v1/log/entries"
            ? byIndex(Number(searchParams.get("logIndex") ?? Number.NaN))
            : [];
      return found === undefined ? problem(404, "entry not found") : Response.json(answer(found));
    },
  };
}

/** What an entry is found by (rekor, `IndexKeys()` of its type). */
function indexKeys({ kind, spec }: Posted, body: Uint8Array): readonly string[] {
  const logged: Posted = JSON.parse(new TextDecoder().decode(body));
  const { data, signature, payloadHash, envelopeHash, signatures, content, publicKey } =
    logged.spec;
  const isEnvelope = kind === "dsse" || kind === "intoto";
  const pems: readonly string[] = isEnvelope
    ? [publicKey, ...(signatures ?? []).map(({ verifier }: Posted) => verifier)].filter(Boolean)
    : [signature.publicKey.content];
  const verifiers = pems.map((base64) => Buffer.from(base64, "base64"));
  const hashes = [data?.hash, payloadHash, envelopeHash, content?.hash, content?.payloadHash];
  const statement = isEnvelope ? statementOf(spec) : {};
  const about = (statement.subject ?? []).flatMap(({ digest }: Posted) => Object.entries(digest));
  return [
    ...verifiers.map((pem) => `${isEnvelope ? "sha256:" : ""}${hashOf(pem).toHex()}`),
    ...verifiers.flatMap((pem) => emailsIn(pem.toString())),
    ...hashes.flatMap((hash) => (hash === undefined ? [] : [`${hash.algorithm}:${hash.value}`])),
    ...about.map(([algorithm, hex]: readonly [string, string]) => `${algorithm}:${hex}`),
  ].map((key) => key.toLowerCase());
}

/** Nothing for a payload that is no statement. */
function statementOf(spec: Posted): Posted {
  const { payload } = JSON.parse(spec.proposedContent?.envelope ?? spec.content.envelope);
  const text = Buffer.from(payload, "base64").toString();
  return text.startsWith("{") ? JSON.parse(text) : {};
}

function emailsIn(pem: string): readonly string[] {
  if (!pem.includes("CERTIFICATE")) return [];
  const names = new X509Certificate(pem).subjectAltName ?? "";
  return names.split(", ").flatMap((name) => /^email:(.*)$/.exec(name)?.[1] ?? []);
}

/** As Rekor completes what it is asked for: by its length. */
function prefixed(hash: string): string {
  return /^[0-9a-f]{64}$/i.test(hash) ? `sha256:${hash}` : hash;
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
