import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import {
  Key,
  Metadata,
  type MetadataKind,
  MetaFile,
  Root,
  Signature,
  Snapshot,
  TargetFile,
  Targets,
  Timestamp,
} from "@tufjs/models";

/** The roles that a root names. */
export type TufRole = "root" | "timestamp" | "snapshot" | "targets";

/** How a file of a target is described; what is absent is right. */
export interface TestTarget {
  readonly content: string | Uint8Array;
  /** What is written beside it, for targets that say what they are for. */
  readonly custom?: object;
  readonly length?: number;
  readonly hashes?: Readonly<Record<string, string>>;
}

/** A repository's settings for what it publishes next. */
export interface Publication {
  readonly targets?: Readonly<Record<string, TestTarget>>;
  /** Of each role; the default is in a week. */
  readonly expires?: Partial<Record<TufRole, string>>;
  /** Instead of the next one. */
  readonly versions?: Partial<Record<Exclude<TufRole, "root">, number>>;
  /** The name of the key that signs a role, instead of the role's own. */
  readonly signers?: Partial<Record<TufRole, readonly string[]>>;
}

const encoder = new TextEncoder();

/**
 * A TUF repository made with tuf-js' models: honest unless it is told to lie. All it has published is in
 * `files`, by the path below the mirror, and may be changed there.
 */
export class TestTufRepository {
  readonly files: Map<string, Uint8Array<ArrayBuffer>> = new Map();
  readonly #keys: Map<string, { readonly key: Key; readonly secret: KeyObject }> = new Map();
  readonly #roleKeys: Record<TufRole, readonly string[]>;
  readonly #thresholds: Partial<Record<TufRole, number>>;
  readonly #isConsistent: boolean;
  readonly #versions: Record<TufRole, number> = { root: 0, timestamp: 0, snapshot: 0, targets: 0 };
  #targets: Readonly<Record<string, TestTarget>> = {};
  #delegated: {
    readonly name: string;
    readonly paths: readonly string[];
    readonly targets: Readonly<Record<string, TestTarget>>;
  }[] = [];

  constructor(
    publication: Publication = {},
    options: {
      readonly isConsistent?: boolean;
      readonly roleKeys?: Partial<Record<TufRole, readonly string[]>>;
      readonly thresholds?: Partial<Record<TufRole, number>>;
    } = {},
  ) {
    this.#isConsistent = options.isConsistent ?? true;
    this.#thresholds = options.thresholds ?? {};
    this.#roleKeys = {
      root: ["root"],
      timestamp: ["timestamp"],
      snapshot: ["snapshot"],
      targets: ["targets"],
      ...options.roleKeys,
    };
    this.publishRoot(publication);
    this.publish(publication);
  }

  /** The first root: what a client is given. */
  get anchor(): Uint8Array<ArrayBuffer> {
    return this.file("1.root.json");
  }

  /** A published file. @throws {RangeError} when there is none. */
  file(path: string): Uint8Array<ArrayBuffer> {
    const bytes = this.files.get(path);
    if (bytes === undefined) throw new RangeError(`The repository has no ${path}`);
    return bytes;
  }

  /** The next root, with other keys where they are named, signed by the keys of the old one and its own. */
  publishRoot(
    publication: Publication = {},
    roleKeys: Partial<Record<TufRole, readonly string[]>> = {},
  ): void {
    const before = this.#roleKeys.root;
    Object.assign(this.#roleKeys, roleKeys);
    this.#versions.root += 1;
    const root = new Root({
      version: this.#versions.root,
      specVersion: "1.0.31",
      expires: expiry(publication, "root"),
      consistentSnapshot: this.#isConsistent,
    });
    for (const [role, names] of Object.entries(this.#roleKeys)) {
      for (const name of names) root.addKey(this.#key(name).key, role);
      const threshold = this.#thresholds[role as TufRole];
      const described = root.roles[role];
      if (threshold !== undefined && described !== undefined) {
        Object.assign(described, { threshold });
      }
    }
    const signers = publication.signers?.root ?? [...new Set([...before, ...this.#roleKeys.root])];
    this.#put(`${this.#versions.root}.root.json`, this.#signed(new Metadata(root), signers));
  }

  /** Targets, snapshot and timestamp, each a version on; those of before stay where they are numbered. */
  publish(publication: Publication = {}): void {
    this.#targets = publication.targets ?? this.#targets;
    const own = new Targets({
      ...this.#common(publication, "targets"),
      targets: targetFiles(this.#targets),
    });
    const targets = Targets.fromJSON({ ...own.toJSON(), ...this.#delegations() });
    const targetsBytes = this.#publishRole(publication, "targets", targets);
    const meta = { "targets.json": metaFile(this.#versions.targets, targetsBytes) };
    for (const { name, targets } of this.#delegated) {
      const version = this.#versions.targets;
      const role = new Targets({
        version,
        specVersion: "1.0.31",
        expires: expiry(publication, "targets"),
        targets: targetFiles(targets),
      });
      const bytes = this.#signed(new Metadata(role), [name]);
      Object.assign(meta, { [`${name}.json`]: metaFile(version, bytes) });
      this.#put(
        `${this.#isConsistent ? `${version}.` : ""}${encodeURIComponent(name)}.json`,
        bytes,
      );
      this.#putTargets(targets);
    }
    const snapshot = new Snapshot({ ...this.#common(publication, "snapshot"), meta });
    const snapshotBytes = this.#publishRole(publication, "snapshot", snapshot);
    const timestamp = new Timestamp({
      ...this.#common(publication, "timestamp"),
      snapshotMeta: metaFile(this.#versions.snapshot, snapshotBytes),
    });
    const signers = publication.signers?.timestamp ?? this.#roleKeys.timestamp;
    this.#put("timestamp.json", this.#signed(new Metadata(timestamp), signers));
    this.#putTargets(this.#targets);
  }

  /** Hands the names that match `paths` on to a role of its own, and publishes that. */
  delegate(
    name: string,
    paths: readonly string[],
    targets: Readonly<Record<string, TestTarget>>,
  ): void {
    this.#delegated.push({ name, paths, targets });
    this.publish();
  }

  /** Changes the signed part of a published file and signs it again, by the role's own key or another. */
  change(
    path: string,
    edit: (signed: Record<string, unknown>) => void,
    signers: readonly string[] = [path.replace(/^\d+\.|\.json$/g, "")],
  ): void {
    const { signed } = JSON.parse(new TextDecoder().decode(this.file(path)));
    const kind = signed._type as MetadataKind.Targets; // any of the four: the overloads know one each
    const metadata = Metadata.fromJSON(kind, { signed, signatures: [] });
    const edited = structuredClone(signed);
    edit(edited);
    // What the models would refuse to read is signed all the same.
    Object.assign(metadata.signed, { toJSON: () => edited });
    this.#put(path, this.#signed(metadata, signers));
  }

  /** Serves the files on a free port of this machine, until it is disposed of. */
  serve(answer: (path: string) => Response | undefined = () => undefined): TufServer {
    const requests: string[] = [];
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      idleTimeout: 0,
      fetch: ({ url }) => {
        const path = decodeURIComponent(new URL(url).pathname.slice(1));
        requests.push(path);
        const bytes = this.files.get(path);
        return (
          answer(path) ??
          (bytes === undefined ? new Response("no", { status: 404 }) : new Response(bytes))
        );
      },
    });
    return {
      url: `http://127.0.0.1:${server.port}`,
      requests,
      [Symbol.asyncDispose]: async () => {
        await server.stop(true);
      },
    };
  }

  #delegations() {
    if (this.#delegated.length === 0) return {};
    const keys = this.#delegated.map(({ name }) => this.#key(name).key);
    const roles = this.#delegated.map(({ name, paths }) => {
      const keyids = [this.#key(name).key.keyID];
      return { name, keyids, threshold: 1, terminating: true, paths: [...paths] };
    });
    const described = Object.fromEntries(keys.map((key) => [key.keyID, key.toJSON()]));
    return { delegations: { keys: described, roles } };
  }

  #putTargets(targets: Readonly<Record<string, TestTarget>>): void {
    for (const [name, target] of Object.entries(targets)) {
      const slash = name.lastIndexOf("/") + 1;
      const digest = this.#isConsistent ? `${sha256(bytesOf(target))}.` : "";
      this.#put(`targets/${name.slice(0, slash)}${digest}${name.slice(slash)}`, bytesOf(target));
    }
  }

  #publishRole(
    publication: Publication,
    role: "targets" | "snapshot",
    signed: Targets | Snapshot,
  ): Uint8Array<ArrayBuffer> {
    const signers = publication.signers?.[role] ?? this.#roleKeys[role];
    const bytes = this.#signed(new Metadata(signed), signers);
    const number = this.#isConsistent ? `${this.#versions[role]}.` : "";
    return this.#put(`${number}${role}.json`, bytes);
  }

  #common(publication: Publication, role: Exclude<TufRole, "root">) {
    this.#versions[role] = publication.versions?.[role] ?? this.#versions[role] + 1;
    return {
      version: this.#versions[role],
      specVersion: "1.0.31",
      expires: expiry(publication, role),
    };
  }

  #signed(
    metadata: Metadata<Root | Timestamp | Snapshot | Targets>,
    signers: readonly string[],
  ): Uint8Array<ArrayBuffer> {
    for (const name of signers) {
      const { key, secret } = this.#key(name);
      metadata.sign((data) => {
        const sig = sign("sha256", data, secret).toString("hex");
        return new Signature({ keyID: key.keyID, sig });
      });
    }
    return encoder.encode(JSON.stringify(metadata.toJSON()));
  }

  #put(path: string, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    this.files.set(path, bytes);
    return bytes;
  }

  #key(name: string): { readonly key: Key; readonly secret: KeyObject } {
    const known = this.#keys.get(name);
    if (known !== undefined) return known;
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const pem = publicKey.export({ format: "pem", type: "spki" }).toString();
    const key = new Key({
      keyID: sha256(encoder.encode(pem)),
      keyType: "ecdsa",
      scheme: "ecdsa-sha2-nistp256",
      keyVal: { public: pem },
    });
    const made = { key, secret: privateKey };
    this.#keys.set(name, made);
    return made;
  }
}

/** A repository that is served. */
export interface TufServer extends AsyncDisposable {
  readonly url: string;
  /** The paths that were asked for, in order. */
  readonly requests: string[];
}

function targetFiles(targets: Readonly<Record<string, TestTarget>>): Record<string, TargetFile> {
  return Object.fromEntries(
    Object.entries(targets).map(([name, target]) => [name, targetFile(name, target)]),
  );
}

function targetFile(name: string, target: TestTarget): TargetFile {
  const bytes = bytesOf(target);
  return new TargetFile({
    path: name,
    length: target.length ?? bytes.length,
    hashes: { ...(target.hashes ?? { sha256: sha256(bytes) }) },
    ...(target.custom === undefined
      ? {}
      : { unrecognizedFields: { custom: target.custom as Record<string, never> } }),
  });
}

function metaFile(version: number, bytes: Uint8Array): MetaFile {
  return new MetaFile({ version, length: bytes.length, hashes: { sha256: sha256(bytes) } });
}

function bytesOf({ content }: TestTarget): Uint8Array<ArrayBuffer> {
  return typeof content === "string" ? encoder.encode(content) : new Uint8Array(content);
}

function expiry({ expires = {} }: Publication, role: TufRole): string {
  return expires[role] ?? new Date(Date.now() + 7 * 24 * 3_600_000).toISOString();
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
