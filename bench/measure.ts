import { readFileSync } from "node:fs";

/** Alternating runs of a measurement: ours, peer, ours, peer … */
export const ROUNDS = 5;

/** One run of a program, from its start to its end. */
export interface Run {
  readonly elapsedMs: number;
  /** The most memory it ever had (`VmHWM`); 0 where the system does not tell. */
  readonly peakBytes: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What came out. JSON. */
export interface Measurement {
  readonly name: string;
  readonly unit: "ms" | "bytes";
  /** Medians. */
  readonly ours: number;
  readonly peer: number;
  /** The median of the rounds' ratios: what is compared was measured next to each other. */
  readonly ratio: number;
  /** What the ratio is to stay under. */
  readonly limit: number;
  readonly ratios: readonly number[];
  /** Requests of one run; absent where there are none. */
  readonly requests?: { readonly ours: number; readonly peer: number };
}

/** Runs a program to its end. @throws {Error} when its exit code is not 0. */
export async function runTimed(
  argv: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Run> {
  const startedMs = performance.now();
  const child = Bun.spawn([...argv], {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { PATH: process.env["PATH"] ?? "", ...options.env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let peakBytes = readPeak(child.pid);
  const timer = setInterval(() => {
    peakBytes = Math.max(peakBytes, readPeak(child.pid));
  }, 20);
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  const elapsedMs = performance.now() - startedMs;
  clearInterval(timer);
  if (code !== 0) throw new Error(`${argv.join(" ")}: exit code ${code}\n${stdout}${stderr}`);
  return { elapsedMs, peakBytes, stdout, stderr };
}

/** Measures two things in turn, and compares them round by round. */
export async function alternate(
  what: Pick<Measurement, "name" | "unit" | "limit">,
  rounds: number,
  ours: (round: number) => Promise<number>,
  peer: (round: number) => Promise<number>,
): Promise<Measurement> {
  const values: { readonly ours: number; readonly peer: number }[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    values.push({ ours: await ours(round), peer: await peer(round) });
  }
  const ratios = values.map((value) => value.ours / value.peer);
  return {
    ...what,
    ours: median(values.map((value) => value.ours)),
    peer: median(values.map((value) => value.peer)),
    ratio: median(ratios),
    ratios,
  };
}

/** The middle of an odd number of values. */
export function median(values: readonly number[]): number {
  return (
    values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN
  );
}

/** The number of requests in the last line that a batch prints. */
export function requestsOf({ stderr }: Run): number {
  return Number(/, (\d+) requests\b/.exec(stderr)?.[1] ?? Number.NaN);
}

/** One line for people. */
export function describe(measurement: Measurement): string {
  const { name, unit, ours, peer, ratio, limit, ratios, requests } = measurement;
  const show = (value: number): string =>
    unit === "ms" ? `${value.toFixed(value < 100 ? 1 : 0)} ms` : `${(value / 1e6).toFixed(0)} MB`;
  const counted = requests === undefined ? "" : `, ${requests.ours} and ${requests.peer} requests`;
  const all = ratios.map((value) => value.toFixed(2)).join(" ");
  const verdict = ratio <= limit ? "ok" : "MISSED";
  return `${name}: ${ratio.toFixed(2)} (at most ${limit}: ${verdict}); ${show(ours)} to ${show(peer)}${counted}; rounds ${all}`;
}

function readPeak(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0; // it has ended, or this is no Linux
  }
}
