import { createHash } from "node:crypto";
import { request } from "node:http";

export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
export const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
export const OCI_EMPTY = "application/vnd.oci.empty.v1+json";

type Body = string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>;

/** The digest of a text. */
export function digestOf(content: string | Uint8Array, algorithm = "sha256"): string {
  return `${algorithm}:${createHash(algorithm).update(content).digest("hex")}`;
}

/** A body of unknown length. */
export function streamOf(
  chunks: readonly Uint8Array<ArrayBuffer>[],
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    start: (controller) => {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
}

/** Asks the registry for `/v2/` + `path`; redirects are not followed. */
export function ask(
  registry: { readonly host: string },
  method: string,
  path: string,
  init: { body?: Body; headers?: Record<string, string> } = {},
): Promise<Response> {
  return fetch(`http://${registry.host}/v2/${path}`, { method, redirect: "manual", ...init });
}

/** Sends a path as it is: `fetch` would resolve its dots. @returns the status. */
export function askRaw(
  registry: { readonly port: number },
  method: string,
  path: string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port: registry.port, method, path }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on("error", reject)
      .end();
  });
}

/** Asks for the address in `Location`, with more parameters. */
export function follow(
  registry: { readonly host: string },
  method: string,
  location: string | null,
  init: { body?: Body; headers?: Record<string, string>; query?: string } = {},
): Promise<Response> {
  const { query, ...rest } = init;
  const url = new URL(location ?? "", `http://${registry.host}`);
  if (query !== undefined) url.search = query;
  return fetch(url, { method, redirect: "manual", ...rest });
}

/** The error code of a refusal. */
export async function codeOf(response: Response): Promise<string> {
  const body = (await response.json()) as { errors: { code: string }[] };
  return body.errors[0]?.code ?? "";
}

/** Pushes a blob in one request. @returns its digest. */
export async function pushBlob(
  registry: { readonly host: string },
  repository: string,
  content: string,
): Promise<string> {
  const digest = digestOf(content);
  const response = await ask(registry, "POST", `${repository}/blobs/uploads/?digest=${digest}`, {
    body: content,
  });
  if (response.status !== 201) throw new Error(`blob push answered ${response.status}`);
  return digest;
}

/** Begins an upload. @returns its location. */
export async function beginUpload(
  registry: { readonly host: string },
  repository: string,
): Promise<string> {
  const response = await ask(registry, "POST", `${repository}/blobs/uploads/`);
  const location = response.headers.get("location");
  if (response.status !== 202 || location === null) throw new Error(`POST: ${response.status}`);
  return location;
}

/** The text of an image manifest with no layers. */
export function image(more: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, digest: digestOf("{}"), size: 2 },
    layers: [],
    ...more,
  });
}

/** Pushes a manifest. */
export function putManifest(
  registry: { readonly host: string },
  repository: string,
  reference: string,
  manifest: string,
  headers: Record<string, string> = {},
): Promise<Response> {
  return ask(registry, "PUT", `${repository}/manifests/${reference}`, {
    body: manifest,
    headers: { "Content-Type": OCI_MANIFEST, ...headers },
  });
}
