/**
 * The bare script that a batch is measured against: sends a recorded list of requests again, and does
 * nothing else.
 *
 *     bun bench/replay.ts LIST.json HOST CONCURRENCY [FROM TO]
 *
 * @param FROM The repository of the recorded requests, and TO the one to send them to instead.
 */
import { readFileSync } from "node:fs";
import { type RecordedRequest, uploadOf } from "./recorded.ts";

const [list = "", host = "", concurrency = "1", from = "", to = ""] = process.argv.slice(2);
const requests: readonly RecordedRequest[] = JSON.parse(readFileSync(list, "utf8"));
const locations: Map<string, string> = new Map();
const answers: (Promise<void> | undefined)[] = [];
let next = 0;

/** docker-registry refuses a manifest now and then while another connection pushes one of its blobs again. */
const ATTEMPTS = 5;
const PAUSE_MS = 50;

async function send(request: RecordedRequest): Promise<void> {
  const { method, path, headers, body, upload, after } = request;
  if (after.length > 0) await Promise.all(after.map((other) => answers[other]));
  const init = { method, headers, redirect: "manual", decompress: false } as const;
  const content = body === undefined ? {} : { body: Uint8Array.fromBase64(body) };
  let answer = await fetch(addressOf(path), { ...init, ...content });
  let text = await answer.text();
  for (let n = 1; n < ATTEMPTS && (answer.status === 400 || answer.status >= 500); n += 1) {
    await Bun.sleep(PAUSE_MS);
    answer = await fetch(addressOf(path), { ...init, ...content });
    text = await answer.text();
  }
  const location = answer.headers.get("location");
  if (upload !== undefined && location !== null) locations.set(upload, location);
  // 404: what was not there when it was recorded.
  if (answer.status >= 400 && answer.status !== 404) {
    throw new Error(`${method} ${path}: status ${answer.status} ${text}`);
  }
}

/** Where to: an upload's content goes where this run's answer says. */
function addressOf(path: string): string {
  const location = locations.get(uploadOf(path) ?? "");
  if (location === undefined) return `http://${host}${path.replace(`/v2/${from}/`, `/v2/${to}/`)}`;
  const url = new URL(location, `http://${host}`);
  const digest = new URLSearchParams(path.split("?")[1]).get("digest");
  if (digest !== null) url.searchParams.set("digest", digest);
  return url.href;
}

async function lane(): Promise<void> {
  for (let number = next++; number < requests.length; number = next++) {
    const request = requests[number];
    if (request === undefined) continue;
    answers[number] = send(request);
    await answers[number];
  }
}

await Promise.all(Array.from({ length: Number(concurrency) }, lane));
