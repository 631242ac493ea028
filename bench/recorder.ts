import { createHash } from "node:crypto";
import { type RecordedRequest, uploadOf } from "./recorded.ts";

/** A proxy that writes down what goes by. Whoever starts it closes it. */
export interface Recorder {
  /** In the order in which the requests came. */
  readonly requests: readonly RecordedRequest[];
  close(): Promise<void>;
}

/** Headers that whoever sends the request again makes anew. */
const OWN_HEADERS: ReadonlySet<string> = new Set(["host", "connection", "content-length"]);

/** Records at `port` what is asked of the registry at `upstream` (`127.0.0.1:PORT`). */
export function startRecorder(port: number, upstream: string): Recorder {
  const requests: RecordedRequest[] = [];
  const writers: Map<string, number[]> = new Map();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port,
    idleTimeout: 0,
    fetch: async (request) => {
      const { method } = request;
      const { pathname, search } = new URL(request.url);
      const path = pathname + search;
      // What has been answered by now may be what makes this request possible.
      const answered = (mark: string): readonly number[] => [...(writers.get(mark) ?? [])];
      const number = requests.length;
      const own = [...request.headers].filter(([name]) => !OWN_HEADERS.has(name));
      const before = new Map(marksOf(path).map((mark) => [mark, answered(mark)]));
      requests.push({ method, path, headers: Object.fromEntries(own), after: [] });

      const body = request.body === null ? undefined : await request.bytes();
      for (const mark of marksOf(new TextDecoder().decode(body))) before.set(mark, answered(mark));
      const answer = await fetch(`http://${upstream}${path}`, {
        method,
        headers: request.headers,
        ...(body === undefined ? {} : { body }),
        redirect: "manual",
        decompress: false,
      });
      const content = await answer.arrayBuffer();
      const upload = uploadOf(answer.headers.get("location") ?? "");
      requests[number] = {
        method,
        path,
        headers: Object.fromEntries(own),
        after: [...new Set([...before.values()].flat())].filter((other) => other < number),
        ...(body === undefined ? {} : { body: body.toBase64() }),
        ...(method !== "POST" || upload === undefined ? {} : { upload }),
      };
      if (method === "POST" || method === "PUT") {
        const hash = createHash("sha256")
          .update(body ?? new Uint8Array())
          .digest("hex");
        const made = [...marksOf(path), hash, ...(upload === undefined ? [] : [upload])];
        for (const mark of new Set(made)) {
          writers.set(mark, [...(writers.get(mark) ?? []), number]);
        }
      }
      const { status, headers } = answer;
      return new Response(content.byteLength === 0 ? null : content, { status, headers });
    },
  });
  return { requests, close: () => server.stop(true) };
}

/** What requests have in common that depend on each other: digests, and the ids of uploads. */
function marksOf(text: string): readonly string[] {
  const upload = uploadOf(text);
  return [...(text.match(/[0-9a-f]{64}/g) ?? []), ...(upload === undefined ? [] : [upload])];
}
