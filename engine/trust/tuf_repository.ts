import { Buffer } from "node:buffer";
import type { TargetFile } from "@tufjs/models";
import { EqualVersionError, ExpiredMetadataError } from "tuf-js/dist/error.js";
import { TrustedMetadataStore } from "tuf-js/dist/store.js";
import { allowUnnamedDigests } from "../io/runtime_crypto.ts";
import { equalBytes } from "../model/bytes.ts";
import { CosignError, describeError } from "../model/errors.ts";
import { plainName, type TufCache } from "./tuf_cache.ts";
import { MAX_ROOT_BYTES, parseMetadataFacts } from "./tuf_metadata.ts";
import type { TufMirror } from "./tuf_mirror.ts";
import { targetMismatch, targetPath } from "./tuf_target.ts";

/** Where a repository's files come from. */
export interface TufSources {
  /** The root that everything else is led back to: a `root.json`. */
  readonly anchor: Uint8Array;
  readonly cache: TufCache;
  /** Absent: nothing is fetched, and what was kept must suffice. */
  readonly mirror?: TufMirror;
  /** Targets that came with the program: not fetched where the repository still has these very bytes. */
  readonly seeds?: readonly Uint8Array[];
}

/** A metadata file as it was verified. */
export interface TufMetadata {
  /** `root.json`, … */
  readonly file: string;
  readonly version: number;
  readonly sizeBytes: number;
  readonly expires: Date;
}

/** A file that the repository vouches for at its top level. */
export interface TufTarget {
  readonly name: string;
  /** What Sigstore says of it: `usage` and `status` (TUF §4.5, `custom`). */
  readonly sigstore: { readonly usage?: string; readonly status?: string };
}

/** A repository whose metadata was verified to its end: not expired, not older than what was known. */
export interface TufRepository {
  readonly metadata: readonly TufMetadata[];
  readonly targets: readonly TufTarget[];
  /**
   * The bytes of a target, of the length and with the digests that the repository vouches for.
   *
   * @returns nothing when the repository has none of this name.
   * @throws {CosignError} as {@link loadTufRepository}.
   */
  read(name: string, limitBytes: number): Promise<Uint8Array | undefined>;
}

// As tuf-js and go-tuf have them.
const MAX_TIMESTAMP_BYTES = 16_384;
const MAX_SNAPSHOT_BYTES = 2_000_000;
const MAX_TARGETS_BYTES = 5_000_000;
const MAX_ROOT_ROTATIONS = 256;
const MAX_DELEGATIONS = 32;
const EXPIRED_HINT =
  "Reach the mirror again (initialize), or decide yourself whose keys count: --trusted-root FILE";

/**
 * Brings a repository up to date and verifies it (the client workflow of TUF, §5.3 to §5.6), with what
 * was kept of it and, where there is a mirror, with what that has. `tuf-js` judges; what is fetched
 * and kept is up to us. What was fetched is kept once all of it is verified.
 *
 * @throws {CosignError} `TRUST_UNAVAILABLE` when something cannot be fetched or was not kept,
 * `TRUST_EXPIRED`, `TRUST_INVALID` when anything does not fit.
 */
export async function loadTufRepository(sources: TufSources): Promise<TufRepository> {
  allowUnnamedDigests();
  const client = new Client(sources);
  await client.refresh();
  return client;
}

class Client implements TufRepository {
  readonly #sources: TufSources;
  readonly #set: TrustedMetadataStore;
  readonly #metadata: Map<string, TufMetadata> = new Map();
  #fetched: (readonly [file: string, bytes: Uint8Array])[] = [];

  constructor(sources: TufSources) {
    this.#sources = sources;
    this.#set = this.#judge(
      "root.json",
      sources.anchor,
      (bytes) => new TrustedMetadataStore(bytes),
    );
  }

  get metadata(): readonly TufMetadata[] {
    return [...this.#metadata.values()];
  }

  get targets(): readonly TufTarget[] {
    return Object.values(this.#set.targets?.signed.targets ?? {}).map(({ path, custom }) => {
      const { usage, status } = (custom["sigstore"] ?? {}) as Record<string, unknown>;
      return {
        name: path,
        sigstore: {
          ...(typeof usage === "string" ? { usage } : {}),
          ...(typeof status === "string" ? { status } : {}),
        },
      };
    });
  }

  async refresh(): Promise<void> {
    await this.#updateRoot();
    await this.#updateTimestamp();
    await this.#updateSnapshot();
    await this.#updateRole("targets", "root");
    await this.#keepFetched();
  }

  async read(name: string, limitBytes: number): Promise<Uint8Array | undefined> {
    const target = await this.#find(plainName(name));
    await this.#keepFetched();
    if (target === undefined) return undefined;
    const { cache, mirror, seeds = [] } = this.#sources;
    if (target.length > limitBytes) {
      throw this.#invalid(name, `it has ${target.length} bytes, at most ${limitBytes} are read`);
    }
    const file = `targets/${encodeURIComponent(name)}`;
    const kept = await cache.read(file, target.length);
    const known = [...(kept === undefined ? [] : [kept]), ...seeds];
    const same = known.find((bytes) => targetMismatch(target, bytes) === undefined);
    if (same !== undefined) return same;
    if (mirror === undefined) throw this.#unavailable(name, "it was not kept");
    const path = targetPath(target, this.#set.root.signed.consistentSnapshot);
    const bytes = await mirror.read(path, target.length);
    if (bytes === undefined) throw this.#unavailable(name, "the mirror does not have it");
    const why = targetMismatch(target, bytes);
    if (why !== undefined) throw this.#invalid(name, why);
    await cache.write(file, bytes);
    return bytes;
  }

  /** §5.3. Every root is kept under its number: from the anchor on, none is fetched twice. */
  async #updateRoot(): Promise<void> {
    const { cache, mirror } = this.#sources;
    const last = await cache.read("root.json", MAX_ROOT_BYTES);
    let current = this.#sources.anchor;
    const first = this.#set.root.signed.version + 1;
    for (let version = first; version < first + MAX_ROOT_ROTATIONS; version++) {
      const file = `root_history/${version}.root.json`;
      const kept = [await cache.read(file, MAX_ROOT_BYTES), last];
      const next = kept.find((bytes) => bytes !== undefined && this.#isNextRoot(bytes));
      const bytes = next ?? (await mirror?.read(`${version}.root.json`, MAX_ROOT_BYTES));
      if (bytes === undefined) break;
      if (next === undefined) {
        this.#judge("root.json", bytes, (buffer) => this.#set.updateRoot(buffer));
        await cache.write(file, bytes); // at once: whatever else fails, the old keys do not come back
      }
      current = bytes;
    }
    if (last === undefined || !equalBytes(last, current))
      this.#fetched.push(["root.json", current]);
  }

  #isNextRoot(bytes: Uint8Array): boolean {
    try {
      this.#judge("root.json", bytes, (buffer) => this.#set.updateRoot(buffer));
      return true;
    } catch (error) {
      if (error instanceof CosignError) return false; // another one, or damaged: the mirror is asked
      throw error;
    }
  }

  /** §5.4. */
  async #updateTimestamp(): Promise<void> {
    const { cache, mirror } = this.#sources;
    const file = "timestamp.json";
    const update = (bytes: Uint8Array) =>
      this.#judge(file, bytes, (buffer) => this.#set.updateTimestamp(buffer));
    const kept = await cache.read(file, MAX_TIMESTAMP_BYTES);
    try {
      if (kept === undefined) throw this.#unavailable(file, "it was not kept");
      update(kept);
    } catch (error) {
      // An expired one still stands against an older one; a damaged one is forgotten.
      if (mirror === undefined || !(error instanceof CosignError)) throw error;
    }
    if (mirror === undefined) return;
    const bytes = await mirror.read(file, MAX_TIMESTAMP_BYTES);
    if (bytes === undefined) throw this.#unavailable(file, "the mirror does not have it");
    try {
      update(bytes);
      this.#fetched.unshift([file, bytes]);
    } catch (error) {
      if (!(error instanceof EqualVersionError)) throw error;
    }
  }

  /** §5.5. */
  async #updateSnapshot(): Promise<void> {
    const { version, length } = this.#set.timestamp?.signed.snapshotMeta ?? {};
    await this.#loadFile(
      { file: "snapshot.json", version, limitBytes: limited(length, MAX_SNAPSHOT_BYTES) },
      // A kept one may be an older one: it is what the new one must not go back behind.
      (buffer, isKept) => this.#set.updateSnapshot(buffer, isKept),
    );
  }

  /** §5.6. */
  async #updateRole(role: string, parent: string): Promise<void> {
    if (this.#set.getRole(role) !== undefined) return;
    const file = `${encodeURIComponent(plainName(role))}.json`;
    const { version, length } = this.#set.snapshot?.signed.meta[`${role}.json`] ?? {};
    await this.#loadFile(
      { file, version, limitBytes: limited(length, MAX_TARGETS_BYTES) },
      (buffer) => this.#set.updateDelegatedTargets(buffer, role, parent),
    );
  }

  /** Takes the file that was kept if it is still the right one, else the mirror's. */
  async #loadFile(
    wanted: {
      readonly file: string;
      readonly version: number | undefined;
      readonly limitBytes: number;
    },
    update: (buffer: Buffer, isKept: boolean) => unknown,
  ): Promise<void> {
    const { file, version, limitBytes } = wanted;
    const { cache, mirror } = this.#sources;
    const kept = await cache.read(file, MAX_TARGETS_BYTES);
    try {
      if (kept === undefined) throw this.#unavailable(file, "it was not kept");
      this.#judge(file, kept, (buffer) => update(buffer, true));
      return;
    } catch (error) {
      if (mirror === undefined || !(error instanceof CosignError)) throw error;
    }
    const isNumbered = this.#set.root.signed.consistentSnapshot && version !== undefined;
    const path = isNumbered ? `${version}.${file}` : file;
    const bytes = await mirror.read(path, limitBytes);
    if (bytes === undefined) throw this.#unavailable(path, "the mirror does not have it");
    this.#judge(file, bytes, (buffer) => update(buffer, false));
    this.#fetched.unshift([file, bytes]);
  }

  /** The most trusted role that knows a target (§5.6.7): in preorder, as the delegations stand. */
  async #find(name: string): Promise<TargetFile | undefined> {
    const open: (readonly [role: string, parent: string])[] = [["targets", "root"]];
    const seen = new Set<string>();
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const [role, parent] = next;
      if (seen.has(role)) continue;
      if (seen.size >= MAX_DELEGATIONS) throw this.#invalid(name, "it is delegated too often");
      seen.add(role);
      await this.#updateRole(role, parent);
      const targets = this.#set.getRole(role)?.signed;
      if (targets !== undefined && Object.hasOwn(targets.targets, name))
        return targets.targets[name];
      const below: (readonly [string, string])[] = [];
      for (const { role: child, terminating } of targets?.delegations?.rolesForTarget(name) ?? []) {
        below.push([child, role]);
        if (!terminating) continue;
        open.length = 0;
        break;
      }
      open.push(...below.reverse());
    }
    return undefined;
  }

  /** The timestamp last: whoever reads meanwhile finds what it leads to. */
  async #keepFetched(): Promise<void> {
    const fetched = this.#fetched;
    this.#fetched = [];
    for (const [file, bytes] of fetched) await this.#sources.cache.write(file, bytes);
  }

  #judge<T>(file: string, bytes: Uint8Array, update: (buffer: Buffer) => T): T {
    try {
      const facts = parseMetadataFacts(bytes);
      const answer = update(Buffer.from(bytes));
      this.#metadata.set(file, { file, sizeBytes: bytes.length, ...facts });
      return answer;
    } catch (cause) {
      if (cause instanceof EqualVersionError) throw cause;
      if (cause instanceof ExpiredMetadataError) throw this.#expired(file, bytes, cause);
      throw this.#invalid(file, describeError(cause), cause);
    }
  }

  #expired(file: string, bytes: Uint8Array, cause: unknown): CosignError {
    const { root, timestamp, snapshot } = this.#set;
    const old = Object.entries({ root, timestamp, snapshot }).find(([, role]) =>
      role?.signed.isExpired(),
    );
    const name = old === undefined ? file : `${old[0]}.json`;
    const until = new Date(old?.[1]?.signed.expires ?? parseMetadataFacts(bytes).expires);
    return new CosignError(
      "TRUST_EXPIRED",
      `The trust of "${this.#name}" has expired: its "${name}" was valid until ${until.toISOString()}`,
      { cause, hint: EXPIRED_HINT },
    );
  }

  #invalid(file: string, why: string, cause?: unknown): CosignError {
    return new CosignError("TRUST_INVALID", `Cannot trust "${file}" of "${this.#name}": ${why}`, {
      cause,
    });
  }

  #unavailable(file: string, why: string): CosignError {
    return new CosignError("TRUST_UNAVAILABLE", `Cannot read "${file}" of "${this.#name}": ${why}`);
  }

  get #name(): string {
    return this.#sources.mirror?.name ?? "the TUF repository";
  }
}

function limited(length: number | undefined, limitBytes: number): number {
  return Math.min(length ?? limitBytes, limitBytes);
}
