/** How a registry keeps signatures: at the `.sig` tag, or as bundles that refer to the image. */
export type Place = "legacy" | "bundle";

/** How many signatures lie beside the image of a reference by digest, asked by plain HTTP. */
export async function countSignatures(
  host: string,
  reference: string,
  place: Place,
): Promise<number> {
  const [, repository = "", digest = ""] = /^[^/]+\/(.+)@(sha256:\w+)$/.exec(reference) ?? [];
  const base = `http://${host}/v2/${repository}`;
  const tag = digest.replace(":", "-");
  if (place === "legacy") {
    const { layers } = await getJson(`${base}/manifests/${tag}.sig`);
    return layers?.length ?? 0;
  }
  const listing =
    (await getJson(`${base}/referrers/${digest}`)).manifests ??
    (await getJson(`${base}/manifests/${tag}`)).manifests;
  return (listing ?? []).length;
}

async function getJson(
  url: string,
): Promise<{ readonly layers?: readonly unknown[]; readonly manifests?: readonly unknown[] }> {
  const accept =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
  const response = await fetch(url, { headers: { accept } });
  if (response.status === 404) {
    await response.body?.cancel();
    return {};
  }
  if (!response.ok) throw new Error(`GET ${url}: ${response.status} ${await response.text()}`);
  return JSON.parse(await response.text());
}
