import type {
  ArtifactHandler,
  PluginModule,
  UploadedLayer,
} from "../../engine/plugin_host/contract.ts";

/** The config of an image without a platform; since cosign 3.1 without the digests of its layers. */
function encodeConfig({ digest }: UploadedLayer, generation: number): Uint8Array {
  const zero = "0001-01-01T00:00:00Z";
  const named = generation < 3;
  const config = {
    architecture: "",
    created: zero,
    ...(named ? { history: [{ created: zero }] } : {}),
    os: "",
    rootfs: { type: "layers", diff_ids: named ? [digest] : null },
    config: {},
  };
  return new TextEncoder().encode(JSON.stringify(config));
}

const wasm: ArtifactHandler = {
  kind: "wasm",
  accepts: (target) => target.kind === "wasm",
  resolve: (target, context) => context.image(target),
  upload: (layer, generation) => ({
    configMediaType: "application/vnd.wasm.config.v1+json",
    config: encodeConfig(layer, generation),
    layerMediaType: "application/vnd.wasm.content.layer.v1+wasm",
  }),
};

/** WebAssembly modules. */
export const plugin: PluginModule = { artifacts: { wasm } };
