import {
  type ArtifactFacts,
  type ArtifactHandler,
  type ArtifactManifest,
  type PluginModule,
  parseUtf8,
} from "../../engine/plugin_host/contract.ts";
import { readJson } from "./json.ts";
import type { SbomFormat } from "./sbom.ts";
import { readTagValue, readXml } from "./text.ts";

/** An SBOM of a few ten thousand components: larger ones are not looked into. */
const MAX_SBOM_BYTES = 32 * 1024 * 1024;

/** Media types of cosign (`attach sbom`), and those that IANA has. */
const MEDIA: Readonly<
  Record<string, { readonly format: SbomFormat; readonly text?: "tag-value" | "xml" }>
> = {
  "text/spdx": { format: "spdx", text: "tag-value" },
  "text/spdx+json": { format: "spdx" },
  "text/spdx+xml": { format: "spdx", text: "xml" },
  "spdx+json": { format: "spdx" }, // cosign 1.x
  "application/spdx+json": { format: "spdx" },
  "application/vnd.cyclonedx": { format: "cyclonedx", text: "xml" },
  "application/vnd.cyclonedx+xml": { format: "cyclonedx", text: "xml" },
  "application/vnd.cyclonedx+json": { format: "cyclonedx" },
  "application/vnd.syft+json": { format: "syft" },
};

const sbom: ArtifactHandler = {
  kind: "sbom",
  accepts: (target) => target.kind === "sbom",
  resolve: (target, context) => context.image(target),
  recognizes: (manifest) => layerOf(manifest) !== undefined,
  describe: async (manifest, context): Promise<ArtifactFacts> => {
    const { layer, format, text } = layerOf(manifest) ?? {};
    if (layer === undefined) throw new SyntaxError("It does not have one layer with an SBOM");
    const content = parseUtf8(await context.blob(layer, MAX_SBOM_BYTES));
    const read = text === "xml" ? readXml : text === "tag-value" ? readTagValue : readJson;
    const found = read(content);
    if (found.format !== format) {
      throw new SyntaxError(`It is ${found.format}, its media type says ${format}`);
    }
    return {
      format: found.format,
      encoding: text ?? "json",
      specVersion: found.specVersion,
      ...(found.name === undefined ? {} : { name: found.name }),
      components: `${found.components}`,
    };
  },
};

function layerOf({ config, layers }: ArtifactManifest) {
  const [layer, ...others] = layers;
  if (config === undefined || layer === undefined || others.length > 0) return undefined;
  const known = Object.hasOwn(MEDIA, layer.mediaType) ? MEDIA[layer.mediaType] : undefined;
  return known === undefined ? undefined : { layer, ...known };
}

/** Software bills of materials. */
export const plugin: PluginModule = { artifacts: { sbom } };
