import { parseDocument } from "yaml";
import {
  type ArtifactHandler,
  type ArtifactManifest,
  gunzip,
  isObject,
  type PluginModule,
  parseStrictJson,
  parseUtf8,
  readTar,
} from "../../engine/plugin_host/contract.ts";

/** Helm, "Registries: Helm OCI MIME Types". */
const MEDIA = {
  config: "application/vnd.cncf.helm.config.v1+json",
  content: "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
  provenance: "application/vnd.cncf.helm.chart.provenance.v1.prov",
} as const;
const MAX_CONFIG_BYTES = 1024 * 1024;
/** A release with its chart must fit into a secret of 1 MiB: nothing that can be installed comes near. */
const MAX_CONTENT_BYTES = 8 * 1024 * 1024;
const MAX_ARCHIVE_BYTES = 32 * 1024 * 1024;
const MAX_ALIASES = 100;
/** What the config repeats of `Chart.yaml`, and what people choose a chart by. */
const REPEATED = ["name", "version", "appVersion", "type"] as const;

type Descriptor = ArtifactManifest["layers"][number];

const helm: ArtifactHandler = {
  kind: "helm",
  accepts: (target) => target.kind === "helm",
  resolve: (target, context) => context.image(target),
  recognizes: ({ config }) => config?.mediaType === MEDIA.config,
  describe: async ({ config, layers }, context) => {
    const content = onlyContent(layers);
    if (config === undefined) throw new SyntaxError("It has no config");
    const said = parseStrictJson(parseUtf8(await context.blob(config, MAX_CONFIG_BYTES)));
    const chart = chartOf(await context.blob(content, MAX_CONTENT_BYTES));
    if (!isObject(said)) throw new SyntaxError("Its config is no JSON object");
    for (const member of REPEATED) {
      if ((said[member] ?? "") === (chart[member] ?? "")) continue;
      throw new SyntaxError(
        `The ${member} in its Chart.yaml is ${shown(chart[member])}, its config says ${shown(said[member])}`,
      );
    }
    const { name, version, appVersion, type } = chart;
    if (typeof name !== "string" || typeof version !== "string") {
      throw new SyntaxError("Its Chart.yaml has no name or no version");
    }
    return {
      name,
      version,
      ...(typeof appVersion === "string" ? { appVersion } : {}),
      type: typeof type === "string" ? type : "application", // Helm's default
      hasProvenance: `${layers.some(({ mediaType }) => mediaType === MEDIA.provenance)}`,
    };
  },
};

function onlyContent(layers: readonly Descriptor[]): Descriptor {
  const [content, ...others] = layers.filter(({ mediaType }) => mediaType === MEDIA.content);
  if (content !== undefined && others.length === 0) return content;
  throw new SyntaxError("It does not have one layer with the chart");
}

/** The `Chart.yaml` at the top of a packed chart; those further down are of its dependencies. */
function chartOf(packed: Uint8Array): Record<string, unknown> {
  const entries = readTar(gunzip(packed, MAX_ARCHIVE_BYTES));
  const found = entries.filter(({ name }) => /^(?:\.\/)?[^/]+\/Chart\.yaml$/.test(name));
  const [file] = found;
  if (file === undefined || file.type !== "file" || found.length > 1) {
    throw new SyntaxError("The packed chart does not have one Chart.yaml");
  }
  const document = parseDocument(parseUtf8(file.content));
  const [error] = document.errors;
  if (error !== undefined) throw new SyntaxError(`Chart.yaml: ${error.message.split("\n")[0]}`);
  const chart: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
  if (isObject(chart)) return chart;
  throw new SyntaxError("Its Chart.yaml is no object");
}

function shown(value: unknown): string {
  return value === undefined ? "absent" : (JSON.stringify(value)?.slice(0, 200) ?? "");
}

/** Helm charts. */
export const plugin: PluginModule = { artifacts: { helm } };
