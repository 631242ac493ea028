import { isObject } from "../formats/go_json.ts";
import { MEDIA } from "../formats/media_types.ts";
import { isIndex } from "../formats/oci_manifest.ts";
import { parseStrictJson } from "../formats/strict_json.ts";
import type { ArtifactFacts } from "../model/artifact.ts";
import { parseUtf8 } from "../model/bytes.ts";
import type { Platform } from "../model/descriptor.ts";
import type { ArtifactHandler, DescribeContext } from "../plugin_host/contract.ts";

const MAX_CONFIG_BYTES = 4 * 1024 * 1024; // as large as a manifest may be
const MAX_LAYOUT_BYTES = 4 * 1024 * 1024; // a supply chain of thousands of steps
const MAX_LISTED = 100;
const IMAGE_CONFIGS: ReadonlySet<string> = new Set([MEDIA.ociConfig, MEDIA.dockerConfig]);
/** Media types of what an image's file system is made of. */
const FILE_SYSTEM = /^application\/vnd\.(?:oci\.image\.layer|docker\.image\.rootfs)\./;

/** A multi-arch index. */
const index: ArtifactHandler = {
  ...asImage("index"),
  recognizes: ({ mediaType }) => isIndex(mediaType),
  describe: async ({ layers }) => {
    const platforms = layers.flatMap(({ platform }) =>
      platform === undefined ? [] : [platformText(platform)],
    );
    return { manifests: `${layers.length}`, ...listed("platforms", platforms) };
  },
};

/** A container image. */
const image: ArtifactHandler = {
  ...asImage("image"),
  recognizes: ({ artifactType, config, layers }) =>
    artifactType === undefined &&
    config !== undefined &&
    IMAGE_CONFIGS.has(config.mediaType) &&
    layers.every(({ mediaType }) => FILE_SYSTEM.test(mediaType)),
  describe: async ({ config }, context) => {
    if (config === undefined) return {};
    const { os, architecture, variant } = await readObject(config, MAX_CONFIG_BYTES, context);
    if (typeof os !== "string" || typeof architecture !== "string" || os === "") return {};
    const more = typeof variant === "string" ? { variant } : {};
    return { platform: platformText({ os, architecture, ...more }) };
  },
};

/** A file as `upload blob` writes it: one layer of the file's own type. */
const blob: ArtifactHandler = {
  ...asImage("blob"),
  recognizes: ({ artifactType, config, layers }) =>
    artifactType === undefined &&
    config !== undefined &&
    IMAGE_CONFIGS.has(config.mediaType) &&
    layers.length === 1 &&
    layers.every(({ mediaType }) => !FILE_SYSTEM.test(mediaType)),
  describe: async ({ layers: [layer] }) =>
    layer === undefined
      ? {}
      : { contentType: layer.mediaType, sizeBytes: `${layer.sizeBytes}`, content: layer.digest },
};

/** A layout or a link of in-toto (in-toto specification §4.3 and §4.4), signed or in an envelope. */
const inToto: ArtifactHandler = {
  ...asImage("in-toto"),
  recognizes: ({ layers }) => layers.length === 1 && isInToto(layers[0]?.mediaType),
  describe: async ({ layers: [layer] }, context) =>
    layer === undefined ? {} : layoutFacts(await readObject(layer, MAX_LAYOUT_BYTES, context)),
};

/** Anything else that a manifest can hold. */
const artifact: ArtifactHandler = {
  ...asImage("artifact"),
  recognizes: ({ mediaType }) => !isIndex(mediaType),
  describe: async ({ artifactType, config, layers }) => ({
    type: artifactType ?? config?.mediaType ?? "",
    ...listed("layers", [...new Set(layers.map(({ mediaType }) => mediaType))]),
  }),
};

/** The kinds that the engine itself knows, what is told most surely first; the last one is any. */
export const ENGINE_KINDS: readonly ArtifactHandler[] = [index, inToto, image, blob, artifact];

function asImage(kind: string): Pick<ArtifactHandler, "kind" | "accepts" | "resolve"> {
  return {
    kind,
    accepts: (target) => target.kind === undefined || target.kind === kind,
    resolve: (target, context) => context.image(target),
  };
}

function isInToto(mediaType: string | undefined): boolean {
  return (
    mediaType !== undefined &&
    /^application\/vnd\.in-toto(?:\.(?:layout|link))?\+(?:json|dsse)$/.test(mediaType)
  );
}

function layoutFacts(outer: Record<string, unknown>): ArtifactFacts {
  const { signed, payload } = outer;
  const text = typeof payload === "string" ? payload : undefined;
  const inner =
    text === undefined
      ? (signed ?? outer)
      : parseStrictJson(parseUtf8(Uint8Array.fromBase64(text)));
  if (!isObject(inner)) throw new SyntaxError("it holds no in-toto metadata");
  const { _type: type, name, steps, expires } = inner;
  if (type === "link" && typeof name === "string") return { type: "link", step: name };
  if (type === "layout" && Array.isArray(steps)) {
    const names = steps.flatMap((step) =>
      isObject(step) && typeof step["name"] === "string" ? [step["name"]] : [],
    );
    return {
      type: "layout",
      ...listed("steps", names),
      ...(typeof expires === "string" ? { expires } : {}),
    };
  }
  if (typeof type === "string" && typeof inner["predicateType"] === "string") {
    return { type: "statement", predicateType: inner["predicateType"] };
  }
  throw new SyntaxError("it is neither a layout, nor a link, nor a statement of in-toto");
}

async function readObject(
  descriptor: Parameters<DescribeContext["blob"]>[0],
  limitBytes: number,
  context: DescribeContext,
): Promise<Record<string, unknown>> {
  const value = parseStrictJson(parseUtf8(await context.blob(descriptor, limitBytes)));
  if (isObject(value)) return value;
  throw new SyntaxError(`its ${descriptor.mediaType} is no JSON object`);
}

function listed(name: string, values: readonly string[]): ArtifactFacts {
  return values.length === 0 ? {} : { [name]: values.slice(0, MAX_LISTED) };
}

function platformText({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join("/");
}
