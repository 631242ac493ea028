import { parseDigest } from "../../engine/model/digest.ts";
import type {
  ArtifactFacts,
  ArtifactHandler,
  ArtifactManifest,
  Descriptor,
} from "../../engine/plugin_host/contract.ts";
import { digestOf } from "./uploads.ts";

/** A blob of an artifact that lies in no registry. */
export interface LooseBlob {
  readonly mediaType: string;
  readonly content: Uint8Array;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A manifest of loose blobs, as a handler gets it. */
export function looseManifest(config: LooseBlob, layers: readonly LooseBlob[]): ArtifactManifest {
  return {
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    annotations: {},
    config: descriptorOf(config),
    layers: layers.map(descriptorOf),
  };
}

/** What a handler says of loose blobs, which it must recognize. */
export async function describeLoose(
  handler: ArtifactHandler | undefined,
  config: LooseBlob,
  layers: readonly LooseBlob[],
): Promise<ArtifactFacts> {
  const manifest = looseManifest(config, layers);
  if (handler?.describe === undefined) throw new Error("The handler describes nothing");
  if (handler.recognizes?.(manifest) !== true) throw new Error("The handler does not recognize it");
  return await handler.describe(manifest, {
    blob: (descriptor, limitBytes) => {
      const found = [config, ...layers].find(
        (each) => digestOf(each.content) === descriptor.digest,
      );
      if (found === undefined) return Promise.reject(new Error("There is no such blob"));
      if (found.content.length > limitBytes) return Promise.reject(new RangeError("Too long"));
      return Promise.resolve(found.content);
    },
  });
}

function descriptorOf({ mediaType, content, annotations }: LooseBlob): Descriptor {
  return {
    mediaType,
    digest: parseDigest(digestOf(content)),
    sizeBytes: content.length,
    ...(annotations === undefined ? {} : { annotations }),
  };
}
