import { leafHash, nodeHash, rangesOfProof, rootOfInclusion, splitOf } from "../crypto/merkle.ts";
import { type Checkpoint, parseCheckpoint, signaturesBy } from "../formats/checkpoint.ts";
import type { LogEntry } from "../formats/log_entry.ts";
import { parseTile, parseTiledEntry, TILE_WIDTH, tilePath } from "../formats/tile.ts";
import type { TrustedLog } from "../formats/trusted_root.ts";
import { redactUrl } from "../io/http.ts";
import { retry } from "../io/retry.ts";
import { equalBytes, parseUtf8 } from "../model/bytes.ts";
import { CosignError } from "../model/errors.ts";
import { readAnswer, refused, UPLOAD } from "./_log_answer.ts";
import {
  callService,
  protocolError,
  type ServiceCall,
  type ServiceContext,
  serviceUrl,
} from "./service.ts";

/** A log of tiles, as it was at one checkpoint. */
interface TiledLog {
  readonly url: string;
  readonly treeSize: number;
  /** A tile's bytes; `level` is `entries` for the leaves themselves. */
  readonly read: (level: number | "entries", index: number, width: number) => Promise<Uint8Array>;
}

const MAX_CHECKPOINT_BYTES = 65_536;
const MAX_TILE_BYTES = TILE_WIDTH * 32;
const MAX_ENTRIES_BYTES = TILE_WIDTH * 65_537; // each of 65,535 bytes behind its length
const LEVELS_OF_TILE = 8;

/**
 * Reads an entry of a log of Rekor v2 out of its tiles, and the proof that it is there
 * (c2sp.org/tlog-tiles).
 *
 * @param trusted The log that has signed the checkpoint is among these.
 * @throws {CosignError} `LOG_REFUSED` when it is not, `SERVICE_PROTOCOL` when the tiles do not lead to the
 * checkpoint, and as {@link callService}.
 */
export async function readTiledEntry(
  index: number,
  url: string,
  trusted: readonly TrustedLog[],
  context: ServiceContext,
): Promise<LogEntry> {
  const { checkpoint, note } = await readCheckpoint(index, url, context);
  const log = trusted.find(({ keyId }) => signaturesBy(checkpoint, keyId).length > 0);
  if (log === undefined) {
    throw new CosignError(
      "LOG_REFUSED",
      `Cannot ${UPLOAD} from "${redactUrl(url)}": the log has it already, and no trusted log has signed its checkpoint`,
      { hint: "Name a trusted root that has the log: --trusted-root" },
    );
  }
  const { treeSize, rootHash } = checkpoint;
  const tiles = tiledLog(url, treeSize, context);
  const body = await readEntry(index, tiles);
  const hashes = await Promise.all(
    rangesOfProof(index, treeSize).map(({ start, end }) => hashOf(start, end, tiles)),
  );
  if (!equalBytes(rootOfInclusion(leafHash(body), index, treeSize, hashes), rootHash)) {
    throw protocolError({ what: UPLOAD, url }, "its tiles do not lead to its checkpoint");
  }
  return {
    logIndex: index,
    logId: log.keyId,
    body,
    proof: { logIndex: index, treeSize, rootHash, hashes, checkpoint: note },
  };
}

/** The newest checkpoint, once it has the entry. */
async function readCheckpoint(
  index: number,
  url: string,
  context: ServiceContext,
): Promise<{ readonly checkpoint: Checkpoint; readonly note: string }> {
  const call = readCall(url, "checkpoint", MAX_CHECKPOINT_BYTES);
  const { signal } = context;
  return await retry(
    async () => {
      const reply = await callService(call, context);
      if (reply.status !== 200) throw refused(reply, call);
      const note = readAnswer(call, () => parseUtf8(reply.body));
      const checkpoint = readAnswer(call, () => parseCheckpoint(note));
      if (checkpoint.treeSize > index) return { value: { checkpoint, note } };
      const why = `its checkpoint is of ${checkpoint.treeSize} entries, and it says that ours has the index ${index}`;
      return { transient: protocolError(call, why) };
    },
    { ...context.retry, ...(signal === undefined ? {} : { signal }) },
  );
}

async function readEntry(index: number, tiles: TiledLog): Promise<Uint8Array> {
  const tile = Math.floor(index / TILE_WIDTH);
  const width = Math.min(TILE_WIDTH, tiles.treeSize - tile * TILE_WIDTH);
  const bytes = await tiles.read("entries", tile, width);
  return readAnswer({ what: UPLOAD, url: tiles.url }, () =>
    parseTiledEntry(bytes, index % TILE_WIDTH),
  );
}

/** The hash over leaves that are a subtree of their own (RFC 6962 §2.1). */
async function hashOf(start: number, end: number, tiles: TiledLog): Promise<Uint8Array> {
  const size = end - start;
  const half = size === 1 ? 0 : splitOf(size);
  if (half * 2 === size || size === 1) return await readNode(start, size, tiles);
  const [left, right] = await Promise.all([
    hashOf(start, start + half, tiles),
    hashOf(start + half, end, tiles),
  ]);
  return nodeHash(left, right);
}

/** The hash over 2^n leaves: out of the tile of its level, or of the next level of tiles below. */
async function readNode(start: number, size: number, tiles: TiledLog): Promise<Uint8Array> {
  const level = Math.floor(Math.round(Math.log2(size)) / LEVELS_OF_TILE);
  const below = TILE_WIDTH ** level; // leaves under each hash of the tile
  const first = start / below;
  const index = Math.floor(first / TILE_WIDTH);
  const width = Math.min(TILE_WIDTH, Math.floor(tiles.treeSize / below) - index * TILE_WIDTH);
  const bytes = await tiles.read(level, index, width);
  const hashes = readAnswer({ what: UPLOAD, url: tiles.url }, () => parseTile(bytes, width));
  let nodes = hashes.slice(first % TILE_WIDTH, (first % TILE_WIDTH) + size / below);
  while (nodes.length > 1) {
    nodes = nodes.flatMap((node, i) =>
      i % 2 === 0 ? [nodeHash(node, nodes[i + 1] ?? new Uint8Array())] : [],
    );
  }
  return nodes[0] ?? new Uint8Array();
}

/** Asks for each tile once. */
function tiledLog(url: string, treeSize: number, context: ServiceContext): TiledLog {
  const tiles = new Map<string, Promise<Uint8Array>>();
  const fetchTile = async (level: number | "entries", index: number, width: number) => {
    const limitBytes = level === "entries" ? MAX_ENTRIES_BYTES : MAX_TILE_BYTES;
    const call = readCall(url, tilePath(level, index, width), limitBytes);
    const reply = await callService(call, context);
    if (reply.status === 200) return reply.body;
    // A tile that has been filled since then may stand there as the full one alone.
    const full = readCall(url, tilePath(level, index, TILE_WIDTH), limitBytes);
    const second = width < TILE_WIDTH ? await callService(full, context) : reply;
    if (second.status === 200) return second.body;
    throw refused(reply, call);
  };
  return {
    url,
    treeSize,
    read: (level, index, width) => {
      const path = tilePath(level, index, width);
      const known = tiles.get(path) ?? fetchTile(level, index, width);
      tiles.set(path, known);
      return known;
    },
  };
}

function readCall(url: string, path: string, limitBytes: number): ServiceCall {
  return {
    service: "rekor",
    method: "GET",
    url: serviceUrl(url, `/api/v2/${path}`),
    what: UPLOAD,
    limitBytes,
  };
}
