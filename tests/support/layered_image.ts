import { digestOf, inParallel, putBlob, putManifest } from "./uploads.ts";

const IMAGE = "application/vnd.oci.image.manifest.v1+json";
const INDEX = "application/vnd.oci.image.index.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar";

/** An image of `layers`, pushed to a tag; answers the digests of the manifest and of the layers. */
export async function pushLayeredImage(
  host: string,
  repository: string,
  tag: string,
  layers: readonly Uint8Array[],
): Promise<{ readonly digest: string; readonly layers: readonly string[]; readonly size: number }> {
  const base = `http://${host}/v2/${repository}`;
  const config = new TextEncoder().encode(JSON.stringify({ os: "linux", architecture: "amd64" }));
  await inParallel([config, ...layers], (blob) => putBlob(base, digestOf(blob), blob));
  const describe = (mediaType: string, blob: Uint8Array) => ({
    mediaType,
    digest: digestOf(blob),
    size: blob.length,
  });
  const manifest = encode({
    schemaVersion: 2,
    mediaType: IMAGE,
    config: describe("application/vnd.oci.image.config.v1+json", config),
    layers: layers.map((layer) => describe(LAYER, layer)),
  });
  await putManifest(base, tag, IMAGE, manifest);
  return { digest: digestOf(manifest), layers: layers.map(digestOf), size: manifest.length };
}

/** An index of images that are there already, pushed to a tag; answers its digest. */
export async function pushIndex(
  host: string,
  repository: string,
  tag: string,
  images: readonly {
    readonly digest: string;
    readonly size: number;
    readonly platform: { readonly os: string; readonly architecture: string };
  }[],
): Promise<string> {
  const index = encode({
    schemaVersion: 2,
    mediaType: INDEX,
    manifests: images.map((image) => ({ mediaType: IMAGE, ...image })),
  });
  await putManifest(`http://${host}/v2/${repository}`, tag, INDEX, index);
  return digestOf(index);
}

/** Puts a manifest that refers to another one; announces it by the fallback tag where that is needed. */
export async function pushReferrer(
  host: string,
  repository: string,
  subject: { readonly digest: string; readonly size: number },
  artifactType: string,
): Promise<string> {
  const base = `http://${host}/v2/${repository}`;
  const empty = new TextEncoder().encode("{}");
  await putBlob(base, digestOf(empty), empty);
  const blob = {
    mediaType: "application/vnd.oci.empty.v1+json",
    digest: digestOf(empty),
    size: empty.length,
  };
  const manifest = encode({
    schemaVersion: 2,
    mediaType: IMAGE,
    artifactType,
    config: blob,
    layers: [blob],
    subject: { mediaType: IMAGE, ...subject },
  });
  const digest = digestOf(manifest);
  const answer = await putManifest(base, digest, IMAGE, manifest);
  if (answer.headers.has("oci-subject")) return digest;
  const entry = { mediaType: IMAGE, digest, size: manifest.length, artifactType };
  const list = encode({ schemaVersion: 2, mediaType: INDEX, manifests: [entry] });
  await putManifest(base, subject.digest.replace(":", "-"), INDEX, list);
  return digest;
}

function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
