import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BinaryResult, buildBinary, runBinary } from "../support/binary.ts";
import { pushVectorRepository } from "../support/push_layout.ts";
import { onBothRegistries, type TestRegistry } from "../support/registries.ts";
import { digestOf, putBlob, putManifest } from "../support/uploads.ts";
import { type CommandRecord, readCommands, unpackVectors } from "../support/vectors.ts";

const LIMIT_MS = 180_000;
const OLD_REGISTRY = /127\.0\.0\.1:570[12]/g;
const NAMES = ["tree", "triangulate", "generate", "attach", "download", "save"];
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const SIGNATURE = "dev.cosignproject.cosign/signature";

interface Manifest {
  readonly mediaType: string;
  readonly config: { readonly mediaType: string };
  readonly layers: readonly {
    readonly mediaType: string;
    readonly digest: string;
    readonly annotations?: Readonly<Record<string, string>>;
  }[];
}

const records = readCommands().filter(({ argv }) => NAMES.includes(argv[0] ?? ""));
const readers = records.filter(({ argv }) => argv[0] !== "attach");
const attaching = records.filter(({ argv }) => argv[0] === "attach");
const repositories = [...new Set(records.map(repositoryOf))];
const folder = mkdtempSync(join(tmpdir(), "replay-artifacts-"));

beforeAll(async () => {
  unpackVectors("files/", folder);
  unpackVectors("saved/", folder);
  await buildBinary();
}, LIMIT_MS);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the records are those that were counted", () => {
  expect([readers.length, attaching.length]).toEqual([38, 6]);
  expect(records.every(({ exit }) => exit === 0)).toBe(true);
});

onBothRegistries((registryName, start) => {
  let registry: TestRegistry;

  beforeAll(async () => {
    registry = await start();
    for (const name of repositories) await pushVectorRepository(registry.host, name);
  }, LIMIT_MS);

  afterAll(() => registry.close());

  test(
    "every record that reads is answered as by its generation",
    async () => {
      for (const record of readers.filter(({ argv }) => argv[0] !== "save")) {
        const result = await run(record, compatible(record));
        expect([record.id, result.code, result.stderr]).toEqual([
          record.id,
          0,
          here(record.stderr),
        ]);
        expect([record.id, normalized(record, result.stdout)]).toEqual([
          record.id,
          normalized(record, here(record.stdout)),
        ]);
      }
    },
    LIMIT_MS,
  );

  test(
    "what cosign 3.1 printed is printed without --compat, too",
    async () => {
      const latest = readers.filter(({ cosign, argv }) => /^3/.test(cosign) && argv[0] !== "save");
      expect(latest.length).toBeGreaterThan(8);
      for (const record of latest) {
        const { code, stdout } = await run(record, record.argv);
        expect([record.id, code, normalized(record, stdout)]).toEqual([
          record.id,
          0,
          normalized(record, here(record.stdout)),
        ]);
      }
    },
    LIMIT_MS,
  );

  test(
    "save writes what cosign's save wrote, and load brings back what either wrote",
    async () => {
      for (const record of readers.filter(({ argv }) => argv[0] === "save")) {
        const name = record.argv[2] ?? "";
        const ours = join(folder, `ours-${registryName.replace(" ", "-")}-${name}`);
        const argv = compatible(record).map((word) => (word === name ? ours : word));
        expect([record.id, await run(record, argv)]).toMatchObject([record.id, { code: 0 }]);
        expect([record.id, entriesOf(ours)]).toEqual([record.id, entriesOf(join(folder, name))]);
        // cosign 2.6 does not save what refers to the image.
        for (const blob of blobsOf(join(folder, name))) expect(blobsOf(ours)).toContain(blob);
        for (const [at, directory] of [ours, join(folder, name)].entries()) {
          const image = `${registry.host}/loaded/${name}-${at}:1`;
          const loaded = await runBinary(["load", "--dir", directory, image]);
          expect([record.id, loaded]).toMatchObject([
            record.id,
            { code: 0, stdout: "", stderr: "" },
          ]);
          if (at === 1 && record.cosign === "2.6.4" && name.includes("bundle")) continue;
          const key = join(folder, `key-v${record.cosign[0]}.pub`);
          const verified = await runBinary([
            "verify",
            "--key",
            key,
            "--insecure-ignore-tlog",
            image,
          ]);
          expect([record.id, at, verified.stderr, verified.code]).toEqual([
            record.id,
            at,
            expect.any(String),
            0,
          ]);
        }
      }
    },
    LIMIT_MS,
  );

  test(
    "attach puts there what cosign put there, into a repository that holds only the image",
    async () => {
      for (const record of attaching) {
        const reference = here(record.argv.at(-1) ?? "");
        const fresh = `${registry.host}/fresh/${record.id}`;
        const digest = reference.split("@")[1] ?? "";
        await copySubject(reference.replace(/^[^/]*\//, "").split("@")[0] ?? "", digest, record.id);
        const argv = compatible(record).map((word) =>
          word === record.argv.at(-1) ? `${fresh}@${digest}` : word,
        );
        const result = await run(record, argv);
        const [before] = reference.split("@");
        expect([record.id, result.code, result.stdout, result.stderr.trimEnd()]).toEqual([
          record.id,
          0,
          "",
          here(record.stderr)
            .replaceAll(before ?? "", fresh)
            .trimEnd(),
        ]);
        const kind = record.argv[1] === "sbom" ? "sbom" : "sig";
        const tag = `${digest.replace(":", "-")}.${kind}`;
        const made = await manifestOf(`fresh/${record.id}`, tag);
        const theirs = await manifestOf(`veca/${repositoryOf(record)}`, tag);
        // The payload that was attached is kept of the last record only.
        expect([record.id, shapeOf(made)]).toEqual([record.id, shapeOf(theirs)]);
        if (kind === "sbom") expect([record.id, made.layers]).toEqual([record.id, theirs.layers]);
        else {
          expect(made.layers.map(({ digest, annotations }) => [digest, annotations])).toEqual([
            [
              digestOf(readFileSync(join(folder, "payload.json"))),
              { [SIGNATURE]: readFileSync(join(folder, "payload.sig"), "utf8") },
            ],
          ]);
        }
      }
    },
    LIMIT_MS,
  );

  function here(text: string): string {
    return text.replaceAll(OLD_REGISTRY, registry.host);
  }

  async function run(record: CommandRecord, argv: readonly string[]): Promise<BinaryResult> {
    const env = Object.fromEntries(
      Object.entries(record.env).map(([name, value]) => [name, here(value)]),
    );
    return await runBinary(argv.map(here), { cwd: folder, env });
  }

  async function manifestOf(repository: string, reference: string): Promise<Manifest> {
    const url = `http://${registry.host}/v2/${repository}/manifests/${reference}`;
    const response = await fetch(url, { headers: { accept: MANIFEST } });
    expect([url, response.status]).toEqual([url, 200]);
    return JSON.parse(await response.text());
  }

  async function copySubject(from: string, digest: string, id: string): Promise<void> {
    const source = `http://${registry.host}/v2/${from}`;
    const target = `http://${registry.host}/v2/fresh/${id}`;
    const response = await fetch(`${source}/manifests/${digest}`, {
      headers: { accept: MANIFEST },
    });
    const bytes = await response.bytes();
    const { config, layers } = JSON.parse(new TextDecoder().decode(bytes));
    for (const blob of [config, ...layers]) {
      const content = await fetch(`${source}/blobs/${blob.digest}`);
      await putBlob(target, blob.digest, await content.bytes());
    }
    await putManifest(target, digest, MANIFEST, bytes);
  }
});

/** What a record printed, so that it can be compared: groups and lines whose order was chance are sorted. */
function normalized({ argv }: CommandRecord, stdout: string): unknown {
  if (argv[0] === "download" && argv[1] !== "sbom") {
    return stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.stringify(JSON.parse(line)))
      .sort();
  }
  if (argv[0] !== "tree") return stdout;
  const [head, ...groups] = stdout.split(/^(?=└── )/m);
  return [head, groups.sort()];
}

function compatible({ cosign, argv }: CommandRecord): readonly string[] {
  const words = argv[0] === "attach" || argv[0] === "download" ? 2 : 1;
  return [...argv.slice(0, words), "--compat", cosign.slice(0, 1), ...argv.slice(words)];
}

function repositoryOf({ argv }: CommandRecord): string {
  return /([\w-]+)@sha256:\w+$/.exec(argv.at(-1) ?? "")?.[1] ?? "";
}

/** The entries of `index.json`: what each is, and its digest. */
function entriesOf(directory: string): unknown {
  const { manifests } = JSON.parse(readFileSync(join(directory, "index.json"), "utf8"));
  return manifests
    .map(({ artifactType: _ignored, ...entry }: { artifactType?: string; digest: string }) => entry)
    .filter(({ annotations }: { annotations?: { kind?: string } }) => annotations?.kind);
}

function blobsOf(directory: string): readonly string[] {
  const blobs = join(directory, "blobs", "sha256");
  return existsSync(blobs) ? readdirSync(blobs).sort() : [];
}

/** What a manifest is made of, whatever was signed. */
function shapeOf({ mediaType, config, layers }: Manifest): unknown {
  return [
    mediaType,
    config.mediaType,
    layers.map((layer) => [layer.mediaType, Object.keys(layer.annotations ?? {})]),
  ];
}
