import {
  type ArtifactHandler,
  type ArtifactManifest,
  type ComposedArtifact,
  type ComposedFile,
  type ComposedLayer,
  type ComposeOptions,
  type DescribeContext,
  encodeGoJson,
  encodeTarFile,
  gunzip,
  gzip,
  isGzip,
  type PluginModule,
  parseUtf8,
  readTar,
  utf8,
} from "../../engine/plugin_host/contract.ts";
import { parseResource, parseResources, type Resource } from "./resources.ts";
import { digestText, filesInOrder } from "./sha256.ts";

/** As many as Tekton's resolver takes. */
const MAX_RESOURCES = 20;
/** No object of a cluster is larger: etcd takes 1.5 MiB. */
const MAX_RESOURCE_BYTES = 2 * 1024 * 1024;
const MEDIA = {
  manifest: "application/vnd.docker.distribution.manifest.v2+json",
  config: "application/vnd.docker.container.image.v1+json",
  layer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
} as const;
const ZERO_TIME = "0001-01-01T00:00:00Z";
/** What says of a layer which resource it is (Tekton Bundle Contract v0.1). */
const NAMED = {
  apiVersion: "dev.tekton.image.apiVersion",
  kind: "dev.tekton.image.kind",
  name: "dev.tekton.image.name",
} as const;

type Descriptor = ArtifactManifest["layers"][number];

const tekton: ArtifactHandler = {
  kind: "tekton",
  accepts: (target) => target.kind === "tekton",
  resolve: (target, context) => context.image(target),
  recognizes: ({ config, layers }) =>
    config !== undefined && layers.length > 0 && layers.every(isNamed),
  describe: async ({ layers }, context) => {
    if (layers.length > MAX_RESOURCES) throw tooMany(layers.length);
    const resources: Resource[] = [];
    for (const layer of layers) resources.push(await readLayer(layer, context));
    checkTwins(resources);
    return { resources: resources.map(({ kind, name, version }) => `${kind}/${name} ${version}`) };
  },
  compose,
};

/** A bundle as `tkn bundle push` makes it: files in the order of their digests, a layer for each resource. */
function compose(files: readonly ComposedFile[], options: ComposeOptions): ComposedArtifact {
  const resources = filesInOrder(files).flatMap(({ path, content }) => {
    try {
      return parseResources(parseUtf8(content));
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
      throw new SyntaxError(`"${path}": ${cause.message}`, { cause });
    }
  });
  if (resources.length === 0) throw new SyntaxError("There is no resource in it");
  if (resources.length > MAX_RESOURCES) throw tooMany(resources.length);
  checkTwins(resources);
  const archives = resources.map(({ name, json }) => encodeTarFile(name, utf8(json)));
  const layers = resources.map(
    ({ version, kind, name }, at): ComposedLayer => ({
      mediaType: MEDIA.layer,
      content: gzip(archives[at] ?? new Uint8Array()),
      annotations: { [NAMED.apiVersion]: version, [NAMED.kind]: kind, [NAMED.name]: name },
    }),
  );
  const config = encodeConfig(archives.map(digestText), options);
  return {
    mediaType: MEDIA.manifest,
    config: { mediaType: MEDIA.config, content: config },
    layers,
  };
}

/** The config of an image without a platform, as go-containerregistry writes it. */
function encodeConfig(
  diffIds: readonly string[],
  { createdAt, labels }: ComposeOptions,
): Uint8Array {
  return utf8(
    encodeGoJson({
      architecture: "",
      created: createdAt,
      history: diffIds.map(() => ({ created: ZERO_TIME })),
      os: "",
      rootfs: { type: "layers", diff_ids: diffIds },
      config: Object.keys(labels).length === 0 ? {} : { Labels: labels },
    }),
  );
}

/** The resource in a layer, which must be the one that the layer is called. */
async function readLayer(layer: Descriptor, context: DescribeContext): Promise<Resource> {
  const bytes = await context.blob(layer, MAX_RESOURCE_BYTES);
  const archive = isGzip(bytes) ? gunzip(bytes, MAX_RESOURCE_BYTES) : bytes;
  const [file, ...others] = readTar(archive);
  if (file === undefined || file.type !== "file" || others.length > 0) {
    throw new SyntaxError(`Layer ${layer.digest} does not hold one file`);
  }
  const resource = parseResource(parseUtf8(file.content));
  const { annotations = {} } = layer;
  const called = { version: NAMED.apiVersion, kind: NAMED.kind, name: NAMED.name } as const;
  for (const part of ["version", "kind", "name"] as const) {
    const [got, wanted] = [resource[part], annotations[called[part]]];
    if (got === wanted) continue;
    const what = `${part} ${JSON.stringify(got)}`;
    throw new SyntaxError(
      `Layer ${layer.digest} holds the ${what}, its annotation says ${JSON.stringify(wanted)}`,
    );
  }
  return resource;
}

function isNamed({ annotations = {} }: Descriptor): boolean {
  return Object.values(NAMED).every((name) => Object.hasOwn(annotations, name));
}

/** Of two with one name, Tekton would take the first. */
function checkTwins(resources: readonly Resource[]): void {
  const seen = new Set<string>();
  for (const { kind, name } of resources) {
    const id = `${kind}/${name}`;
    if (seen.has(id)) throw new SyntaxError(`${id} stands there more than once`);
    seen.add(id);
  }
}

function tooMany(count: number): SyntaxError {
  return new SyntaxError(`It has ${count} resources, Tekton takes at most ${MAX_RESOURCES}`);
}

/** Tekton bundles. */
export const plugin: PluginModule = { artifacts: { tekton } };
