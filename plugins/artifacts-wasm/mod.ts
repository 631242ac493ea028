import type {
  ArtifactHandler,
  ArtifactManifest,
  PluginModule,
  UploadedFile,
} from "../../engine/plugin_host/contract.ts";

/** What every module begins with (WebAssembly core specification §5.5.16); the version follows. */
const MAGIC = [0x00, 0x61, 0x73, 0x6d];
const MAX_CONFIG_BYTES = 1024 * 1024; // a component's imports and exports
/** The form of wasm-to-oci and cosign, and that of the CNCF's "Wasm OCI artifact layout". */
const COSIGN = {
  config: "application/vnd.wasm.config.v1+json",
  layer: "application/vnd.wasm.content.layer.v1+wasm",
} as const;
const CNCF = { config: "application/vnd.wasm.config.v0+json", layer: "application/wasm" } as const;
const ZERO_TIME = "0001-01-01T00:00:00Z";

/** The config of an image without a platform; since cosign 3.1 without the digests of its layers. */
function encodeCosignConfig({ digest }: UploadedFile, generation: number): Uint8Array {
  const named = generation < 3;
  return encodeJson({
    architecture: "",
    created: ZERO_TIME,
    ...(named ? { history: [{ created: ZERO_TIME }] } : {}),
    os: "",
    rootfs: { type: "layers", diff_ids: named ? [digest] : null },
    config: {},
  });
}

/** Whether a file is a component, by the layer in its version (component model, "Binary Format"). */
function isComponent({ head }: UploadedFile): boolean {
  return head[6] === 1 && head[7] === 0;
}

function encodeCncfConfig(file: UploadedFile): Uint8Array {
  return encodeJson({
    created: ZERO_TIME,
    architecture: "wasm",
    os: isComponent(file) ? "wasip2" : "wasip1",
    layerDigests: [file.digest],
  });
}

function encodeJson(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function checkModule({ head, path }: UploadedFile): void {
  if (head.length >= 8 && MAGIC.every((byte, i) => head[i] === byte)) return;
  throw new SyntaxError(`"${path}" is no WebAssembly module: it does not begin with "\\0asm"`);
}

function moduleOf({ layers }: ArtifactManifest): ArtifactManifest["layers"][number] | undefined {
  return layers.find(({ mediaType }) => mediaType === COSIGN.layer || mediaType === CNCF.layer);
}

const wasm: ArtifactHandler = {
  kind: "wasm",
  accepts: (target) => target.kind === "wasm",
  resolve: (target, context) => context.image(target),
  recognizes: (manifest) => moduleOf(manifest) !== undefined,
  describe: async (manifest, context) => {
    const { config } = manifest;
    const form = config?.mediaType === CNCF.config ? "cncf" : "cosign";
    const size = { form, sizeBytes: `${moduleOf(manifest)?.sizeBytes ?? 0}` };
    if (config === undefined || form === "cosign") return size;
    const text = new TextDecoder().decode(await context.blob(config, MAX_CONFIG_BYTES));
    const parsed: unknown = JSON.parse(text);
    const os = typeof parsed === "object" && parsed !== null ? Reflect.get(parsed, "os") : "";
    return typeof os === "string" && os !== "" ? { ...size, os } : size;
  },
  forms: ["cosign", "cncf"],
  upload: (file, { generation, form = "cosign" }) => {
    checkModule(file);
    return form === "cncf"
      ? {
          configMediaType: CNCF.config,
          config: encodeCncfConfig(file),
          layerMediaType: CNCF.layer,
        }
      : {
          configMediaType: COSIGN.config,
          config: encodeCosignConfig(file, generation),
          layerMediaType: COSIGN.layer,
        };
  },
};

/** WebAssembly modules. */
export const plugin: PluginModule = { artifacts: { wasm } };
